"""The tour: the whole emergency without a person at the keyboard, through the doors that people use.

Each step says what it really saw; a step that did not see it fails the tour.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh

from breakglass.demo.people import ApiRefused, run
from breakglass.demo.tamper import tampered_copy
from breakglass.demo.world import TARGET, World
from breakglass.errors import BreakglassError

Say = Callable[[dict[str, Any]], None]


class Missed(Exception):
    """A step did not see what it must see."""


class Tour:
    def __init__(self, world: World, say: Say) -> None:
        self.world, self.say = world, say
        self.request = self.grant = self.session = ""
        self.ok = True

    async def play(self) -> bool:
        steps: list[tuple[str, Callable[[], Awaitable[str]]]] = [
            ("request", self._request),
            ("approve-1", self._approve_1),
            ("approve-2", self._approve_2),
            ("connect", self._connect),
            ("recorded", self._recorded),
            ("close", self._close),
            ("rotate", self._rotate),
            ("old-refused", self._old_refused),
            ("review", self._review),
            ("audit-verify", self._audit_verify),
            ("tamper-detected", self._tamper_detected),
        ]
        for name, step in steps:
            await self.step(name, step)
            if not self.ok:
                return False
        return True

    async def step(self, name: str, act: Callable[[], Awaitable[str]]) -> None:
        began = time.monotonic()
        try:
            detail, ok = await act(), True
        except (BreakglassError, Missed, OSError) as error:
            detail, ok = str(error), False
        self.ok = self.ok and ok
        self.say({"step": name, "ok": ok, "seconds": round(time.monotonic() - began, 3), "detail": detail})

    async def _request(self) -> str:
        body = {
            "target": TARGET,
            "condition": "cnd_idp-down",
            "reason": "The historian of cold store 2 is down since 03:15 and sign-in does not work.",
            "minutes": 30,
        }
        self.request = (await self.world.alice.call("POST", "/api/requests", body))["id"]
        await _refused(self._decide("alice"), "forbidden", "alice approved her own request")
        return f"{self.request}: alice asks for root on {TARGET}; her own approval was refused"

    async def _approve_1(self) -> str:
        await self._decide("bo")
        await _refused(self._decide("bo"), "already_approved", "bo approved twice")
        early = await self.world.alice.ssh(f"alice+{TARGET}", "true")
        _must(early.code != 0, "one approval was enough to connect")
        return "bo read the statement and signed it with ssh-keygen; one approval opens nothing"

    async def _approve_2(self) -> str:
        await self._decide("dana")
        grant = await self._until(lambda: self._shown("grant"), "the vault opened no grant")
        self.grant = grant["id"]
        return f"dana signed; the vault opened {self.grant} from the two statements"

    async def _connect(self) -> str:
        alice, to = self.world.alice, f"alice+{TARGET}"
        script = b"cat /srv/coldstore/lock /srv/coldstore/README\nrm /srv/coldstore/historian.lock\n"
        script += b"systemctl restart coldstore\ncat /srv/coldstore/health\nexit\n"
        ran = await alice.ssh(to, stdin=script, terminal=True)
        _must("OK" in ran.out, f"the fault was not fixed: {ran.out[-300:]} {ran.err[-300:]}")
        health = await alice.ssh(to, "cat /srv/coldstore/health")
        _must(health.out.strip() == "OK", f"the host does not say OK: {health.out} {health.err}")
        bob = await self.world.bo.ssh(f"bo+{TARGET}", "true")
        _must(bob.code != 0, "bo came in with alice's grant")
        return "stock ssh, no password seen; the fault is fixed; bo, who has no grant, was refused"

    async def _recorded(self) -> str:
        sessions = [s for s in await self.world.ivy.call("GET", "/api/sessions") if s["grant"] == self.grant]
        _must(len(sessions) >= 2, "the sessions are not listed")
        seen = []
        for session in sessions:
            path = f"/api/sessions/{session['id']}"
            text = (await self.world.ivy.call("POST", f"{path}/replay-statement"))["text"]
            body = {"signature": await self.world.ivy.sign(text)}
            seen.append((await self.world.ivy.fetch("POST", f"{path}/replay", body)).decode())
        header = json.loads(seen[0].splitlines()[0])
        _must(header["version"] == 3, "the recording is no asciicast v3")
        _must(any("historian" in one for one in seen), "the recording does not show what was done")
        return f"ivy replayed {len(sessions)} sessions as asciicast v3, each for a signed statement"

    async def _close(self) -> str:
        await self.world.alice.call("POST", f"/api/grants/{self.grant}/close")
        late = await self.world.alice.ssh(f"alice+{TARGET}", "true")
        _must(late.code != 0, "the closed grant still opens")
        return f"alice closed {self.grant}; connecting again is refused: {late.err.strip().splitlines()[0]}"

    async def _rotate(self) -> str:
        done = await self.world.settled()
        mine = [one for one in done if one["grant"] == self.grant]
        _must(any(one["because"] == "close" for one in mine), "no rotation followed the close")
        return f"{len(mine)} changes after login and close, each proven: the new password works, the old one is refused"

    async def _old_refused(self) -> str:
        first = self.world.first_password
        if first is None:
            return "this world was used before: its first password is long gone"
        try:
            options: dict[str, Any] = {"known_hosts": None, "config": None, "client_keys": None, "agent_path": None}
            where = ("127.0.0.1", self.world.host.port)
            async with asyncio.timeout(10):
                options["password"] = first.reveal().decode()
                connection = await asyncssh.connect(*where, username="root", **options)
        except asyncssh.PermissionDenied:
            return "the host itself refuses the password that it had before"
        connection.abort()
        raise Missed("the old password still works")

    async def _review(self) -> str:
        review = await self._until(lambda: self._shown("review"), "no review opened")
        again = self.world.alice.call(
            "POST", "/api/requests", {"target": TARGET, "condition": "cnd_idp-down", "reason": "again", "minutes": 5}
        )
        await _refused(again, "wrong_state", "the account took a request before its review")
        path = f"/api/reviews/{review['id']}"
        body = {"classification": "emergency", "summary": "Removed a stale lock, restarted the historian, no more."}
        text = (await self.world.ivy.call("POST", f"{path}/statement", body))["text"]
        await self.world.ivy.call("POST", f"{path}/sign", {"signature": await self.world.ivy.sign(text)})
        return f"ivy signed {review['id']}; until then the account took no request"

    async def _audit_verify(self) -> str:
        ran = await self._verify(self.world.home.path)
        _must(ran.code == 0, f"the log does not verify: {ran.out[-500:]} {ran.err[-500:]}")
        found = json.loads(ran.out)
        return f"{found.get('entries', '?')} entries, every leaf, node, checkpoint and statement checked offline"

    async def _tamper_detected(self) -> str:
        with tempfile.TemporaryDirectory(prefix="breakglass-tamper-") as folder:
            entry = await asyncio.to_thread(tampered_copy, self.world.home.path, Path(folder))
            ran = await self._verify(Path(folder))
        _must(ran.code != 0, "one changed byte was not noticed")
        return f"in a copy, one byte of entry {entry} was changed: the verification failed, as it must"

    # -- what the steps share ------------------------------------------------------------------------------------------

    async def _decide(self, login: str) -> None:
        person, path = self.world.people[login], f"/api/requests/{self.request}"
        text = (await person.call("POST", f"{path}/statement", {"kind": "approve"}))["text"]
        await person.call("POST", f"{path}/approvals", {"signature": await person.sign(text)})

    async def _shown(self, part: str) -> Any:
        return (await self.world.alice.call("GET", f"/api/requests/{self.request}")).get(part)

    async def _until(self, look: Callable[[], Awaitable[Any]], otherwise: str) -> Any:
        for _ in range(150):
            if found := await look():
                return found
            await asyncio.sleep(0.1)
        raise Missed(otherwise)

    async def _verify(self, home: Path) -> Any:
        command = [sys.executable, "-m", "breakglass", "--home", str(home), "--json", "audit", "verify"]
        return await run(command, timeout=60)


async def _refused(act: Awaitable[Any], code: str, otherwise: str) -> None:
    try:
        await act
    except ApiRefused as refused:
        _must(refused.error_code == code, f"refused as {refused.error_code}, not {code}")
        return
    raise Missed(otherwise)


def _must(seen: Any, otherwise: str) -> None:
    if not seen:
        raise Missed(otherwise)
