"""What is probed, and how often: below the target's limit, and in time everything."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.errors import Malformed
from breakglass.model import credential as credentials
from breakglass.model.credential import Credential
from breakglass.model.ids import CredentialId, RotationId
from breakglass.model.rotation import Because, Rotation, State
from breakglass.model.target import AccountId
from breakglass.rotation import lockout, probe
from breakglass.rotation.lockout import Lockout

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def stored(count: int) -> list[Credential]:
    return [
        Credential(
            id=CredentialId(f"crd_{n}"),
            account=AccountId("acc_1"),
            version=n + 1,
            sealed=b"",
            made_at=NOW - timedelta(days=1),
            state=credentials.State.PREVIOUS,
        )
        for n in range(count)
    ]


def held(**changed: object) -> Rotation:
    values: dict[str, object] = {
        "id": RotationId("rot_1"),
        "account": AccountId("acc_1"),
        "because": Because.LOGIN,
        "grant": "",
        "owed_at": NOW,
        "next_at": NOW,
        "guessed_at": NOW,
        "state": State.RECONCILE,
        **changed,
    }
    return Rotation(**values)  # type: ignore[arg-type]


@given(count=st.integers(1, 40), left=st.integers(1, 6), tries=st.integers(0, 1000), state=st.sampled_from(State))
def test_a_plan_stays_below_the_limit(count: int, left: int, tries: int, state: State) -> None:
    plan = probe.plan(stored(count), left, held(tries=tries, state=state))
    flat = [one.id for part in plan for one in part]
    assert 0 < len(flat) <= left
    assert len(set(flat)) == len(flat)
    assert all(plan)


@given(count=st.integers(1, 12), left=st.integers(1, 6))
def test_in_time_everything_is_tried(count: int, left: int) -> None:
    tried = {
        one.id for tries in range(60) for part in probe.plan(stored(count), left, held(tries=tries)) for one in part
    }
    assert tried == {one.id for one in stored(count)}


def test_what_a_custodian_just_stored_goes_first() -> None:
    some = stored(5)
    fresh = Credential(
        id=CredentialId("crd_new"),
        account=AccountId("acc_1"),
        version=9,
        sealed=b"",
        made_at=NOW + timedelta(seconds=1),
        state=credentials.State.CURRENT,
    )
    plan = probe.plan([some[0], fresh, *some[1:]], 1, held())
    assert plan[0] == [fresh]


@pytest.mark.parametrize(
    ("tries", "guesses", "left"), [(5, 0, 4), (5, 3, 1), (5, 9, 0), (2, 0, 1), (2, 1, 0), (1, 0, 1)]
)
def test_one_less_than_the_limit_is_left(tries: int, guesses: int, left: int) -> None:
    assert Lockout(tries=tries).left(held(guesses=guesses)) == left


def test_the_option_is_read() -> None:
    assert lockout.of({}) == Lockout()
    assert lockout.of({"lockout": "3/60", "become": "sudo"}) == Lockout(tries=3, within=timedelta(seconds=60))
    for bad in ("", "3", "0/60", "3/0", "3/60/1", "-3/60", "3/6000000", " 3/60"):
        with pytest.raises(Malformed):
            lockout.of({"lockout": bad})
