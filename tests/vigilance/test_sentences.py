"""Every fact that owes an alert or a ticket line has words: who, which account, and what to do, as people know them."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from breakglass.flow.consequences import CONSEQUENCES
from breakglass.model.people import SYSTEM
from breakglass.model.request import AccessRequest
from breakglass.plugin_api.notifier import Severity
from breakglass.storage import outbox
from breakglass.storage.outbox import Told
from breakglass.trust import drafting
from breakglass.trust.roster import Roster, parse
from breakglass.trust.statement import Kind
from breakglass.vigilance.scene import Scene
from breakglass.vigilance.sentences import TITLE_MAX, TOLD, sentence
from tests.kit import ACCOUNT, PEOPLE, Person, Town, draw_up, estate

DENIED = {"requester": "usr_alice", "account": ACCOUNT, "reason": "Nobody is to log in there tonight."}
AT = datetime(2026, 1, 1, tzinfo=UTC)


def plain_roster() -> Roster:
    people = {login: Person(login) for login in PEOPLE}
    keys = {"log": "-", "grant": "-", "recording": "-"}
    return parse(drafting.founding(estate(people), deployment="dep_1", origin="gate.example.test", keys=keys, at=AT))


ROSTER = plain_roster()


def told(kind: str, about: str = "rot_1", by: str = SYSTEM.id, **data: Any) -> Told:
    return Told(7, kind, about, by, AT, data)


def test_every_fact_that_is_told_has_words_of_its_own() -> None:
    owed = {kind for kind, duties in CONSEQUENCES.items() if {"alert", "ticket"} & set(duties)}
    assert owed - TOLD == set()


NO_PLACE = {
    "duty", "vault", "siem", "roster", "clock", "erasure", "sign_in", "password", "recovery_code", "recording", "kek",
    "anchor", "copy", "witness", "override", "next_log", "kit", "custody",
}  # fmt: skip
"""What is told of these things is of no one account."""


async def entries(town: Town) -> list[Told]:
    return [await town.store.read(outbox.told, n) for n in range(town.log.size)]


async def test_the_story_in_words(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        id = await town.ask()
        request = await town.store.read(lambda look: look.get(AccessRequest, id))
        made = next(one for one in await entries(town) if one.kind == "request.made")
        said = sentence(Scene(made, town.estate.roster, request))
        assert said is not None
        assert said.title == "Alice asks for root on db1: The directory is down"
        assert request.reason in said.body
        assert f"breakglass approve {id}" in said.body
        assert said.severity is Severity.CRITICAL
        for kind in sorted(TOLD):
            words = sentence(Scene(replace(made, kind=kind, data={"account": ACCOUNT}), town.estate.roster, request))
            assert words is not None, kind
            assert words.title, kind
            assert "usr_" not in words.title, f"{kind} names people by id"
            if kind.partition(".")[0] not in NO_PLACE:
                assert "root on db1" in words.title, kind


def test_what_is_not_in_the_roster_is_named_by_its_id() -> None:
    stored = sentence(Scene(told("credential.stored", "crd_1", "usr_gone", account="acc_gone"), ROSTER, None))
    assert stored is not None
    assert stored.title == "usr_gone stored a password for acc_gone"
    unknown = sentence(Scene(told("something.new"), ROSTER, None))
    assert unknown is not None
    assert "something.new" in unknown.title


def test_a_target_that_stays_down_is_told_ever_more_rarely() -> None:
    tries = [n for n in range(1, 300) if sentence(Scene(told("rotation.put_off", tries=n), ROSTER, None))]
    assert tries == [1, 2, 4, 8, 16, 32, 64, 128, 256]


async def test_who_signed_is_named_and_what_for(tmp_path: Path) -> None:
    """Whoever brought the signature: it counts for who made it."""
    async with Town.found(tmp_path) as town:
        text = draw_up(town.estate.roster, town.people["dana"], Kind.DENY, "req_1", DENIED).text()
        said = sentence(Scene(told("request.denied", "req_1", "usr_bo", statement=text), town.estate.roster, None))
        assert said is not None
        assert said.title.startswith("Dana denied ")
        assert said.body == "Nobody is to log in there tonight."


def test_what_may_be_an_attack_is_louder() -> None:
    for code, severity in (("host_key_mismatch", Severity.CRITICAL), ("target_down", Severity.WARNING)):
        said = sentence(Scene(told("rotation.put_off", tries=1, code=code), ROSTER, None))
        assert said is not None
        assert said.severity is severity


def test_what_remains_is_said() -> None:
    said = sentence(Scene(told("rotation.done", account=ACCOUNT, remains="process sleep (pid 7)"), ROSTER, None))
    assert said is not None
    assert "sleep (pid 7)" in said.body
    assert said.severity is Severity.WARNING


@given(kind=st.sampled_from(sorted(TOLD)), words=st.text(max_size=3000), purpose=st.text(max_size=20))
def test_whatever_people_typed_is_one_clean_line(kind: str, words: str, purpose: str) -> None:
    data = {"reason": words, "why": words, "problem": words, "account": words, "purpose": purpose, "remains": words}
    said = sentence(Scene(told(kind, "req_1", **data), ROSTER, None))
    if said is not None:
        assert len(said.title) <= TITLE_MAX
        assert "\n" not in said.title
        assert "\x1b" not in said.title + said.body
        assert len(said.body) < 1500
