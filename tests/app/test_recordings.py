"""Whether recordings are still what the log names: looked at without being asked."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from breakglass.app.recordings import Playback, why_lost
from breakglass.gateway.recorder import Recorders
from breakglass.model.ids import RecordingId, SessionId
from breakglass.model.recording import Recording, State
from breakglass.storage import outbox
from tests.audit.test_bundle import recorded
from tests.kit import Town


@pytest.fixture
def recorders(tmp_path: Path) -> Recorders:
    return Recorders(tmp_path, lambda: "")


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    recorded(tmp_path / "rec_1.keys", "ses_1", "keys")
    return whose(recorded(tmp_path / "rec_1.screen", "ses_1")[-1], State.COMPLETE)


def whose(head: tuple[int, str, int], state: State) -> Recording:
    seq, hash, size = head
    return Recording(id=RecordingId("rec_1"), session=SessionId("ses_1"), chunks=seq, head=hash, size=size, state=state)


def test_what_is_wrong_with_the_screen(tmp_path: Path, recorders: Recorders, recording: Recording) -> None:
    path = tmp_path / "rec_1.screen"
    data = path.read_bytes()
    assert why_lost(recorders, recording, True) == ""
    path.write_bytes(data[:-1])
    assert why_lost(recorders, recording, False).startswith(f"The file has {len(data) - 1} bytes")
    path.write_bytes(data[:-10] + bytes([data[-10] ^ 1]) + data[-9:])
    assert why_lost(recorders, recording, False) == ""
    assert "not whole after chunk" in why_lost(recorders, recording, True)
    path.write_bytes(data + b"more")
    assert why_lost(recorders, recording, True)
    torn = whose(recorded(path, "ses_1")[1], State.TRUNCATED)
    path.write_bytes(path.read_bytes()[: torn.size + 7])
    assert why_lost(recorders, torn, True) == ""
    path.unlink()
    assert why_lost(recorders, recording, False) == "The file is missing."
    path.mkdir()
    assert why_lost(recorders, recording, True)


def test_what_is_wrong_with_what_was_typed(tmp_path: Path, recorders: Recorders, recording: Recording) -> None:
    path = tmp_path / "rec_1.keys"
    data = path.read_bytes()
    for damaged in (data[:-1], data[:-10] + bytes([data[-10] ^ 1]) + data[-9:]):
        path.write_bytes(damaged)
        assert why_lost(recorders, recording, False) == ""
        assert "not whole after chunk" in why_lost(recorders, recording, True)
    path.write_bytes(b"")
    assert why_lost(recorders, recording, False) == "The file of what was typed is empty."
    path.unlink()
    assert why_lost(recorders, recording, False) == "The file of what was typed is missing."


async def test_it_is_told_once_and_taken_back(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        await town.granted()
        session = await town.session()
        await town.end_session(session)
        [found] = await town.store.read(lambda look: list(look.find(Recording)))
        folder = tmp_path / "recordings"
        folder.mkdir()
        playback = Playback(town.store, town.estate, cast(Any, None), Recorders(folder, lambda: ""))
        for _ in range(2):
            await playback.look_at_all()
        [lost] = await town.store.read(lambda look: list(look.find(Recording)))
        assert lost.lost == "The file is missing."
        kinds = [(await town.store.read(outbox.told, n)).kind for n in range(town.log.size)]
        assert kinds.count("recording.lost") == 1
        recorded(folder / f"{found.id}.keys", session, "keys")
        chunks, head, size = recorded(folder / f"{found.id}.screen", session)[-1]
        same = replace(lost, chunks=chunks, head=head, size=size)
        await playback.look_at(same, whole=True)
        assert (await town.store.read(lambda look: list(look.find(Recording))))[0].lost == ""
        await town.verify()
