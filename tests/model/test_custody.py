"""Custody as rules: which turn may follow which, when something is not as it was left, and whose word is enough."""

from datetime import UTC, datetime, timedelta

import pytest

from breakglass.errors import Malformed
from breakglass.model import custody
from breakglass.model.custody import BROKEN, MISSING, NO_SEAL, Act, Custody, Item, ItemId, Turn
from breakglass.model.people import Role

AT = datetime(2026, 11, 26, 12, tzinfo=UTC)
ITEM = Item(
    id=ItemId("itm_key"), name="Key", opens="All", place="Safe", account=None,
    out_for=timedelta(hours=8), inspect_every=timedelta(days=90),
)  # fmt: skip
CUSTODIAN, REQUESTER, AUDITOR = frozenset({Role.CUSTODIAN}), frozenset({Role.REQUESTER}), frozenset({Role.AUDITOR})
BARE = frozenset({Role.ADMINISTRATOR, Role.APPROVER})


def turn(act: Act, now: Custody, seal: str, **more: object) -> Turn:
    said: dict[str, object] = {
        "act": act,
        "number": now.number + 1,
        "seal": seal,
        "recorded": now.seal,
        "at": AT,
        **more,
    }
    if act is Act.CHECK_OUT:
        said = {"holder": "usr_alice", "until": AT + timedelta(hours=4), **said}
    if act is Act.RETURN:
        said = {"holder": "usr_alice", **said}
    return Turn(**said)  # type: ignore[arg-type]


def after(*turns: tuple[Act, str]) -> Custody:
    now = Custody()
    for act, seal in turns:
        next_one = turn(act, now, seal)
        assert now.problem(next_one) == ""
        now = now.after(next_one)
    return now


OUT, BACK, LOOK = Act.CHECK_OUT, Act.RETURN, Act.INSPECTION
IN = after((LOOK, "A1"))


def test_which_turn_may_follow() -> None:
    states = {
        "new": Custody(),
        "in": IN,
        "out": after((LOOK, "A1"), (OUT, "A1")),
        "back": after((LOOK, "A1"), (OUT, "A1"), (BACK, "A2")),
        "missing": after((LOOK, "A1"), (LOOK, MISSING)),
    }
    may = {
        name: {act for act in Act if now.problem(turn(act, now, "A3" if act is BACK else now.seal)) == ""}
        for name, now in states.items()
    }
    assert may == {
        "new": {OUT, LOOK}, "in": {OUT, LOOK}, "out": {BACK}, "back": {OUT, LOOK}, "missing": {LOOK},
    }  # fmt: skip


def test_a_turn_is_drawn_up_for_one_moment() -> None:
    assert IN.problem(turn(LOOK, IN, "A1", number=3)) == "Something else was done with it meanwhile."
    assert "recorded for it is A1" in IN.problem(turn(LOOK, IN, "A1", recorded="A9"))
    out = after((LOOK, "A1"), (OUT, "A1"))
    assert out.problem(turn(BACK, out, "A2", holder="usr_bo")) == "Somebody else holds it."


def test_a_seal_comes_once() -> None:
    out = after((LOOK, "A1"), (OUT, "A1"), (BACK, "A2"), (OUT, "A2"))
    for seal in ("A1", "A2"):
        assert "had this seal before" in out.problem(turn(BACK, out, seal))


@pytest.mark.parametrize("act", [OUT, LOOK])
@pytest.mark.parametrize("seal", ["B7", BROKEN, MISSING])
def test_a_finding_stands_until_it_came_back_and_was_looked_at(act: Act, seal: str) -> None:
    if (act, seal) == (OUT, MISSING):
        return
    now = after((LOOK, "A1"), (act, seal))
    assert now.finding is not None
    assert now.missing == (seal == MISSING)
    if act is LOOK:
        now = now.after(turn(LOOK, now, now.seal))
        assert now.finding is not None  # looking alone explains nothing
        now = now.after(turn(OUT, now, now.seal))
    now = now.after(turn(BACK, now, "C1"))
    assert now.finding is not None
    now = now.after(turn(LOOK, now, "C1"))
    assert now.finding is None


def test_the_first_seal_is_no_finding_but_a_missing_item_is() -> None:
    assert after((LOOK, "A1")).finding is None
    assert after((LOOK, MISSING)).finding is not None
    assert after((LOOK, MISSING)).seal == NO_SEAL


def test_overdue_and_when_it_is_due_to_be_looked_at() -> None:
    out = after((LOOK, "A1"), (OUT, "A1"))
    assert [out.overdue(AT + timedelta(hours=n)) for n in (0, 3, 4, 5)] == [False, False, True, True]
    assert out.inspect_by(ITEM, AT) is None
    assert not IN.overdue(AT + timedelta(days=999))
    assert IN.inspect_by(ITEM, AT) == AT + timedelta(days=90)
    assert Custody().inspect_by(ITEM, AT) == AT + custody.FIRST_WITHIN


def test_seals_as_they_are_recorded() -> None:
    assert custody.seal(" a-10 41 ", act=LOOK) == "A-1041"
    assert custody.seal("Broken", act=OUT) == BROKEN
    assert custody.seal("MISSING", act=LOOK) == MISSING
    for text, act in (
        ("", LOOK), ("none", LOOK), ("missing", OUT), ("broken", BACK), ("missing", BACK), ("A" * 41, LOOK),
        ("Ä1", LOOK), ("A\n1\x00", LOOK), ("-A", LOOK),
    ):  # fmt: skip
        with pytest.raises(Malformed):
            custody.seal(text, act=act)


def test_whose_word_counts_and_when_it_is_enough() -> None:
    for act in (OUT, BACK):
        assert custody.counts(act, "usr_carol", CUSTODIAN, "usr_alice")
        assert custody.counts(act, "usr_alice", REQUESTER, "usr_alice")
        assert not custody.counts(act, "usr_bo", REQUESTER, "usr_alice")
        assert not custody.counts(act, "usr_ivy", AUDITOR, "usr_alice")
        assert not custody.counts(act, "usr_adam", BARE, "usr_adam")
    assert custody.counts(LOOK, "usr_ivy", AUDITOR, "")
    assert not custody.counts(LOOK, "usr_alice", REQUESTER, "usr_alice")

    alice, carol, cem, ivy = (
        {"usr_alice": REQUESTER}, {"usr_carol": CUSTODIAN}, {"usr_cem": CUSTODIAN}, {"usr_ivy": AUDITOR},
    )  # fmt: skip
    assert custody.enough(OUT, alice | carol, "usr_alice")
    assert custody.enough(OUT, carol | cem, "usr_carol")
    assert not custody.enough(OUT, carol | cem, "usr_alice")  # who takes it has not signed
    assert not custody.enough(OUT, carol, "usr_carol")
    assert not custody.enough(OUT, alice | {"usr_bo": REQUESTER}, "usr_alice")
    assert custody.enough(BACK, carol | cem, "usr_alice")
    assert custody.enough(BACK, carol | alice, "usr_alice")
    assert not custody.enough(BACK, carol, "usr_alice")
    assert custody.enough(LOOK, carol | ivy, "")
    assert not custody.enough(LOOK, ivy | {"usr_olga": AUDITOR}, "")
