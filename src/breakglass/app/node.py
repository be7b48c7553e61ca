"""A node: everything of one Breakglass server, wired together here and nowhere else.

vault process ◀─ client ─ log ◀─ store ─▶ outbox worker ─▶ alerts, tickets, grants
                                   ▲  ▲
          SSH door ─▶ sessions ────┘  └──── API, sweeper, rotation engine
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import secrets
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import asyncssh

from breakglass.app import background, duties
from breakglass.app.api_server import ApiServer, Tls
from breakglass.app.fellows import Fellows
from breakglass.app.keks import Rewrapping
from breakglass.app.kits import Kits
from breakglass.app.recordings import Playback, recover
from breakglass.app.site import make as make_site
from breakglass.app.vault_process import VaultSigner, vault_of
from breakglass.app.verifying import last_verification, verify_log
from breakglass.audit import copies
from breakglass.audit.cosignatures import Cosignatures
from breakglass.audit.log import Log
from breakglass.audit.timestamps import RFC3161
from breakglass.config import Home, Settings, database_url
from breakglass.errors import Unavailable
from breakglass.flow import estate as estates
from breakglass.flow import keep, rotate
from breakglass.flow.consequences import CONSEQUENCES
from breakglass.gateway import control
from breakglass.gateway.browser import Socket, Terminals
from breakglass.gateway.desk import Caller
from breakglass.gateway.dial import Direct
from breakglass.gateway.door import Door
from breakglass.gateway.gate import Gate
from breakglass.gateway.limits import Limits
from breakglass.gateway.login import Login
from breakglass.gateway.recorder import Recorders
from breakglass.gateway.sessions import Sessions
from breakglass.http.services import DemoDesk, Services
from breakglass.model.credential import Credential
from breakglass.model.ids import CredentialId
from breakglass.model.people import SYSTEM, Actor
from breakglass.model.secret import Secret
from breakglass.model.target import AccountId
from breakglass.plugin_api.dial import Dial
from breakglass.plugin_api.loading import load as load_plugins
from breakglass.release import Releases
from breakglass.rotation.engine import Engine
from breakglass.rotation.waking import Waking
from breakglass.storage import migrate, names, outbox, rosters
from breakglass.storage.store import Clock, Store, SystemClock
from breakglass.views.anchors import ExpectedAnchor
from breakglass.vigilance import duties as vigilance
from breakglass.vigilance import timestamping
from breakglass.vigilance.copying import Copying, sinks
from breakglass.vigilance.siem import Siem
from breakglass.vigilance.sinks import Sink
from breakglass.vigilance.syslog_line import Collector
from breakglass.vigilance.timestamping import Timestamping
from breakglass.vigilance.witnesses import Submitter

_log = logging.getLogger(__name__)


class Node:
    """`async with Node(home, settings):` runs it; everything is stopped in the opposite order at the end."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        clock: Clock | None = None,
        dial: Dial | None = None,
        demo: DemoDesk | None = None,
    ) -> None:
        self.home, self.settings, self.demo = home, settings, demo
        self.clock = clock or SystemClock()
        self.dial = dial or Direct()
        self.vault = vault_of(home, settings)
        self.log = Log(VaultSigner(self.vault.client))
        self.store = Store(database_url(home, settings), self.log, CONSEQUENCES, self.clock, settings.node)
        self.door: Door | None = None
        self.api: ApiServer | None = None
        self.failed: asyncio.Event = asyncio.Event()
        self.confirmed = b""
        """The newest checkpoint of which the vault knows that it was committed."""
        self.clock_wrong = False
        self.share_set = self.seal_name = ""
        """What the log was told last about the clock."""
        self.late_because = ""
        """Why this node's vault does not go on with the next log, where others did."""
        self._bells: list[asyncio.Event] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._undo = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._undo.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._undo.aclose()

    async def _start(self) -> None:
        home, settings = self.home, self.settings
        home.make()
        self._undo.enter_context(_alone(home))
        await asyncio.to_thread(migrate.upgrade, self.store.engine)
        self._undo.callback(await asyncio.to_thread(names.take, self.store.engine, settings.node))
        await self.vault.start()
        self._undo.callback(self.vault.stop)
        self._undo.push_async_callback(asyncio.to_thread, self._settle_log)
        self._open_log()
        self.store.start()
        self._undo.push_async_callback(asyncio.to_thread, self.store.stop)
        await self.store.run(SYSTEM, keep.free_leases)
        self.estate = await self.store.read(estates.load, settings.roster_pin)
        fellows = Fellows(self.store, self.log, self.vault.client) if self.store.shared else None
        cosignatures = Cosignatures(self.store, lambda: self.estate.roster.witnesses)
        self.releases = Releases(
            self.store,
            self.log,
            self.vault.client,
            cosignatures=cosignatures,
            catch_up=fellows.catch_up if fellows else None,
        )
        plugins = load_plugins(settings.plugins)
        await background.look_after(self)
        self._undo.push_async_callback(self._cancel_tasks)

        self.recorders = Recorders(home.recordings, lambda: self.estate.roster.keys.recording)
        self.recorders.start()
        self._undo.callback(self.recorders.stop)
        await recover(self.store, self.recorders, settings.node)
        playback = Playback(self.store, self.estate, self.releases, self.recorders)
        places = sinks(settings.checkpoint_copies, settings.checkpoint_copies_ca, node=settings.node)
        services = Services(
            store=self.store,
            estate=self.estate,
            vault=self.vault.client,
            settings=settings,
            replay=playback.replay,
            deposit=self._deposit,
            roster_adopted=self._roster_adopted,
            verify_log=lambda: verify_log(home, settings),
            witnessed=cosignatures.reach,
            kits=Kits(self.store, self.estate, self.releases, self.vault.client, home.path / "kits"),
            anchors=_anchors(settings, places),
            last_verification=lambda: last_verification(home),
            alarm=lambda: self.log.tampered.message if self.log.tampered else "",
            ssh_at=self.ssh_at,
            terminal=self._terminal,
            demo=self.demo if settings.demo else None,
        )
        gate = Gate(self.store, self.estate, services)
        waking = Waking(self.store, self.estate, self.releases, plugins.rotators, self.dial)
        self.sessions = Sessions(
            self.store, self.estate, self.releases, self.dial, self.recorders, gate, waking.wake, node=settings.node
        )
        self.terminals = Terminals(self.sessions, Limits(), self.store.now)
        engine = Engine(self.store, self.estate, self.releases, self.vault.client, plugins.rotators, self.dial)
        notices = vigilance.handlers(
            self.store, self.estate, plugins.notifiers, settings.alerts, home.path / "alerts.jsonl"
        )
        handlers = {**duties.handlers(self.store, self.log, self.estate, self.vault.client), **notices}

        self.spawn("vault", self.vault.keep)
        if fellows:
            await fellows.at_start()
            self.spawn("fellows", fellows.follow)
        self.spawn("vault-care", lambda: background.care(self))
        self.spawn("duties", lambda: outbox.work_off(self.store, handlers, self.bell()))
        self.spawn("rotation", lambda: engine.work(self.bell()))
        self.spawn("sweeper", lambda: background.sweep(self))
        self.spawn("keks", Rewrapping(self.store, self.vault.client, settings.deployment).work)
        self.spawn("schedule", lambda: background.keep_schedule(self))
        self.spawn("recordings", lambda: background.look_at_recordings(playback))
        submitter = Submitter(self.store, cosignatures)
        self.spawn("witnesses", lambda: submitter.work(self.bell()))
        for one in places:
            self.spawn(f"copy {one.name}", Copying(self.store, one).work)
        if settings.siem:
            collector = Collector.of(settings.siem, settings.siem_ca)
            siem = Siem(self.store, self.estate, collector, home.path / "siem.json", node=settings.node)
            self.spawn("siem", lambda: siem.work(self.bell()))
        if settings.tsa:
            stamping = Timestamping(self.store, settings.deployment, settings.tsa, settings.tsa_ca, node=settings.node)
            self.spawn("timestamps", stamping.work)
        self.spawn("control", lambda: control.obey(self.sessions, self.bell()))

        self.door = Door(self.sessions)
        await self.door.start(settings.ssh_host, settings.ssh_port, _host_key(home.ssh_host_key))
        self._undo.push_async_callback(self.door.stop)
        site = make_site(services)
        self.api = ApiServer(site)
        await self.api.start(settings.api_host, settings.api_port)
        self._undo.push_async_callback(self.api.stop)
        if settings.tls_certificate:
            tls = ApiServer(site, Tls(settings.tls_certificate, settings.tls_key))
            await tls.start(settings.tls_host, settings.tls_port)
            self._undo.push_async_callback(tls.stop)
        self._undo.callback(self.terminals.stop)
        self._say_where()

    def _settle_log(self) -> None:
        """After the last commit."""
        with contextlib.suppress(Unavailable):  # the vault is sealed or gone: then its mark lies a batch behind
            self.log.settle()

    def _open_log(self) -> None:
        with self.store.engine.begin() as conn:
            self.log.open(conn, asyncio.get_running_loop())

    # -- workers -------------------------------------------------------------------------------------------------------

    def bell(self) -> asyncio.Event:
        """An event that is set after every commit that wrote facts."""
        event, loop = asyncio.Event(), asyncio.get_running_loop()

        def ring() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the node stops
                loop.call_soon_threadsafe(event.set)

        self.store.after_commit.append(ring)
        self._bells.append(event)
        return event

    def spawn(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a worker for the node's life; one that fails is started again, loudly."""

        async def run() -> None:
            while True:
                try:
                    await work()
                    return
                except Exception:
                    _log.exception("worker %s failed; starting it again", name)
                    await asyncio.sleep(1)

        self._tasks.append(asyncio.create_task(run(), name=name))

    async def _cancel_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- acts that need the vault --------------------------------------------------------------------------------------

    async def _deposit(self, actor: Actor, account: AccountId, secret: Secret) -> int:
        """Seal a custodian's secret, then store it. The step checks who may, and that nobody was faster."""
        version = await self.store.read(rotate.next_version, account)
        id = CredentialId(f"crd_{secrets.token_hex(10)}")
        sealed = await asyncio.to_thread(self.vault.client.store, account, id, version, secret)
        stored: Credential = (await self.store.run(actor, rotate.deposit, account, id, version, sealed)).value
        return stored.version

    async def _roster_adopted(self) -> None:
        versions = await self.store.read(rosters.versions)
        await asyncio.to_thread(self.vault.client.load_roster, versions)

    def ssh_at(self) -> tuple[str, int]:
        """Where people's `ssh` goes to."""
        return self.settings.ssh_host, self.door.port if self.door else self.settings.ssh_port

    async def _terminal(self, caller: Caller, login: Login, size: tuple[int, int], socket: Socket) -> None:
        await self.terminals.run(caller, login, size, socket)

    def _say_where(self) -> None:
        """`run/node.json`: where the doors are, for commands on this machine."""
        assert self.door is not None  # noqa: S101 (both were just started)
        assert self.api is not None  # noqa: S101
        where = {
            "pid": os.getpid(),
            "api": f"http://{self.settings.api_host}:{self.api.port}",
            "ssh_host": self.settings.ssh_host,
            "ssh_port": self.door.port,
            "deployment": self.settings.deployment,
        }
        new = self.home.node_file.with_suffix(".new")
        new.write_text(json.dumps(where) + "\n")
        new.replace(self.home.node_file)
        self._undo.callback(self.home.node_file.unlink, missing_ok=True)


@contextlib.contextmanager
def _alone(home: Home) -> Any:
    """One node a data folder. Raises `Unavailable` when another one runs there."""
    with (home.path / "run" / "node.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                f"A node already runs on {home.path}.", what_to_do="Use that one, or stop it first."
            ) from None
        yield


def _host_key(path: Path) -> asyncssh.SSHKey:
    """The door's own key, made at the first start."""
    if not path.exists():
        key = asyncssh.generate_private_key("ssh-ed25519")
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key.export_private_key())
    key = asyncssh.read_private_key(path)
    path.with_suffix(".pub").write_bytes(key.export_public_key())
    return key


def _anchors(settings: Settings, places: Sequence[Sink]) -> tuple[ExpectedAnchor, ...]:
    """Where this node's settings have the log's checkpoints go, for people to see."""
    found = [ExpectedAnchor(kind=copies.kind_of(one.name), name=one.name, every=one.every) for one in places]
    if settings.tsa:
        host = urlsplit(settings.tsa).hostname
        found.append(ExpectedAnchor(kind=RFC3161, name=f"timestamp authority {host}", every=timestamping.EVERY))
    return tuple(found)
