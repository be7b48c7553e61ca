"""All that a node sees of the vault: its calls, from any thread, over a few connections that are kept open.

    client.sign(…) ─ a free connection, or a new one ─▶ question ▶ answer ─▶ back among the free ones

A call whose answer is lost may have happened, so it is never repeated here: it raises `Unavailable`, and the caller's
next call finds out (`sign` by its base, `open_grant` by its request, a release by a new log entry).
"""

import os
import select
import socket
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from breakglass.errors import Unavailable
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint
from breakglass.trust.chain import Version
from breakglass.trust.statement import Signed
from breakglass.vault import shape
from breakglass.vault.answers import KitCopy, Progress, Proven, Rekey, Released, Slot, Status
from breakglass.vault.asking import Deposited, Elsewhere, Past, Placed, Purpose, SlotChange
from breakglass.vault.evidence import Evidence
from breakglass.vault.line import Behind
from breakglass.vault.shape import Blob
from breakglass.vault.wire import Broken, Channel, error_of

IDLE_MAX = 8
SLOW = 30.0
"""Seconds for the calls that check a whole roster, or wait for a hardware module."""


class VaultClient:
    """See `core.Vault` for what each call does and raises; every one also raises `Unavailable` when the vault does not
    answer, and `Sealed`. Secrets that are handed in are wiped; those that are handed out are the caller's to wipe."""

    def __init__(self, socket_path: Path, timeout: float = 5.0, *, user: int | None = None) -> None:
        """`user`: whose process answers there; without it our own."""
        self._path, self._timeout = socket_path, timeout
        self._user = user
        self._lock = threading.Lock()
        self._idle: list[Channel] = []
        self._closed = False

    def status(self) -> Status:
        return cast(Status, self._call("status"))

    def unseal_share(self, share: Secret, attempt: str = "") -> Progress:
        return cast(Progress, self._call("unseal_share", share=share, attempt=attempt))

    def begin_rekey(self, shares: Sequence[Secret], k: int, to: Sequence[bytes]) -> Rekey:
        return cast(Rekey, self._call("begin_rekey", shares=tuple(shares), k=k, to=tuple(to)))

    def finish_rekey(self, shares: Sequence[Secret]) -> str:
        return cast(str, self._call("finish_rekey", shares=tuple(shares)))

    def prove_share(self, share: Secret) -> Proven:
        return cast(Proven, self._call("prove_share", share=share))

    def check_slots(self) -> tuple[Slot, ...]:
        return cast(tuple[Slot, ...], self._call("check_slots", _timeout=SLOW))

    def begin_slot(self, shares: Sequence[Secret], change: SlotChange) -> str:
        return cast(str, self._call("begin_slot", shares=tuple(shares), change=change, _timeout=SLOW))

    def finish_slot(self, name: str) -> tuple[str, ...]:
        return cast(tuple[str, ...], self._call("finish_slot", name=name))

    def seal(self) -> None:
        self._call("seal")

    def load_roster(self, versions: Sequence[Version], found_pin: str | None = None) -> int:
        return cast(int, self._call("load_roster", versions=tuple(versions), found_pin=found_pin, _timeout=SLOW))

    def sign(self, base: int, hashes: Sequence[bytes], frontier: bytes) -> bytes:
        return cast(bytes, self._call("sign", base=base, hashes=tuple(hashes), frontier=frontier))

    def catch_up(self, size: int, frontier: bytes, proof: Sequence[bytes]) -> None:
        self._call("catch_up", size=size, frontier=frontier, proof=tuple(proof))

    def confirm(self, checkpoint: bytes) -> bool:
        return cast(bool, self._call("confirm", checkpoint=checkpoint))

    def open_grant(self, grant: str, request: str, approvals: Sequence[Signed], evidence: Evidence) -> str:
        return cast(
            str, self._call("open_grant", grant=grant, request=request, approvals=tuple(approvals), evidence=evidence)
        )

    def unknown_grants(self, tokens: Sequence[str]) -> tuple[str, ...]:
        return cast(tuple[str, ...], self._call("unknown_grants", tokens=tuple(tokens)))

    def adopt_grants(self, grants: Sequence[Elsewhere]) -> tuple[str, ...]:
        return cast(tuple[str, ...], self._call("adopt_grants", grants=tuple(grants)))

    def void_grant(self, grant: str) -> None:
        self._call("void_grant", grant=grant)

    def mint(self, account: str, credential: str, version: int) -> bytes:
        return cast(bytes, self._call("mint", account=account, credential=credential, version=version))

    def store(self, account: str, credential: str, version: int, secret: Secret) -> bytes:
        return cast(bytes, self._call("store", account=account, credential=credential, version=version, secret=secret))

    def retire_credential(self, credential: str, evidence: Evidence) -> None:
        self._call("retire_credential", credential=credential, evidence=evidence)

    def check(self, account: str, deposited: Deposited) -> None:
        self._call("check", account=account, deposited=deposited)

    def release_session(
        self, token: str, endpoint: Endpoint, deposited: Deposited, session: str, evidence: Evidence
    ) -> Released:
        found = self._call(
            "release_session", token=token, endpoint=endpoint, deposited=deposited, session=session, evidence=evidence
        )
        return cast(Released, found)

    def release_rotation(
        self,
        rotation: str,
        account: str,
        endpoint: Endpoint,
        deposited: Sequence[Deposited],
        purpose: Purpose,
        evidence: Evidence,
    ) -> tuple[Secret, ...]:
        found = self._call(
            "release_rotation",
            rotation=rotation,
            account=account,
            endpoint=endpoint,
            deposited=tuple(deposited),
            purpose=purpose,
            evidence=evidence,
        )
        return cast(tuple[Secret, ...], found)

    def release_help(self, account: str, endpoint: Endpoint, deposited: Deposited, evidence: Evidence) -> Released:
        found = self._call("release_help", account=account, endpoint=endpoint, deposited=deposited, evidence=evidence)
        return cast(Released, found)

    def release_replay(
        self,
        statements: Sequence[Signed],
        session: str,
        stream: str,
        wrapped: bytes,
        evidence: Evidence,
        past: Past | None = None,
    ) -> Secret:
        found = self._call(
            "release_replay",
            statements=tuple(statements),
            session=session,
            stream=stream,
            wrapped=wrapped,
            evidence=evidence,
            past=past,
        )
        return cast(Secret, found)

    def confirm_clock(self, statements: Sequence[Signed]) -> datetime:
        return cast(datetime, self._call("confirm_clock", statements=tuple(statements)))

    def override(self, statements: Sequence[Signed]) -> datetime:
        return cast(datetime, self._call("override", statements=tuple(statements)))

    def next_log(self, statements: Sequence[Signed], proofs: Sequence[Sequence[bytes]]) -> bytes:
        found = self._call("next_log", statements=tuple(statements), proofs=tuple(map(tuple, proofs)))
        return cast(bytes, found)

    def make_kit(
        self, statements: Sequence[Signed], stored: Sequence[Placed], evidence: Evidence
    ) -> tuple[KitCopy, ...]:
        found = self._call("make_kit", statements=tuple(statements), stored=tuple(stored), evidence=evidence)
        return cast(tuple[KitCopy, ...], found)

    def rotate_kek(self, statement: Signed) -> int:
        return cast(int, self._call("rotate_kek", statement=statement))

    def rewrap(self, placed: Sequence[Placed]) -> tuple[bytes, ...]:
        return cast(tuple[bytes, ...], self._call("rewrap", placed=tuple(placed)))

    def retire_kek(self, kek: int) -> None:
        self._call("retire_kek", kek=kek)

    def close(self) -> None:
        """Close the free connections. Calls that run then, or come after it, keep none open."""
        with self._lock:
            idle, self._idle, self._closed = self._idle, [], True
        for channel in idle:
            channel.close()

    def _call(self, call: str, /, *, _timeout: float | None = None, **args: Any) -> Any:
        blobs: list[Blob | Secret] = []
        question = {"call": call, "args": shape.encode(args, blobs)}
        try:
            channel = self._asked(question, blobs, _timeout)
        finally:
            for blob in blobs:
                if isinstance(blob, Secret):
                    blob.wipe()
        try:
            frame = channel.receive()
            if frame is None:
                raise Broken
            answer = self._taken(frame, call)
        except BaseException as error:
            channel.close()
            if isinstance(error, Broken):
                raise Unavailable(
                    "The vault took the call and did not answer: it may have happened.",
                    what_to_do="Look whether the vault runs, then try again.",
                ) from None
            raise
        channel.forget()
        self._put_back(channel, kept=_timeout is None)
        return _opened(answer)

    def _asked(self, question: Any, blobs: Sequence[Blob | Secret], timeout: float | None) -> Channel:
        """A connection on which the question was sent."""
        for fresh in (timeout is not None, True):
            channel = self._channel(fresh=fresh, timeout=timeout or self._timeout)
            try:
                channel.send(question, blobs)
            except Broken as broken:
                channel.close()
                if broken.unsent and not fresh:
                    continue  # the vault was started anew since: it has certainly not seen this
                raise _down() from None
            except BaseException:
                channel.close()
                raise
            return channel
        raise _down()

    def _channel(self, *, fresh: bool, timeout: float) -> Channel:
        while not fresh:
            with self._lock:
                channel = self._idle.pop() if self._idle else None
            if channel is None:
                break
            if not _ended(channel.socket):
                return channel
            channel.close()
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout)
            connection.connect(str(self._path))
            channel = Channel(connection, timeout)
            if channel.peer() != (os.geteuid() if self._user is None else self._user):
                raise _down()  # somebody else's process listens there
        except OSError:
            connection.close()
            raise _down() from None
        except BaseException:
            connection.close()
            raise
        return channel

    def _put_back(self, channel: Channel, *, kept: bool) -> None:
        with self._lock:
            kept = kept and not self._closed and len(self._idle) < IDLE_MAX
            if kept:
                self._idle.append(channel)
        if not kept:
            channel.close()

    def _taken(self, frame: tuple[Any, Sequence[Blob]], call: str) -> Any:
        header, blobs = frame
        if type(header) is not dict or len(header) != 1:
            raise Broken
        if "ok" in header:
            return shape.result(getattr(VaultClient, call))(header["ok"], blobs)
        return Behind(header["behind"]) if "behind" in header else error_of(header["error"])


def _opened(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _ended(connection: socket.socket) -> bool:
    """True when something waits where nothing was asked: the end of the connection."""
    waiting = select.poll()
    waiting.register(connection, select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(waiting.poll(0))


def _down() -> Unavailable:
    return Unavailable(
        "The vault does not answer.",
        what_to_do="Look whether its process runs (`breakglass status`); nothing is granted or released without it.",
    )
