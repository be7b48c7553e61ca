"""A proof of a change must follow from the logins that the log tells of: for our verifier, and the standalone one."""

from collections.abc import Mapping
from typing import Any

import pytest

from breakglass.audit.event import Event
from breakglass.audit.proofs import Proofs
from breakglass.errors import BreakglassError
from breakglass.standalone import verify_bundle as standalone

ACCOUNT, ROTATION, AT = "acc_db1-root", "rot_1", "2026-01-01T00:00:00Z"
PROOF = f"new crd_b 2 accepted {AT} model\nold crd_a 1 refused {AT} model"


def told(kind: str, **data: Any) -> Event:
    return Event(kind, AT, "sys_node", ROTATION, {"account": ACCOUNT, **data})


def story(proof: str = PROOF, done: str | None = None, tried: Mapping[str, int] | None = None) -> list[Event]:
    logins = {"crd_a": 1, "crd_b": 2} if tried is None else tried
    return [
        told("rotation.staged", credential="crd_b", version=2),
        told("rotation.applying"),
        *[told("rotation.login_tried", credential=one, version=version) for one, version in logins.items()],
        told("rotation.verified", proof=proof),
        told("rotation.done", proof=proof if done is None else done, credential="crd_b"),
    ]


def ours(events: list[Event], *, whole: bool = True, current: str = "crd_a", before: str = "") -> None:
    proofs, candidate = Proofs(whole=whole), ""
    for one in filter(None, (before, current)):
        proofs.stored(ACCOUNT, one)
    for event in events:
        match event.kind:
            case "rotation.staged":
                candidate = event.text("credential")
            case "rotation.applying":
                proofs.sent(event.about)
            case "rotation.login_tried":
                proofs.tried(event)
            case "rotation.verified":
                proofs.verified(event, candidate)
            case "target.looked":
                proofs.looked(event)
            case _:
                proofs.done(event)


def theirs(events: list[Event]) -> None:
    judge = standalone.Judge("0" * 64)
    judge.rotations[ROTATION] = "owed"
    for n, event in enumerate(events):
        one = standalone.Event.__new__(standalone.Event)
        one.kind, one.at, one.by, one.about = event.kind, event.at, event.by, event.about
        one.data, one.private = dict(event.data), {}
        judge.entry(n, one)


def test_a_proof_that_follows() -> None:
    ours(story())
    theirs(story())


def test_a_log_from_before_proofs_were_kept() -> None:
    for whole in (True, False):
        ours(story("", tried={}), whole=whole)
    theirs(story("", tried={}))


def test_an_account_without_an_older_one() -> None:
    text = f"{PROOF.splitlines()[0]}\nold none"
    ours(story(text, tried={"crd_b": 2}), current="")
    theirs(story(text, tried={"crd_b": 2}))
    with pytest.raises(BreakglassError, match="what was current"):
        ours(story(text, tried={"crd_b": 2}), current="crd_a")


WRONG = {
    "another at the end": story(done=PROOF.replace("crd_a", "crd_c")),
    "none at the end": story(done=""),
    "none at first": story("", done=PROOF),
    "the old one was not tried": story(tried={"crd_b": 2}),
    "the new one was not tried": story(tried={"crd_a": 1}),
    "another version was tried": story(tried={"crd_a": 1, "crd_b": 3}),
    "the old one was accepted": story(PROOF.replace("refused", "accepted")),
    "the new one was refused": story(PROOF.replace("accepted", "refused")),
    "another candidate": story(PROOF.replace("crd_b", "crd_c"), tried={"crd_a": 1, "crd_c": 2}),
    "one for both": story(PROOF.replace("crd_a 1", "crd_b 2")),
    "tried before it was sent again": [
        *story()[:4], told("rotation.applying"), *story()[4:],
    ],
    "one line": story(PROOF.splitlines()[0]),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_a_proof_that_does_not_follow(name: str) -> None:
    for whole in (True, False):
        with pytest.raises(BreakglassError):
            ours(WRONG[name], whole=whole)
    with pytest.raises(standalone.Bad):
        theirs(WRONG[name])


def test_a_proof_of_what_was_not_current() -> None:
    with pytest.raises(BreakglassError, match="what was current"):
        ours(story(), current="crd_other")
    ours(story(), whole=False, current="crd_other")  # a bundle does not hold all that happened to the account


def test_looks_that_were_compared_stand_in_the_log() -> None:
    done = story()[-1]
    compared = done._replace(data={**done.data, "looked_before": "ab", "looked_after": "cd"})
    ours([told("target.looked", traces="ab"), *story()[:-1], compared])
    with pytest.raises(BreakglassError, match="does not know"):
        ours([*story()[:-1], compared])


def test_a_target_restored_from_a_backup() -> None:
    """It takes an older password: that one is refused afterwards, and what was current was refused before."""
    probed = [told("rotation.login_tried", credential="crd_now", version=9), *story()]
    ours(probed, current="crd_now", before="crd_a")
    theirs(probed)
    for events, before in ((probed, ""), (story(), "crd_a")):  # never stored; what was current was not tried
        with pytest.raises(BreakglassError, match="what was current"):
            ours(events, current="crd_now", before=before)
