"""The desk: what the SSH door asks of the story behind it, and what it is given. Protocols and plain values only.

    person ──ssh──▶ door ──who? connect! gate!──▶ desk (roster, grant, release, recorder, target)

The door knows SSH and nothing of requests, approvals or secrets; the desk knows the story and nothing of SSH. For each
live connection the desk hands over an upstream that is logged in, a recorder and an `Order`, and takes them back when
it is over.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import asyncssh

from breakglass.gateway.order import Order
from breakglass.model.policy import Permission


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A person who proved a key at the door."""

    login: str
    """The text before the first `+`."""
    person: str
    """`usr_…`"""
    key: str
    """SHA-256 fingerprint of the key that was used, as `ssh-keygen -l` prints it."""
    from_address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What one channel is to be."""

    kind: Permission
    command: str = ""
    terminal: bool = False


class Held(Protocol):
    """The person's side while the desk is still deciding. When the person leaves, the desk's `connect` is cancelled."""

    @property
    def ask(self) -> Ask:
        """The channel that caused the connection. Without a terminal nobody reads: fail fast instead of waiting."""
        ...

    def say(self, text: str) -> None:
        """Print lines to the person at once (standard error, so that no output is spoilt)."""
        ...


class Recorder(Protocol):
    """One session's recording."""

    @property
    def behind(self) -> bool:
        """Whether more waits to be written than should: then reading stops until `drained()` returns. Cheap."""
        ...

    def frame(self, kind: int, channel: int, data: bytes) -> None:
        """Take one frame (`codec.frames.Kind`). Cheap, never waits. Raises `Unavailable` once recording has failed."""
        ...

    async def drained(self) -> None:
        """Wait until it is no longer behind. Raises `Unavailable` once recording has failed."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """One live connection, as the desk hands it over. When the desk has it back, `order.reason` says why it ended."""

    session: str
    """`ses_…`"""
    banner: str
    """Environment, target, until when: stands over interactive sessions."""
    upstream: asyncssh.SSHClientConnection
    recorder: Recorder
    order: Order
    permissions: frozenset[Permission]
    bulk_cap: int
    """Bytes of one stream without a terminal that are recorded whole; what comes after is counted and hashed."""


class Desk(Protocol):
    def who(self, login: str, key: asyncssh.SSHKey, from_address: str) -> Caller | None:
        """Whose key this is: only a key of this login's person counts. In memory, at once; for a stranger None."""
        ...

    def connect(
        self, caller: Caller, account: str | None, target: str, held: Held
    ) -> AbstractAsyncContextManager[Opened]:
        """Open one session; leaving the context gives it back. Raises `BreakglassError`: the person is shown it.

        The door has closed the upstream by then, in whatever way the session ended.
        """
        ...

    async def gate(
        self, caller: Caller, argv: list[str], stdin: Callable[[], Awaitable[bytes]]
    ) -> tuple[int, str, str]:
        """Answer `ssh gate …`: exit status, standard output, standard error. Raises `BreakglassError`: it is shown.

        `argv` is empty for a bare `ssh gate`: show the state and the help. `stdin` reads all that is piped in; only
        what needs it may call it, because at a terminal it waits for the person's end of file. It raises `Refused` when
        that is too long or does not end in time.
        """
        ...
