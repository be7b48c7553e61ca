"""The crash grid leaves out nothing: every point that the source names, every duty, every call of the vault. (Steps
share the two points of their commit; those of the story stand in the grid by name.)"""

import importlib
import re
from pathlib import Path

import breakglass
from breakglass import faults
from breakglass.flow.consequences import CONSEQUENCES
from breakglass.vault.server import CALLS
from tests.crash_points import ELSEWHERE, POINTS

SOURCE = Path(breakglass.__file__).parent
OTHERS = {"keep": "flow.keep", "background": "app.background", "outbox": "storage.outbox"}


def of(kind: str) -> set[str]:
    return {point.split(":")[1] for point in (*POINTS, *ELSEWHERE) if point.startswith(f"{kind}:")}


def test_every_named_point_is_in_it() -> None:
    named = {found for path in SOURCE.rglob("*.py") for found in re.findall(r'reach\(\s*"([^"]+)"', path.read_text())}
    assert named - faults.INSIDE <= faults.POINTS
    assert {*POINTS, *ELSEWHERE} >= faults.POINTS
    assert len(set(POINTS)) == len(POINTS)


def test_every_duty_and_every_call_is_in_it() -> None:
    assert {duty for owed in CONSEQUENCES.values() for duty in owed} <= of("duty")
    assert set(CALLS) <= of("call")


def test_its_steps_are_steps() -> None:
    for step in of("step"):
        module, name = step.split(".")
        found = getattr(importlib.import_module(f"breakglass.{OTHERS.get(module, f'flow.{module}')}"), name)
        assert faults.name_of(found) == step
