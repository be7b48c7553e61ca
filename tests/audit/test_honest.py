"""No false alarm: honest logs of any size, written in batches at random, sometimes under a sealed vault, all hold."""

import random
from pathlib import Path

import pytest

from breakglass.audit.verify import verify
from tests.audit.kit import World

LARGEST = 1_100
"""Entries: four full tiles and the beginning of a fifth."""


HUNDREDS = [pytest.param(range(n, n + 100), id=f"{n}", marks=pytest.mark.nightly) for n in range(100, 1_100, 100)]


@pytest.mark.parametrize("logs", [pytest.param(range(12), id="some"), *HUNDREDS])
def test_honest_logs_hold(tmp_path: Path, logs: range) -> None:
    for seed in logs:
        rng = random.Random(seed)
        world, left = World(tmp_path / f"{seed}.db"), rng.randint(0, LARGEST - 1)
        size = left + 1  # leaf 0 is the founding roster
        while left:
            world.signer.sealed = rng.random() < 0.1
            count = min(left, rng.choice((1, 2, rng.randint(1, 40), rng.randint(1, LARGEST))))
            world.note(count)
            left -= count
        world.stop()
        report = verify(world.url, pin=world.pin)
        assert report.ok, (seed, report.in_words())
        assert report.window.entries == size, seed
        world.path.unlink()
