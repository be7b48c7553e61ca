"""A credential that was replaced opens no session any more, whatever the database says is current."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.errors import NotEntitled, Tampered, WrongState
from breakglass.vault.asking import Deposited, Purpose
from breakglass.vault.evidence import Evidence
from breakglass.vault.state import Retired
from tests.vault.rig import OTHER_PLACE, PLACE, World, event


def retired(world: World, one: Deposited, account: object = PLACE, **changed: object) -> Evidence:
    """As the log tells it, when a newer one takes its place."""
    data = {"account": account, "version": one.version, **changed}
    world.log.append(world.vault, event("credential.previous", one.credential, world.clock.at, **data))
    return world.log.evidence(world.log.size - 1)


def test_the_older_one_is_refused_and_the_newer_one_is_not(world: World) -> None:
    old, new = world.deposit(), world.deposit(credential="crd_2", version=2)
    token = world.open_grant()
    world.release(token, "ses_1", old).secret.wipe()
    world.vault.retire_credential(old.credential, retired(world, old))
    for _ in range(2):
        with pytest.raises(Tampered, match="was replaced"):
            world.release(token, "ses_2", old)
        world.release(token, "ses_3", new).secret.wipe()
        world.restart()  # and after a restart


def test_one_that_was_replaced_while_somebody_waited_is_no_tampering(world: World) -> None:
    """Witnesses can make a release wait; the rotation after another session comes in between."""
    old = world.deposit()
    token = world.open_grant()
    waits = world.told_session("ses_1")
    world.vault.retire_credential(old.credential, retired(world, old))
    with pytest.raises(WrongState, match="changed meanwhile"):
        world.release(token, "ses_1", old, evidence=waits)


def test_it_never_goes_back_and_concerns_no_other_account(world: World) -> None:
    versions = [world.deposit(credential=f"crd_{n}", version=n) for n in (1, 2, 3)]
    other = world.deposit(OTHER_PLACE, "crd_9", 1)
    first, second = (retired(world, one) for one in versions[:2])
    for proof, one in ((second, versions[1]), (first, versions[0]), (second, versions[1])):
        world.vault.retire_credential(one.credential, proof)
    token = world.open_grant()
    for one in versions[:2]:
        with pytest.raises(Tampered):
            world.release(token, f"ses_{one.version}", one)
    world.release(token, "ses_3", versions[2]).secret.wipe()
    world.vault.check(OTHER_PLACE, other)


def test_a_candidate_can_take_the_place_of_a_later_one(world: World) -> None:
    """A rotation hangs with candidate 2, a custodian stores version 3, and then the rotation ends."""
    first, candidate, stored = (world.deposit(credential=f"crd_{n}", version=n) for n in (1, 2, 3))
    for one in (first, stored):
        world.vault.retire_credential(one.credential, retired(world, one))
    token = world.open_grant()
    world.release(token, "ses_2", candidate).secret.wipe()
    for one in (first, stored):
        with pytest.raises(Tampered, match="was replaced"):
            world.release(token, f"ses_{one.version}", one)


@given(st.lists(st.integers(min_value=1, max_value=40)))
def test_the_ranges_hold_what_was_said_and_no_more(versions: list[int]) -> None:
    held = Retired()
    for index, version in enumerate(versions):
        held = held.with_version(version, index)
    assert [one for one in range(42) if one in held] == sorted(set(versions))
    assert held.index == len(versions) - 1
    ends = [end for span in held.versions for end in span]
    assert ends == sorted(ends)
    assert all(before + 1 < first for (_, before), (first, _) in zip(held.versions, held.versions[1:], strict=False))


def test_only_what_the_log_says(world: World) -> None:
    old = world.deposit()
    proof = retired(world, old)
    for credential, evidence in (
        ("crd_2", proof),
        (old.credential, world.told(old.credential, account=PLACE, version=1)),
        (old.credential, retired(world, old, version="1")),
        (old.credential, retired(world, old, version=True)),
        (old.credential, retired(world, old, account=7)),
    ):
        with pytest.raises(NotEntitled):
            world.vault.retire_credential(credential, evidence)
    token = world.open_grant()
    world.release(token, "ses_1", old).secret.wipe()


def test_a_rotation_may_still_look_at_it(world: World) -> None:
    """What really stands on a target after a lost answer is found by trying: that is no session."""
    old, new = world.deposit(), world.deposit(credential="crd_2", version=2)
    world.vault.retire_credential(old.credential, retired(world, old))
    told = world.told("rot_1", purpose="probe", account=PLACE)
    found = world.vault.release_rotation("rot_1", PLACE, world.endpoint(), [new, old], Purpose.PROBE, told)
    assert len(found) == 2
    for one in found:
        one.wipe()
