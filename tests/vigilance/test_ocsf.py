"""What a SIEM is sent, judged by OCSF's own schema."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from breakglass.audit.event import Event, parse
from breakglass.audit.evidence import leaves_from
from breakglass.codec.private import NOT_SHOWN, restore
from breakglass.flow.consequences import CONSEQUENCES
from breakglass.views.facts import SENTENCES
from breakglass.vigilance.ocsf import FINDINGS, ocsf
from tests.kit import Town
from tests.vigilance.ocsf_schema import wrong

KINDS = sorted({*CONSEQUENCES, *FINDINGS, *SENTENCES, "sign_in.made", "sign_in.refused", "sign_in.ended"})


def sent(event: Event) -> dict[str, Any]:
    made = ocsf(event, index=4, deployment="dep_1", origin="log.example.org", text="It happened.", person="usr_alice")
    found: dict[str, Any] = json.loads(json.dumps(made))
    return found


def event(kind: str, **data: str | int | bool) -> Event:
    return Event(kind, "2026-11-23T21:04:00.250000+00:00", "usr_bo", "ses_1", data)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_an_event_of_the_schema(kind: str) -> None:
    assert wrong(sent(event(kind, why="It broke.", n=1, ok=True))) == []


async def test_the_story(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        _, grant = await town.granted()
        await town.end_session(await town.session())
        await town.close(grant)
        for _, leaf, opened in await town.store.read(leaves_from, 0, 1000):
            one = parse(leaf)
            assert wrong(sent(one._replace(data=restore(one.data, opened, NOT_SHOWN)))) == []


BENT: dict[str, Callable[[dict[str, Any]], object]] = {
    "a class that there is not": lambda made: made.update(class_uid=2099),
    "an attribute that it has not": lambda made: made.update(privileges=["x"]),
    "an attribute of an object that it has not": lambda made: made["metadata"].update(origin="x"),
    "nothing required": lambda made: made["metadata"].pop("product"),
    "a text for a number": lambda made: made.update(time="now"),
    "true for a number": lambda made: made.update(severity_id=True),
    "a number that the enumeration has not": lambda made: made.update(severity_id=9),
    "one for a list": lambda made: made["finding_info"].update(types="x"),
    "a profile's attribute without the profile": lambda made: made["metadata"].pop("profiles"),
    "another type than its activity": lambda made: made.update(activity_id=2),
    "another category": lambda made: made.update(category_uid=3),
    "nobody acts": lambda made: made.update(actor={}),
}


@pytest.mark.parametrize("change", BENT)
def test_the_judge_finds(change: str) -> None:
    made = sent(event("session.alarm"))
    BENT[change](made)
    assert len(wrong(made)) >= 1
