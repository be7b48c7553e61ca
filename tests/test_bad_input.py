"""Statements that do not hold, ids and texts of a wrong shape, and acts in a wrong state: each is refused in its own
words, with what to do, through every door, and nothing is lost or half-done."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from breakglass.demo.people import ApiRefused, Ran
from tests.deployment import CONDITION, TARGET, Deployment, deployed, refused
from tests.servers.sshd import make_account, running_sshd

pytestmark = pytest.mark.server
EVE = {"eve": ("Eve Novak", "Security", ["approver"], ["security"])}
"""With her, Bo can ask too."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Deployment]:
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            async with deployed(tmp_path, sshd, account, more=EVE) as deployment:
                yield deployment


class Doors:
    """One request, decided about through each door; each says what it refuses as (code, message, what to do)."""

    def __init__(self, world: Deployment, request: str) -> None:
        self.world, self.request, self.path = world, request, f"/api/requests/{request}"

    async def text(self, login: str, **body: Any) -> str:
        found = await self.world.people[login].call("POST", f"{self.path}/statement", {"kind": "approve", **body})
        return str(found["text"])

    async def signed(self, login: str, text: str = "") -> dict[str, str]:
        text = text or await self.text(login)
        return {"text": text, "signature": await self.world.people[login].sign(text)}

    async def api(self, login: str, body: dict[str, str], code: str, how: str = "approvals") -> ApiRefused:
        return await refused(self.world.people[login].call("POST", f"{self.path}/{how}", body), code)

    async def cli(self, login: str, body: dict[str, str], expect: int) -> Ran:
        files = self.world.folder / "text", self.world.folder / "signature"
        for file, content in zip(files, (body["text"], body["signature"]), strict=True):
            file.write_text(content)
        arguments = ["approve", self.request, "--text", str(files[0]), "--signature", str(files[1])]
        ran = await self.world.cli(*arguments, login=login)
        assert ran.code == expect, ran
        assert "What to do: " in ran.err
        return ran

    async def gate(self, login: str, body: dict[str, str], expect: int) -> Ran:
        stdin = (body["text"] + body["signature"]).encode()
        ran = await self.world.people[login].ssh(login, f"approve {self.request}", stdin=stdin)
        assert ran.code == expect, ran
        assert "What to do: " in ran.err
        return ran

    async def everywhere(self, login: str, body: dict[str, str], code: str, exits: tuple[int, int]) -> str:
        """Refused by all three doors, in the same words; returns them."""
        error = await self.api(login, body, code)
        assert error.what_to_do
        for ran in (await self.cli(login, body, exits[0]), await self.gate(login, body, exits[1])):
            assert error.message in ran.err, ran
        return error.message


async def test_statements_that_do_not_hold(world: Deployment) -> None:
    doors = Doors(world, await world.ask())
    before = len(await entries(world, "request."))
    good = await doors.signed("bo")

    # One changed character, in each line that decides something.
    for name in ("subject", "person", "requester", "account", "endpoint", "duration", "nonce", "not-after", "log"):
        line = next(line for line in good["text"].splitlines() if line.startswith(f"{name}: "))
        last = "1" if line[-1] != "1" else "2"
        changed = good["text"].replace(line, f"{line[:-1]}{last}")
        with pytest.raises(ApiRefused) as caught:
            await world.bo.call("POST", f"{doors.path}/approvals", {**good, "text": changed})
        assert caught.value.error_code in ("bad_signature", "malformed"), (name, caught.value.error_code)
        assert caught.value.what_to_do
    minutes = good["text"].replace("duration: 1800 seconds", "duration: 7200 seconds")
    assert "signature" in await doors.everywhere("bo", {**good, "text": minutes}, "bad_signature", (4, 77))

    # Somebody else's key, another namespace, another request, another person's text.
    by_dana = {**good, "signature": await world.dana.sign(good["text"])}
    assert "signed it" in await doors.everywhere("bo", by_dana, "bad_signature", (4, 77))
    spaced = {**good, "signature": await world.bo.sign(good["text"], "file")}
    assert "not for 'breakglass'" in await doors.everywhere("bo", spaced, "bad_signature", (4, 77))
    sign_in = {**good, "signature": await world.bo.sign(good["text"], "breakglass-sign-in")}
    await doors.api("bo", sign_in, "bad_signature")
    await doors.api("bo", good, "bad_signature", "denials")
    for shape in ("", "x", "-----BEGIN SSH SIGNATURE-----\nx\n-----END SSH SIGNATURE-----\n"):
        await refused(world.bo.call("POST", f"{doors.path}/approvals", {"signature": shape}), "malformed")

    # Nobody approves by role alone: the requester, the auditor, the custodian.
    for login in ("alice", "ivy", "carol"):
        await refused(world.people[login].call("POST", f"{doors.path}/statement", {"kind": "approve"}), "forbidden")

    # Nothing of all that counted, and all of it is in the log as a refusal.
    page = await world.alice.call("GET", doors.path)
    assert page["approvals"] == []
    assert len(await entries(world, "request.")) == before
    assert len(await entries(world, "refused")) > 15

    # The good one counts once, whoever brings it (offline approval) and however often.
    await world.alice.call("POST", f"{doors.path}/approvals", good)
    assert "approved this request before" in await doors.everywhere("bo", good, "already_approved", (1, 77))
    await refused(world.bo.call("POST", f"{doors.path}/statement", {"kind": "approve"}), "already_approved")
    late = await doors.signed("dana")
    await world.decide("dana", doors.request)
    assert "approved" in await doors.everywhere("dana", late, "wrong_state", (1, 77))
    again = await world.bo.ssh("bo", f"statement {doors.request} deny")
    assert again.code == 77
    assert (await world.cli("audit", "verify")).code == 0


async def test_an_approver_who_asks(world: Deployment) -> None:
    body = {"target": TARGET, "condition": CONDITION, "reason": "Sign-in is down.", "minutes": 30}
    request = (await world.bo.call("POST", "/api/requests", body))["id"]
    doors = Doors(world, request)
    error = await refused(world.bo.call("POST", f"{doors.path}/statement", {"kind": "approve"}), "self_approval")
    assert "Others must decide" in error.what_to_do
    shown = await world.cli("approve", request, "--yes", login="bo")
    assert (shown.code, "your own request" in shown.err) == (1, True), shown
    gate = await world.bo.ssh("bo", f"statement {request}")
    assert (gate.code, "your own request" in gate.err) == (77, True), gate
    # Not with a text that was drawn up for somebody else either.
    theirs = await doors.text("dana")
    key = next(line for line in theirs.splitlines() if line.startswith("key: "))
    his = await doors.text("eve")
    own = his.replace("person: usr_eve", "person: usr_bo")
    own = own.replace(next(line for line in his.splitlines() if line.startswith("key: ")), await bos_key(world))
    assert key not in own
    await doors.api("bo", await doors.signed("bo", own), "self_approval")
    await world.decide("dana", request)
    await world.decide("eve", request)
    await world.until(lambda: grant_of(world, request))


async def test_wrong_states_and_shapes(world: Deployment) -> None:
    request = await world.ask()
    doors = Doors(world, request)
    good = await doors.signed("bo")
    cancelled = await world.cli("request", "cancel", request, login="bo")
    assert cancelled.code == 4, cancelled
    await refused(world.bo.call("POST", f"{doors.path}/cancel"), "forbidden")
    denied = (await world.dana.call("POST", f"{doors.path}/statement", {"kind": "deny", "reason": "No."}))["text"]
    await world.dana.call("POST", f"{doors.path}/denials", {"signature": await world.dana.sign(denied)})
    for body in (good, {**good, "text": denied, "signature": await world.dana.sign(denied)}):
        await doors.api("bo", body, "wrong_state")
    assert "denied" in await doors.everywhere("bo", good, "wrong_state", (1, 77))
    await refused(world.alice.call("POST", f"{doors.path}/cancel"), "wrong_state")

    request, grant = await world.granted()
    await refused(world.ivy.call("POST", f"/api/reviews/rev_{'0' * 20}/statement", REVIEW), "not_found")
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    twice = await refused(world.alice.call("POST", f"/api/grants/{grant}/close"), "wrong_state")
    assert "closed" in twice.message
    for ran in (await world.cli("close", grant, login="alice"), await world.alice.ssh("alice", f"close {grant}")):
        assert ran.code in (1, 77)
        assert twice.message in ran.err
    await refused(world.bo.call("POST", f"/api/sessions/ses_{'0' * 20}/kill", {"why": "x"}), "not_found")

    # Shapes: an id, a name, a text that is too long; the body and standard input have a limit.
    for path in ("/api/requests/x", "/api/requests/grt_1", "/api/requests/req_A", f"/api/requests/req_{'a' * 200}"):
        assert (await refused(world.alice.call("GET", path), "malformed")).what_to_do
    for arguments in (["request", "show", "nonsense"], ["approve", "grt_1", "--yes"], ["kill", "req_1", "why"]):
        ran = await world.cli(*arguments, login="bo")
        assert ran.code == 2, ran
    for command in ("show nonsense", "approve grt_1", "kill x y", "what", "statement req_1 perhaps", "request 'db1"):
        ran = await world.bo.ssh("bo", command)
        assert ran.code == 64, (command, ran)
        assert "What to do: " in ran.err
    assert (await world.bo.ssh("bo", "show req_" + "0" * 20)).code == 77
    big = "x" * (1 << 20)
    for login, method, path, body in (
        ("alice", "POST", "/api/requests", {"target": TARGET, "condition": CONDITION, "reason": big, "minutes": 30}),
        ("bo", "POST", f"{doors.path}/approvals", {"signature": big}),
        ("bo", "POST", f"{doors.path}/approvals", {"signature": good["signature"], "text": big}),
        ("alice", "POST", "/api/sign-in", {"login": big, "text": big, "signature": big}),
    ):
        assert (await refused(world.people[login].call(method, path, body), "malformed")).what_to_do
    assert (await world.bo.ssh("bo", f"approve {request}", stdin=big.encode())).code == 77
    unknown = await world.alice.ssh("alice+nowhere", "true")
    assert (unknown.code, "What to do: " in unknown.err) == (77, True), unknown
    assert (await world.alice.ssh("alice+nobody+db1", "true")).code == 77
    assert (await world.alice.ssh("alice+a+b+c", "true")).code == 64
    assert (await world.cli("audit", "verify")).code == 0


async def test_a_replay_statement_serves_once(world: Deployment) -> None:
    _, grant = await world.granted()
    assert (await world.ssh("echo seen")).code == 0
    await world.alice.call("POST", f"/api/grants/{grant}/close")
    await world.settled()
    session = (await world.ivy.call("GET", "/api/sessions"))[0]["id"]
    path = f"/api/sessions/{session}"
    text = (await world.ivy.call("POST", f"{path}/replay-statement"))["text"]
    signed = {"text": text, "signature": await world.ivy.sign(text)}
    for login in ("alice", "bo", "carol"):
        await refused(world.people[login].call("POST", f"{path}/replay", signed), "forbidden")
    assert b"seen" in await world.ivy.fetch("POST", f"{path}/replay", signed)
    error = await refused(world.ivy.call("POST", f"{path}/replay", signed), "replayed")
    assert "fresh statement" in error.what_to_do
    assert "seen" in await world.replay(session)
    assert (await world.cli("audit", "verify")).code == 0


REVIEW = {"classification": "drill", "summary": "It was right."}


async def entries(world: Deployment, kind: str) -> list[Any]:
    found: list[Any] = await world.carol.call("GET", f"/api/audit/entries?kind={kind}&limit=1000")
    return found


async def grant_of(world: Deployment, request: str) -> Any:
    return (await world.bo.call("GET", f"/api/requests/{request}"))["grant"]


async def bos_key(world: Deployment) -> str:
    people = (await world.carol.call("GET", "/api/estate"))["people"]
    return next(f"key: {one['keys'][0]['fingerprint']}" for one in people if one["login"] == "bo")
