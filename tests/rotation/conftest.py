"""One world for each file of tests: every case in it has an account of its own."""

from collections.abc import Iterator

import pytest

from tests.rotation.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("rotation"))
    yield made
    made.store.stop()
