"""Our witness over HTTP: it cosigns what continues what it saw, across restarts, and nothing else."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.audit import witnessing
from breakglass.codec import note
from breakglass.codec.cosignature import AddCheckpoint, Cosigned, WitnessKey
from breakglass.errors import Malformed, NotFound, Tampered, Unavailable, WrongState
from breakglass.witness.judging import SIZE_TYPE, Witness
from breakglass.witness.keeping import Folder
from breakglass.witness.serving import BODY_MAX, Application
from tests.witness.logs import FORK, LEAVES, LOG, NOW, ORIGIN, VKEY, checkpoint, proof, request

NAME = "witness.example.org/w1"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path / "witness")
    made.make(NAME)
    made.know(VKEY)
    return made


@pytest.fixture
def witness(folder: Folder) -> Iterator[Witness]:
    running = Witness(folder)
    yield running
    running.close()


def ask(
    witness: Witness, leaves: Sequence[bytes], size: int, *, known: int = 0, key: WitnessKey | None = None
) -> Cosigned:
    async def prove(old: int, new: int) -> Sequence[bytes]:
        return proof(leaves, old, new)

    async def run() -> Cosigned:
        transport = httpx.ASGITransport(app=Application(witness, clock=lambda: NOW))
        async with httpx.AsyncClient(transport=transport) as http:
            return await witnessing.ask(
                http, "http://w", key or witness.key, checkpoint(leaves[:size]), prove, known=known, timeout=5
            )

    return asyncio.run(run())


# -- what it cosigns --------------------------------------------------------------------------------------------------
def test_every_honest_step_is_cosigned_wherever_the_log_believes_it_to_stand(witness: Witness) -> None:
    for known, size in ((0, 0), (0, 1), (1, 1), (0, 7), (3, 7), (7, 8), (8, 40)):
        assert ask(witness, LEAVES, size, known=known).time == NOW


def test_what_it_saw_outlives_a_restart(folder: Folder, witness: Witness) -> None:
    ask(witness, LEAVES, 9)
    witness.close()
    again = Witness(folder)
    assert ask(again, LEAVES, 12).time == NOW
    with pytest.raises(Tampered):
        ask(again, FORK, 12)
    witness._held = again._held  # the fixture closes it


# -- what it refuses --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("size", [6, 9, 10, 40])
def test_a_fork_is_refused_whatever_its_size(witness: Witness, size: int) -> None:
    ask(witness, LEAVES, 9)
    with pytest.raises(Tampered):
        ask(witness, FORK, size, known=9 if size >= 9 else 0)
    assert ask(witness, LEAVES, 40, known=9).time == NOW  # and the honest log goes on


def test_a_rollback_is_refused(witness: Witness) -> None:
    ask(witness, LEAVES, 9)
    with pytest.raises(Tampered, match="has seen 9 entries of this log, and it has 8 now"):
        ask(witness, LEAVES, 8)


def test_each_refusal_has_the_status_of_the_specification(witness: Witness) -> None:
    stranger = Ed25519PrivateKey.generate()
    assert witness.add_checkpoint(b"old 0\n", NOW).status == 400
    assert witness.add_checkpoint(request(LEAVES, 0, 3, origin="other.example"), NOW).status == 404
    assert witness.add_checkpoint(request(LEAVES, 0, 3, key=stranger), NOW).status == 403
    too_old = AddCheckpoint(old=4, proof=(), checkpoint=checkpoint(LEAVES[:3])).encode()
    assert witness.add_checkpoint(too_old, NOW).status == 400
    needless = AddCheckpoint(old=0, proof=(bytes(32),), checkpoint=checkpoint(LEAVES[:3])).encode()
    assert witness.add_checkpoint(needless, NOW).status == 422
    assert witness.add_checkpoint(request(LEAVES, 0, 9), NOW).status == 200
    moved = witness.add_checkpoint(request(LEAVES, 3, 12), NOW)
    assert (moved.status, moved.body, moved.content_type) == (409, b"9\n", SIZE_TYPE)
    same_size = AddCheckpoint(old=9, proof=(), checkpoint=checkpoint(FORK[:9])).encode()
    assert witness.add_checkpoint(same_size, NOW).status == 422


def test_a_disk_that_fails_gives_no_cosignature(witness: Witness, folder: Folder) -> None:
    (folder.path / "seen").rmdir()
    with pytest.raises(Unavailable, match="answered 503"):
        ask(witness, LEAVES, 9)
    (folder.path / "seen").mkdir()
    assert ask(witness, FORK, 9).time == NOW  # what it did not cosign, it has not seen


def test_only_one_route_and_a_short_body(witness: Witness) -> None:
    async def run() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=Application(witness))) as http:
            long = await http.post("http://w/add-checkpoint", content=b"x" * (BODY_MAX + 1))
            return [
                long.status_code,
                (await http.get("http://w/add-checkpoint")).status_code,
                (await http.post("http://w/")).status_code,
            ]

    assert asyncio.run(run()) == [413, 405, 404]


def test_the_log_believes_only_the_key_that_it_knows(witness: Witness) -> None:
    stranger = WitnessKey(name=NAME, public=LOG.public_key().public_bytes_raw())
    with pytest.raises(Unavailable, match="no cosignature that holds"):
        ask(witness, LEAVES, 3, key=stranger)


# -- its folder -------------------------------------------------------------------------------------------------------
def test_one_process_at_a_time(folder: Folder, witness: Witness) -> None:
    with pytest.raises(WrongState, match="Another process"):
        Witness(folder)


def test_a_witness_is_made_once_and_keeps_its_key_private(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(WrongState):
        folder.make(NAME)
    assert (folder.path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(NotFound):
        Folder(tmp_path).key()
    with pytest.raises(Malformed):
        Folder(tmp_path / "two").make("a name")


def test_another_key_for_a_known_log_is_refused(folder: Folder) -> None:
    with pytest.raises(WrongState):
        folder.know(note.vkey(ORIGIN, Ed25519PrivateKey.generate().public_key()))
    assert folder.know(VKEY) == ORIGIN
    assert (folder.path / "logs").read_text() == VKEY + "\n"


def test_a_memory_that_was_changed_stops_it(folder: Folder, witness: Witness) -> None:
    ask(witness, LEAVES, 9)
    [kept] = (folder.path / "seen").iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"\n9\n", b"\n8\n"))
    with pytest.raises(Tampered, match="does not hold"):
        folder.seen(ORIGIN, VKEY)
