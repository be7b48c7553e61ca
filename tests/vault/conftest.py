"""A world for each test: a vault in this process, opened, with its roster."""

from pathlib import Path

import pytest

from tests.vault.rig import World, new_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return new_world(tmp_path)
