"""The vault goes on with the next log: whose word it takes, what is over then, and that nothing of it is half done."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from breakglass.codec import note
from breakglass.errors import BreakglassError, Expired, Forbidden, Malformed, NotEntitled, Tampered, Unavailable
from breakglass.trust.statement import Kind, Signed
from breakglass.trust.tree import consistency_proof
from breakglass.vault import files
from breakglass.vault.asking import Deposited
from tests.vault.rig import DEPLOYMENT, ORIGIN, World, event, sign

LOST = 8


def cut(world: World) -> None:
    """An older database: it has the log but for its end; what the node wrote since is not signed."""
    world.log.append(world.vault, *(event("sign_in.made", f"sgn_{n}", world.clock.at) for n in range(12)))
    world.release(world.open_grant(), "ses_1", world.deposit()).secret.wipe()
    del world.log.leaves[-LOST:]
    world.log.notes = {size: one for size, one in world.log.notes.items() if size <= world.log.size}
    world.log.leaves.append(event("sign_in.made", "sgn_x", world.clock.at))
    with pytest.raises(Tampered):
        world.log.append(world.vault, event("sign_in.made", "sgn_y", world.clock.at))


def word(
    world: World, by: str, origin: str = f"{ORIGIN}/2", because: str = "The disk died.", **changed: object
) -> Signed:
    facts = {"origin": origin, "former": "21 " + "A" * 43 + "=", "because": because}
    said = world.statement(Kind.NEXT_LOG, f"{DEPLOYMENT}/log", by, facts)
    world.log.leaves.append(event("next_log.signed", f"{DEPLOYMENT}/log", world.clock.at))  # the next one sees this
    return sign(replace(said, **changed), world.keys[by])  # type: ignore[arg-type]


def proof(world: World, old: int, new: int) -> Sequence[bytes]:
    return consistency_proof(old, new, world.log.hash_of)


def both(world: World, **more: str) -> tuple[list[Signed], list[Sequence[bytes]]]:
    size = world.log.size
    return [word(world, "ed", **more), word(world, "flo", **more)], [proof(world, size, size + 1)]


def opens(world: World, one: Deposited) -> None:
    """Access that was approved since."""
    token = world.open_grant("grt_2", "req_2")
    told = world.told_session("ses_2", "grt_2")
    world.release(token, "ses_2", one, evidence=told).secret.wipe()


def test_it_goes_on_under_another_name_and_all_grants_are_over(world: World) -> None:
    cut(world)
    mark = world.vault.status().mark
    given = world.vault.status().grants
    words, proofs = both(world)
    before = world.vault.next_log(words, proofs)
    last = note.parse_checkpoint(note.verify(before, [world.made.public.log]).text)
    assert (last.origin, last.size) == (ORIGIN, mark)
    for _ in range(2):
        status = world.vault.status()
        assert (status.log, status.grants, given) == (2, 0, 1)
        assert world.vault.next_log(words, proofs) == before  # and again the same
        signed = world.log.append(world.vault, event("sign_in.made", "sgn_z", world.clock.at))
        assert signed.startswith(f"{ORIGIN}/2\n".encode())
        world.restart()
    # All of the story goes on in it.
    opens(world, world.deposit(credential="crd_2", version=2))
    world.log.append(world.vault, event("sign_in.made", "sgn_q", world.clock.at))


def test_the_old_log_is_never_signed_again(world: World) -> None:
    """Who kept all of it and shows it to the vault now is refused."""
    world.log.append(world.vault, *(event("sign_in.made", f"sgn_{n}", world.clock.at) for n in range(12)))
    whole = list(world.log.leaves)
    del world.log.leaves[-5:]
    world.vault.next_log(*both(world))
    world.log.append(world.vault, event("sign_in.made", "sgn_z", world.clock.at))
    world.log.leaves = [*whole, *whole[:20]]
    with pytest.raises(Tampered):
        world.log.append(world.vault, event("sign_in.made", "sgn_z", world.clock.at))


def test_statements_and_entries_from_before_serve_no_more(world: World) -> None:
    token = world.open_grant("grt_1", "req_1")
    old = world.deposit()
    approvals, replay = world.approvals("req_9"), world.replay("gus", "ses_1")
    approved = len(world.log.leaves)
    world.log.append(world.vault, event("request.approved", "req_9", world.clock.at))
    told = world.log.size
    world.log.append(world.vault, event("secret.release", "ses_4", world.clock.at, purpose="session"))
    world.vault.next_log(*both(world))
    world.log.append(world.vault, event("sign_in.made", "sgn_z", world.clock.at))
    with pytest.raises(NotEntitled, match="from the log before"):
        world.vault.open_grant("grt_9", "req_9", approvals, world.log.evidence(approved))
    with pytest.raises(NotEntitled, match="ended"):
        world.release(token, "ses_2", old)
    with pytest.raises(BreakglassError):
        world.vault.release_replay([replay], "ses_1", "screen", b"", world.log.evidence(told))


def test_whose_word_it_takes(world: World) -> None:
    cut(world)
    size = world.log.size
    ed, flo, cy, again = (word(world, by) for by in ("ed", "flo", "cy", "ed"))
    one = [proof(world, size, size + 1)]
    for words, proofs, error in (
        ([], [], NotEntitled),
        ([ed], [], NotEntitled),
        ([ed, again], [proof(world, size, size + 3)], NotEntitled),
        ([ed, cy], [proof(world, size, size + 2)], Forbidden),
        ([ed, flo], [], Malformed),
        ([ed, flo], [*one, ()], Malformed),
        ([ed, flo], [()], Tampered),
        ([ed, flo], [one[0][:-1]], Tampered),
        ([ed, word(world, "flo", because="Something else.")], one, NotEntitled),
        ([ed, word(world, "flo", origin=f"{ORIGIN}/3")], one, NotEntitled),
        ([ed, Signed(flo.text, ed.signature)], one, BreakglassError),
    ):
        with pytest.raises(error):
            world.vault.next_log(words, proofs)
    assert world.vault.status().log == 1
    world.clock.go(hours=2)
    with pytest.raises(Expired):
        world.vault.next_log([ed, flo], one)


def test_only_the_next_one(world: World) -> None:
    cut(world)
    for origin in (f"{ORIGIN}/3", "another.example.org/2", f"{ORIGIN}/02"):
        with pytest.raises((NotEntitled, Malformed)):
            world.vault.next_log(*both(world, origin=origin))
    world.vault.next_log(*both(world))
    world.log.append(world.vault, event("sign_in.made", "sgn_z", world.clock.at))
    world.vault.next_log(*both(world, origin=f"{ORIGIN}/3"))
    assert world.vault.status().log == 3
    with pytest.raises(NotEntitled):
        world.vault.next_log(*both(world))


def test_a_full_disk_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    cut(world)
    words, proofs = both(world)

    def full(*_: object) -> None:
        raise Unavailable("The disk is full.", what_to_do="Make room.")

    with monkeypatch.context() as patched:
        patched.setattr("breakglass.vault.state.replace_file", full)
        with pytest.raises(Unavailable):
            world.vault.next_log(words, proofs)
    assert files.replace_file is not full
    assert (world.vault.status().log, world.vault.status().grants) == (1, 1)
    with pytest.raises(Tampered):
        world.log.append(world.vault, event("sign_in.made", "sgn_y", world.clock.at))
    world.vault.next_log(words, proofs)
    assert world.vault.status().log == 2


def test_a_frozen_clock_waits(world: World) -> None:
    cut(world)
    words, proofs = both(world)
    world.clock.go(hours=-1)
    with pytest.raises(Unavailable):
        world.vault.next_log(words, proofs)
    world.clock.go(hours=1)
    world.vault.next_log(words, proofs)


def test_it_waits_for_the_roster(world: World) -> None:
    cut(world)
    words, proofs = both(world)
    world.vault.seal()
    with pytest.raises(Unavailable):
        world.vault.next_log(words, proofs)


def test_what_it_was_told_of_replaced_credentials_begins_anew(world: World) -> None:
    """Numbers of versions that were lost are given again: the new ones were never replaced."""
    old = world.deposit(credential="crd_1", version=1)
    data = {"account": "acc_db1-root", "version": 1}
    world.log.append(world.vault, event("credential.previous", old.credential, world.clock.at, **data))
    world.vault.retire_credential(old.credential, world.log.evidence(world.log.size - 1))
    world.vault.next_log(*both(world))
    world.log.append(world.vault, event("sign_in.made", "sgn_z", world.clock.at))
    again = world.deposit(credential="crd_9", version=1)
    world.clock.go(minutes=1)
    opens(world, again)
