"""A recording whose file is lost: the log says so, the auditor signs that it is, and verifiers hold them to it."""

from pathlib import Path

import pytest

from breakglass.audit.bundle_verify import verify as verify_bundle
from breakglass.audit.verify import verify
from breakglass.flow import close, keep
from breakglass.flow import review as reviews
from breakglass.model.ids import GrantId, RecordingId
from breakglass.model.people import SYSTEM
from breakglass.model.recording import Recording
from breakglass.model.review import Classification, Review
from breakglass.standalone import verify_bundle as standalone
from tests.audit.kit import World, sign
from tests.audit.test_bundle import exported, recorded

REC = RecordingId("rec_one")


@pytest.fixture
def told(tmp_path: Path) -> World:
    """Used and closed; the review is owed."""
    world = World(tmp_path / "breakglass.db")
    (tmp_path / "recordings").mkdir()
    recorded(tmp_path / "recordings/rec_one.keys", "ses_one", "keys")
    heads = recorded(tmp_path / "recordings/rec_one.screen", "ses_one")
    world.deposit()
    id = world.ask("req_one")
    world.tell(id, "request.made", 1)
    for name in ("bo", "cy"):
        world.approve(id, name)
    world.open_grant(world.token(id, "grt_one"))
    world.use("ses_one", "rec_one", heads)
    world.rotate("crd_third", 5)
    world.run(world.who("alice"), close.close, GrantId("grt_one"))
    world.rotate("crd_fourth", 8)
    return world


def head(world: World) -> str:
    return world.store.look(lambda look: look.get(Recording, REC)).head


def signed(world: World) -> str:
    """The line of the review's statement that names the recordings. Nobody replays."""
    [one] = world.store.look(lambda look: look.find(Review, state="open"))
    dora = world.who("dora")
    drawn = world.run(dora, reviews.offer, world.chain, one.id, Classification.EMERGENCY, "The file is gone; I asked.")
    world.run(dora, reviews.sign, world.chain, one.id, sign(drawn, "dora").signature)
    return drawn.facts["recordings"]


def judged(world: World, tmp_path: Path) -> tuple[str, str]:
    """What both verifiers of evidence find bad."""
    data = exported(world, "req_one")
    ok, found = standalone.run(data, world.pin, [])
    return verify_bundle(data, pin=world.pin).words, "" if ok else found["words"]


def test_the_auditor_signs_that_it_is_lost(told: World, tmp_path: Path) -> None:
    (tmp_path / "recordings/rec_one.screen").unlink()
    before = verify(told.url, pin=told.pin, recordings=tmp_path / "recordings")
    assert [(one.level, one.where) for one in before.findings] == [("recording", "recording rec_one.screen")]
    told.run(SYSTEM, keep.recording_lost, REC, "The file is missing.")
    told.run(SYSTEM, keep.recording_lost, REC, "The file is missing.")
    assert signed(told) == f"lost:{head(told)}"
    report = verify(told.url, pin=told.pin, recordings=tmp_path / "recordings")
    assert report.ok, report.in_words()
    assert report.lost == 1
    assert "1 recordings are lost; the log says which, since when and why." in report.in_words()
    assert judged(told, tmp_path) == ("", "")
    told.stop()


def test_what_is_there_again_is_replayed_again(told: World, tmp_path: Path) -> None:
    told.run(SYSTEM, keep.recording_lost, REC, "The file is missing.")
    told.run(SYSTEM, keep.recording_restored, REC)
    told.run(SYSTEM, keep.recording_restored, REC)
    told.review("ses_one")
    report = verify(told.url, pin=told.pin, recordings=tmp_path / "recordings")
    assert report.ok, report.in_words()
    assert report.lost == 0
    assert judged(told, tmp_path) == ("", "")
    told.stop()


def test_what_is_lost_after_its_review_leaves_the_review_whole(told: World, tmp_path: Path) -> None:
    told.review("ses_one")
    told.run(SYSTEM, keep.recording_lost, REC, "The file is missing.")
    assert verify(told.url, pin=told.pin).ok
    assert judged(told, tmp_path) == ("", "")
    told.stop()


def test_a_review_that_is_silent_about_it_is_found(
    told: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that has the auditor sign as if nothing were missing."""
    told.run(SYSTEM, keep.recording_lost, REC, "The file is missing.")
    monkeypatch.setattr(reviews, "line_of", lambda heads, lost: " ".join(sorted([*heads, *lost])))
    assert signed(told) == head(told)
    monkeypatch.undo()
    assert all("over other recordings than these" in one for one in judged(told, tmp_path)), judged(told, tmp_path)
    told.stop()
