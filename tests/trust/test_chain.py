"""The chain of rosters: only what the version before asks for, signed by whom it asks, and no key in a hurry."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from breakglass.codec import canonical
from breakglass.errors import NotEntitled, Tampered
from breakglass.trust import chain as chains
from breakglass.trust import drafting
from breakglass.trust.chain import NEW_KEY_WAITS, Chain, Version
from breakglass.trust.roster import Roster, parse
from breakglass.trust.statement import Kind
from tests.audit.kit import BEGAN, carry, estate, founding, public_of, sign, statement

ROSTER, VERSION = founding()
CHAIN = chains.found(VERSION, ROSTER.hash)
LATER = BEGAN + timedelta(hours=1)
Edit = Callable[[dict[str, Any]], Any]


def document(edit: Edit, before: Roster = ROSTER, at: timedelta = timedelta(hours=1)) -> bytes:
    wanted = drafting.estate_of(VERSION.document) if before is ROSTER else estate()
    edit(wanted)
    return drafting.following(wanted, before, at=BEGAN + at)


def signed(data: bytes, *people: str, before: Roster = ROSTER) -> Version:
    return Version(data, carry(parse(data), before, *people).statements)


def nothing(_: dict[str, Any]) -> None:
    """The version moves, and nothing else."""


# -- version 0 --------------------------------------------------------------------------------------------------------
def test_the_pinned_founding_holds() -> None:
    assert CHAIN.head is CHAIN.at(0)
    assert CHAIN.hashes == {0: ROSTER.hash}
    assert chains.extend(None, ROSTER.hash, [VERSION]) == CHAIN


def test_another_pin_or_document() -> None:
    with pytest.raises(Tampered, match="pinned"):
        chains.found(VERSION, "0" * 64)
    other, _ = founding(at=LATER)
    with pytest.raises(Tampered):
        chains.found(VERSION, other.hash)
    with pytest.raises(Tampered, match="no roster"):
        chains.extend(None, ROSTER.hash, [])


def test_every_founding_custodian_signs() -> None:
    for people in ((), ("eve",), ("finn",), ("bo", "cy", "dora"), ("eve", "bo")):
        version = Version(VERSION.document, carry(ROSTER, ROSTER, *people).statements)
        with pytest.raises(NotEntitled, match="lacks the signatures"):
            chains.found(version, ROSTER.hash)
    chains.found(Version(VERSION.document, carry(ROSTER, ROSTER, "finn", "eve", "bo").statements), ROSTER.hash)


def test_without_any_custodian_nothing_is_founded() -> None:
    people = estate()["people"]
    for one in people.values():
        one["roles"] = ["approver"]
    roster, _ = founding(people=people)
    version = Version(canonical_of(people), carry(roster, roster, "bo").statements)
    with pytest.raises(NotEntitled, match="any custodian"):
        chains.found(version, roster.hash)


def canonical_of(people: dict[str, Any]) -> bytes:
    from tests.audit.kit import DEPLOYMENT, KEYS, ORIGIN

    return drafting.founding({**estate(), "people": people}, deployment=DEPLOYMENT, origin=ORIGIN, keys=KEYS, at=BEGAN)


def test_version_0_follows_nothing() -> None:
    later = document(nothing)
    with pytest.raises(Tampered, match="pinned"):
        chains.found(signed(later, "eve", "finn"), parse(later).hash)


# -- the steps --------------------------------------------------------------------------------------------------------
def test_a_step_that_enough_signed() -> None:
    after = chains.step(CHAIN, signed(document(nothing), "eve", "finn"))
    assert after.head.version == 1
    assert after.rosters[:1] == CHAIN.rosters
    assert set(after.hashes) == {0, 1}
    with pytest.raises(Tampered, match="no version 2"):
        after.at(2)


@pytest.mark.parametrize("people", [(), ("eve",), ("bo", "cy"), ("eve", "bo", "cy"), ("alice", "dora")])
def test_under_signed(people: tuple[str, ...]) -> None:
    with pytest.raises(NotEntitled, match="still needs"):
        chains.step(CHAIN, signed(document(nothing), *people))


def test_one_person_signs_once_however_often() -> None:
    data = document(nothing)
    twice = Version(data, (*signed(data, "eve").statements, *signed(data, "eve").statements))
    with pytest.raises(NotEntitled, match="1 of custodians"):
        chains.step(CHAIN, twice)


def test_the_rules_of_the_version_before_count() -> None:
    """Whoever writes into the next version that they may change it alone has not been allowed to by the present one."""

    def alone(wanted: dict[str, Any]) -> None:
        wanted["groups"].append("me")
        wanted["people"]["usr_alice"]["groups"] = ["me"]
        wanted["changes"] = [{"group": "me", "count": 1}]

    data = document(alone)
    with pytest.raises(NotEntitled):
        chains.step(CHAIN, signed(data, "alice"))
    after = chains.step(CHAIN, signed(data, "eve", "finn"))
    following = document(nothing, after.head, timedelta(hours=2))
    assert chains.step(after, signed(following, "alice", before=after.head)).head.version == 2


def test_a_person_who_is_added_does_not_carry_their_own_adding() -> None:
    def add(wanted: dict[str, Any]) -> None:
        gus = wanted["people"]["usr_eve"] | {"login": "gus", "keys": [{"public": public_of("gus")}]}
        wanted["people"]["usr_gus"] = gus

    data = document(add)
    with pytest.raises(Tampered, match="does not give the key"):
        chains.step(CHAIN, signed(data, "eve", "gus"))


def test_a_version_that_is_skipped_repeated_or_of_another_line() -> None:
    one = signed(document(nothing), "eve", "finn")
    chain = chains.step(CHAIN, one)
    two = document(nothing, chain.head, timedelta(hours=2))
    with pytest.raises(Tampered, match="does not follow"):
        chains.step(CHAIN, signed(two, "eve", "finn"))
    with pytest.raises(Tampered, match="does not follow"):
        chains.step(chain, one)
    beside = signed(document(nothing, at=timedelta(hours=3)), "eve", "finn")
    with pytest.raises(Tampered, match="does not follow"):
        chains.step(chain, beside)
    with pytest.raises(Tampered, match="does not follow"):
        chains.step(chain, VERSION)


@pytest.mark.parametrize(("name", "value"), [("deployment", "dep_other"), ("origin", "other.example.org")])
def test_another_deployment_or_log(name: str, value: str) -> None:
    changed = canonical.read(document(nothing)) | {name: value}
    data = canonical.write(changed)
    with pytest.raises(Tampered):
        chains.step(CHAIN, signed(data, "eve", "finn"))


def test_no_step_back_in_time() -> None:
    with pytest.raises(Tampered, match="older"):
        chains.step(CHAIN, signed(document(nothing, at=-timedelta(seconds=1)), "eve", "finn"))


def test_an_edited_document() -> None:
    """Every signature names the document's hash: no byte of it can change behind them."""
    version = signed(document(nothing), "eve", "finn")
    other = version.document.replace(b'"Operations"', b'"Operatives"')
    with pytest.raises(Tampered, match="another document"):
        chains.step(CHAIN, Version(other, version.statements))


def test_a_signature_for_another_version_spoils_the_step() -> None:
    data, other = document(nothing), document(nothing, at=timedelta(hours=2))
    mixed = (*signed(data, "eve").statements, *signed(other, "finn").statements)
    with pytest.raises(Tampered, match="another document"):
        chains.step(CHAIN, Version(data, mixed))


def test_other_statements_carry_no_roster() -> None:
    data = document(nothing)
    after = parse(data)
    good = signed(data, "eve").statements
    approve = statement(Kind.CLOCK, ROSTER, "finn", chains.subject(after), {"now": "2026-11-23T21:00:00Z"})
    with pytest.raises(Tampered, match="does not hold"):
        chains.step(CHAIN, Version(data, (*good, sign(approve, "finn"))))
    facts = {"next": chains.next_line(after), "changes": "x"}
    elsewhere = statement(Kind.ROSTER, ROSTER, "finn", f"{ROSTER.deployment}/roster/2", facts)
    with pytest.raises(Tampered, match="does not hold"):
        chains.step(CHAIN, Version(data, (*good, sign(elsewhere, "finn"))))
    stranger = sign(statement(Kind.ROSTER, ROSTER, "finn", chains.subject(after), facts), "eve")
    with pytest.raises(Tampered, match="does not hold"):
        chains.step(CHAIN, Version(data, (*good, stranger)))


# -- new keys ---------------------------------------------------------------------------------------------------------
def key(name: str, **more: str) -> dict[str, str]:
    return {"public": public_of(name), **more}


def instant(hours: float) -> str:
    return (BEGAN + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


HURRIED: dict[str, Edit] = {
    "a new key at once": lambda w: w["people"]["usr_bo"]["keys"].append(key("new", approves_from=instant(1))),
    "a second too early": lambda w: w["people"]["usr_bo"]["keys"].append(
        key("new", approves_from=instant(73 - 1 / 3600))
    ),
    "a new person": lambda w: w["people"].update(
        usr_gus=w["people"]["usr_bo"] | {"login": "gus", "keys": [key("gus", approves_from=instant(0))]}
    ),
    "an old key in other hands": lambda w: (
        w["people"]["usr_cy"].update(keys=[key("alice", approves_from=instant(0))]),
        w["people"]["usr_alice"].update(keys=[]),
    ),
}


@pytest.mark.parametrize("name", HURRIED)
def test_a_new_key_waits_unless_two_approvers_countersign(name: str) -> None:
    data = document(HURRIED[name])
    for people in (("eve", "finn"), ("eve", "finn", "bo"), ("eve", "finn", "dora", "alice")):
        with pytest.raises(NotEntitled, match="before 72 hours"):
            chains.step(CHAIN, signed(data, *people))
    assert chains.step(CHAIN, signed(data, "eve", "finn", "bo", "cy")).head.version == 1


def test_a_new_key_that_waits_needs_nobody_else() -> None:
    data = document(lambda w: w["people"]["usr_bo"]["keys"].append(key("new")))
    after = chains.step(CHAIN, signed(data, "eve", "finn")).head
    assert after.people["usr_bo"].keys[1].approves_from == LATER + NEW_KEY_WAITS


def waiting() -> Chain:
    data = document(lambda w: w["people"]["usr_bo"]["keys"].append(key("new")))
    return chains.step(CHAIN, signed(data, "eve", "finn"))


def test_a_second_step_does_not_shorten_the_wait() -> None:
    """In the version after it the key is not new any more; it waits all the same."""
    chain = waiting()
    wanted = drafting.estate_of(chain_document(chain))
    wanted["people"]["usr_bo"]["keys"][1]["approves_from"] = instant(2)
    hurried = drafting.following(wanted, chain.head, at=BEGAN + timedelta(hours=2))
    with pytest.raises(NotEntitled, match="before 72 hours"):
        chains.step(chain, signed(hurried, "eve", "finn", before=chain.head))
    wanted["people"]["usr_bo"]["keys"][1]["approves_from"] = instant(73)
    kept = drafting.following(wanted, chain.head, at=BEGAN + timedelta(hours=2))
    assert chains.step(chain, signed(kept, "eve", "finn", before=chain.head)).head.version == 2


def chain_document(chain: Chain) -> bytes:
    data = document(lambda w: w["people"]["usr_bo"]["keys"].append(key("new")))
    assert parse(data).hash == chain.head.hash
    return data


def test_a_key_that_was_taken_away_comes_back_as_a_new_one() -> None:
    gone = document(lambda w: w["people"]["usr_bo"].update(keys=[]))
    chain = chains.step(CHAIN, signed(gone, "eve", "finn"))
    wanted = drafting.estate_of(gone)
    wanted["people"]["usr_bo"]["keys"] = [key("bo", approves_from=instant(0))]
    back = drafting.following(wanted, chain.head, at=BEGAN + timedelta(hours=2))
    with pytest.raises(NotEntitled, match="before 72 hours"):
        chains.step(chain, signed(back, "eve", "finn", before=chain.head))
