"""A small deployment for tests: people with keys, a founded roster, a real store, the real vault in-process.

    async with Town.found(tmp_path) as town:
        request = await town.ask("alice", "db1")
        await town.approve(request, "bo"), await town.approve(request, "dana")
        grant = await town.grant(request)

Everything is what a node uses, but that the vault runs in this process (no socket) and the clock goes as told. Nothing
reaches a target: sessions and rotations are put down by the steps that the gateway and the engine use.
"""

import secrets
from asyncio import to_thread
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from time import monotonic
from types import MappingProxyType
from typing import Any, Self, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sqlalchemy import select

from breakglass.app import duties
from breakglass.app.fellows import Fellows
from breakglass.audit import evidence
from breakglass.audit.log import Behind, Log
from breakglass.audit.verify import verify
from breakglass.codec import sshsig, sshwire
from breakglass.config import Settings
from breakglass.flow import approve, ask, close, connect, keep, review, rotate
from breakglass.flow import estate as estates
from breakglass.flow import roster as roster_flow
from breakglass.flow.consequences import CONSEQUENCES
from breakglass.flow.estate import Estate
from breakglass.http.services import Services
from breakglass.identity import sign_in
from breakglass.model import recording as recordings
from breakglass.model.credential import Credential
from breakglass.model.grant import Grant
from breakglass.model.ids import CredentialId, GrantId, RecordingId, RequestId, SessionId
from breakglass.model.people import SYSTEM, Actor
from breakglass.model.request import AccessRequest
from breakglass.model.rotation import Rotation, State
from breakglass.model.secret import Secret
from breakglass.model.session import Session
from breakglass.model.target import AccountId
from breakglass.storage import migrate, rosters
from breakglass.storage.engine import open_engine
from breakglass.storage.outbox import told
from breakglass.storage.store import Store
from breakglass.storage.tables import META
from breakglass.trust import drafting
from breakglass.trust.chain import Version, next_line, subject
from breakglass.trust.roster import Roster, parse
from breakglass.trust.statement import NAMESPACE, Kind, Signed, Statement
from breakglass.trust.tree import EMPTY_ROOT
from breakglass.vault.client import VaultClient
from breakglass.vault.core import Vault
from breakglass.vault.line import Behind as VaultBehind
from breakglass.vault.making import make
from tests.authenticator import Passkey

START = datetime(2026, 11, 23, 21, 0, 30, tzinfo=UTC)
FOUNDED = START - timedelta(days=30)
DEPLOYMENT, ORIGIN = "dep_kit", "kit.example.test"
ACCOUNT = AccountId("acc_db1-root")
CONDITION = "cnd_idp-down"
PASSWORD = "Correct-Horse-Battery-9"

# login -> roles, groups
PEOPLE: Mapping[str, tuple[list[str], list[str]]] = {
    "alice": (["requester"], []),
    "bo": (["approver", "requester"], ["responders"]),
    "dana": (["approver"], ["responders", "security"]),
    "eve": (["approver"], ["security"]),
    "carol": (["custodian"], ["custodians"]),
    "cem": (["custodian"], ["custodians"]),
    "ivy": (["auditor"], []),
    "olga": (["auditor", "approver"], ["security"]),
    "adam": (["administrator"], []),
}


class Clock:
    """Stands still until it is told to go."""

    def __init__(self, at: datetime = START) -> None:
        self.at, self.gone = at, 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return monotonic() + self.gone

    def go(self, **by: float) -> None:
        self.at += timedelta(**by)
        self.gone += max(0.0, timedelta(**by).total_seconds())


class Signer:
    """The vault as the log sees it."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def sign(self, base: int, hashes: Sequence[bytes], frontier: bytes) -> bytes:
        try:
            return self._vault.sign(base, hashes, frontier)
        except VaultBehind as behind:
            raise Behind(behind.mark) from None

    def catch_up(self, size: int, frontier: bytes, proof: Sequence[bytes]) -> None:
        self._vault.catch_up(size, frontier, proof)

    def confirm(self, checkpoint: bytes) -> bool:
        return self._vault.confirm(checkpoint)


@dataclass(frozen=True)
class Person:
    login: str
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def id(self) -> str:
        return f"usr_{self.login}"

    @property
    def blob(self) -> bytes:
        return sshwire.ed25519_blob(self.private.public_key())

    @property
    def public(self) -> str:
        """OpenSSH's line, without a comment."""
        return f"ssh-ed25519 {b64encode(self.blob).decode()}"

    @property
    def key(self) -> str:
        """The fingerprint."""
        return sshwire.fingerprint(self.blob)

    def sign(self, text: str, namespace: str = NAMESPACE) -> str:
        return sshsig.sign_ed25519(self.private, text.encode(), namespace)

    def signed(self, text: str) -> Signed:
        return Signed(text, self.sign(text))

    def write_key(self, folder: Path) -> Path:
        """The private key as a file for stock `ssh` and `ssh-keygen`, with its `.pub` beside it."""
        path = folder / self.login
        path.write_bytes(self.private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        path.chmod(0o600)
        path.with_suffix(".pub").write_text(f"{self.public} {self.login}\n")
        return path


def estate(people: Mapping[str, Person], passkeys: Mapping[str, Passkey] = MappingProxyType({})) -> dict[str, Any]:
    """As `estate.yaml` would say it: two targets, three accounts, one policy. `passkeys`: beside the SSH key."""
    host_key = Person("host").public

    def account(name: str, target: str) -> dict[str, Any]:
        return {
            "name": name,
            "target": target,
            "username": name,
            "justification": "The directory can be down while this must run.",
            "scenario": "Every administrator is locked out.",
            "policy": "pol_dual",
            "rotator": "linux-password",
        }

    def target(name: str, environment: str, port: int) -> dict[str, Any]:
        return {
            "name": name,
            "domain": "dom_main",
            "environment": environment,
            "host": f"{name}.example.test",
            "port": port,
            "host_key": host_key,
        }

    return {
        "changes": [{"group": "custodians", "count": 2}],
        "groups": ["custodians", "responders", "security"],
        "people": {
            one.id: {
                "login": one.login,
                "name": one.login.capitalize(),
                "department": "Operations",
                "roles": PEOPLE[one.login][0],
                "groups": PEOPLE[one.login][1],
                "keys": [
                    {"label": "kit", "public": one.public},
                    *([passkeys[one.login].entry()] if one.login in passkeys else []),
                ],
            }
            for one in people.values()
        },
        "domains": {"dom_main": {"name": "Main"}},
        "targets": {"tgt_db1": target("db1", "production", 22), "tgt_plc": target("plc", "plant", 2200)},
        "accounts": {
            ACCOUNT: account("root", "tgt_db1"),
            "acc_plc-root": account("root", "tgt_plc"),
            "acc_plc-ops": account("ops", "tgt_plc"),
        },
        "conditions": {CONDITION: {"title": "The directory is down", "playbook": "Call somebody first.\nThen ask."}},
        "policies": {
            "pol_dual": {
                "quorum": [{"group": "responders", "count": 1}, {"group": "security", "count": 1}],
                "max_seconds": 4 * 3600,
                "decide_seconds": 3600,
                "permissions": ["shell", "exec", "sftp"],
            }
        },
    }


def draw_up(roster: Roster, person: Person, kind: Kind, about: str, facts: dict[str, str], **other: Any) -> Statement:
    """A statement without a server: the log head is the empty one, unless `other` says more."""
    return Statement(
        **{
            "kind": kind,
            "deployment": roster.deployment,
            "subject": about,
            "person": person.id,
            "key": person.key,
            "roster_version": roster.version,
            "roster_hash": roster.hash,
            "log_size": 0,
            "log_root": b64encode(EMPTY_ROOT).decode(),
            "nonce": secrets.token_hex(16),
            "not_after": START + timedelta(days=3650),
            "facts": facts,
            **other,
        }
    )


def carried(roster: Roster, document: bytes, *signers: Person) -> Version:
    """A version of the roster with these people's signatures under `roster`, the one before (or itself, the first)."""
    after = parse(document)
    facts = {"next": next_line(after), "changes": "as told"}
    texts = [draw_up(roster, one, Kind.ROSTER, subject(after), facts).text() for one in signers]
    return Version(document, tuple(one.signed(text) for one, text in zip(signers, texts, strict=True)))


@cache
def empty_database() -> bytes:
    """A migrated database without a row, made once a process: that is half of a town's founding."""
    with TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/empty.db")
        migrate.upgrade(engine)
        engine.dispose()
        return (Path(folder) / "empty.db").read_bytes()


@dataclass
class Town:
    folder: Path
    people: dict[str, Person]
    shares: tuple[str, ...]
    settings: Settings
    clock: Clock
    vault: Vault
    log: Log
    store: Store
    estate: Estate
    database: str = ""

    @classmethod
    @asynccontextmanager
    async def found(
        cls,
        folder: Path,
        *,
        password: str = PASSWORD,
        database: str = "",
        passkeys: Mapping[str, Passkey] = MappingProxyType({}),
        change: Callable[[dict[str, Any]], object] | None = None,
    ) -> AsyncIterator[Self]:
        """Founded, unsealed, and with a credential for `ACCOUNT` unless `password` is empty. `database` is a migrated
        one; without it, there is a SQLite file. `passkeys`, by login, stand in the roster after the SSH keys;
        `change` has its way with the estate before it is signed."""
        people = {login: Person(login) for login in PEOPLE}
        clock = Clock()
        made = make(folder / "vault", DEPLOYMENT, ORIGIN, k=2, n=3)
        keys = {"log": made.public.log, "grant": made.public.grant, "recording": made.public.recording}
        wanted = estate(people, passkeys)
        if change:
            change(wanted)
        document = drafting.founding(wanted, deployment=DEPLOYMENT, origin=ORIGIN, keys=keys, at=FOUNDED)
        roster = parse(document)
        version = carried(roster, document, people["carol"], people["cem"])
        vault = Vault(folder / "vault", wall=clock)
        for share in made.shares[:2]:
            vault.unseal_share(Secret(share.encode()))
        vault.load_roster([version], roster.hash)
        log = Log(Signer(vault))
        settings = Settings(deployment=DEPLOYMENT, origin=ORIGIN, roster_pin=roster.hash, ssh_host="gate.example.test")
        if not database:
            (folder / "breakglass.db").write_bytes(empty_database())
        store = Store(database or f"sqlite:///{folder / 'breakglass.db'}", log, CONSEQUENCES, clock)
        with store.engine.begin() as conn:
            log.open(conn)
        store.start()
        try:
            await store.run(SYSTEM, roster_flow.found, roster, version)
            loaded = await store.read(estates.load, roster.hash)
            town = cls(folder, people, made.shares, settings, clock, vault, log, store, loaded, database)
            if password:
                for account in town.estate.roster.accounts.values():
                    await town.deposit(town.actor("carol"), account.id, Secret(password.encode()))
                await town.rotate()
            yield town
        finally:
            store.stop()

    @asynccontextmanager
    async def beside(self, folder: Path, node: str = "node2") -> AsyncIterator[Self]:
        """Another node of the same deployment, on the same database: its vault is made of a copy of this one's."""
        copytree(self.folder / "vault", folder / "vault")
        vault, clock = Vault(folder / "vault", wall=self.clock), self.clock
        for share in self.shares[:2]:
            vault.unseal_share(Secret(share.encode()))
        log = Log(Signer(vault))
        store = Store(self.database, log, CONSEQUENCES, clock, node)
        with store.engine.begin() as conn:
            log.open(conn)
        store.start()
        try:
            loaded = await store.read(estates.load, self.settings.roster_pin)
            vault.load_roster(await store.read(rosters.versions))
            yield replace(self, folder=folder, vault=vault, log=log, store=store, estate=loaded)
        finally:
            store.stop()

    def fellows(self) -> Fellows:
        return Fellows(self.store, self.log, cast(VaultClient, self.vault))

    # -- people -------------------------------------------------------------------------------------------------------
    def actor(self, login: str) -> Actor:
        """By their SSH key, or by their first where the estate holds another."""
        roster, one = self.estate.roster, self.people[login]
        known = roster.people[one.id]
        key = one.key if known.key(one.key) else known.keys[0].fingerprint
        return roster.actor(login, key, self.store.now())

    async def do(self, login: str, step: Any, *args: Any, **kwargs: Any) -> Any:
        return (await self.store.run(self.actor(login), step, *args, **kwargs)).value

    async def system(self, step: Any, *args: Any, **kwargs: Any) -> Any:
        return (await self.store.run(SYSTEM, step, *args, **kwargs)).value

    def signed_sign_in(self, login: str, text: str) -> str:
        return self.people[login].sign(text, sign_in.NAMESPACE)

    # -- the story ----------------------------------------------------------------------------------------------------
    async def ask(self, login: str = "alice", target: str = "db1", **changed: Any) -> RequestId:
        id = RequestId(keep.new_id("req"))
        wanted = {
            "target": target,
            "account": None,
            "condition": CONDITION,
            "reason": "Sign-in is down.",
            "access_for": timedelta(minutes=30),
            **changed,
        }
        await self.do(login, ask.ask, self.estate.roster, id, **wanted)
        return id

    async def statement(self, login: str, request: str, kind: Kind = Kind.APPROVE, reason: str = "") -> str:
        offered: Statement = await self.do(login, approve.offer, self.estate.chain, request, kind, reason)
        return offered.text()

    async def approve(self, request: str, login: str) -> AccessRequest:
        text = await self.statement(login, request)
        signature = self.people[login].sign(text)
        return cast(AccessRequest, await self.do(login, approve.approve, self.estate.chain, request, signature))

    async def grant(self, request: str) -> GrantId:
        """The duty that follows the quorum: the vault opens the grant."""
        index = await self.store.read(evidence.entry_of, "request.approved", request)
        assert index is not None
        grant = duties.handlers(self.store, self.log, self.estate, cast(VaultClient, self.vault))["grant"]
        await grant(await self.store.read(told, index))
        [found] = await self.store.read(lambda look: look.find(Grant, request=request))
        return found.id

    async def granted(self, login: str = "alice", target: str = "db1", **changed: Any) -> tuple[RequestId, GrantId]:
        request = await self.ask(login, target, **changed)
        await self.approve(request, "bo" if login != "bo" else "dana")
        await self.approve(request, "dana" if login != "bo" else "eve")
        return request, await self.grant(request)

    async def session(self, login: str = "alice", account: str = ACCOUNT) -> SessionId:
        """A session that runs, as the gateway puts it down; nothing is connected."""
        id, recording = SessionId(keep.new_id("ses")), RecordingId(keep.new_id("rec"))
        found = self.estate.roster.account(account)
        where = {"session": id, "recording": recording, "node": self.store.node, "from_address": "192.0.2.7"}
        await self.do(login, connect.begin, found, **where)
        await self.system(connect.started, found, id)
        return id

    async def end_session(self, id: SessionId, why: str = "its person left") -> None:
        found = await self.store.read(lambda look: look.get(Session, id))
        state = recordings.State.COMPLETE
        await self.system(keep.session_over, id, found.recording, state, 3, "ab" * 32, 4096, why)

    async def close(self, grant: GrantId, login: str = "alice") -> None:
        await self.do(login, close.close, grant)

    async def rotate(self) -> list[Rotation]:
        """Every rotation that is owed, done, as the engine puts it down."""
        while True:
            due = await self.store.read(rotate.due)
            held = [one for one in [await self.system(rotate.claim, owed.id) for owed in due] if one is not None]
            if not held:
                return await self.store.read(lambda look: list(look.find(Rotation)))
            for one in held:
                await self._rotate(one)

    async def _rotate(self, held: Rotation) -> None:
        version = await self.store.read(rotate.next_version, held.account)
        id = CredentialId(keep.new_id("crd"))
        sealed = self.vault.mint(held.account, id, version)
        held = await self.system(rotate.stage, held, id, version, sealed)
        for state in (State.APPLYING, State.APPLIED, State.VERIFIED):
            held = await self.system(rotate.move, held, state)
        await self.system(rotate.finish, held, "")

    async def replay(self, actor: Actor, session: SessionId, signature: str, text: str | None) -> bytes:
        """A replay without a container: the steps, and an empty recording."""
        await self.store.run(actor, review.replay, self.estate.chain, session, signature, text)
        await self.store.run(actor, review.replayed, session)
        return b'{"version": 3}\n'

    async def deposit(self, actor: Actor, account: AccountId, secret: Secret) -> int:
        version = await self.store.read(rotate.next_version, account)
        id = CredentialId(keep.new_id("crd"))
        sealed = self.vault.store(account, id, version, secret)
        stored: Credential = (await self.store.run(actor, rotate.deposit, account, id, version, sealed)).value
        return stored.version

    async def stored(self) -> bytes:
        """Every byte that the database holds: the files, or, where they are a server's, all rows."""
        if not self.store.shared:
            return b"".join(path.read_bytes() for path in sorted(self.folder.glob("breakglass.db*")))
        rows = await self.store.read(
            lambda look: [row for table in META.sorted_tables for row in look.conn.execute(select(table))]
        )
        return "\n".join(str(value) for row in rows for value in row).encode()

    async def verify(self) -> None:
        """The whole log holds, and is signed to its end."""
        url = self.database or f"sqlite:///{self.folder / 'breakglass.db'}"
        report = await to_thread(verify, url, pin=self.settings.roster_pin)
        assert report.ok, report.findings
        assert report.window.signed == report.window.entries

    # -- for the front doors ------------------------------------------------------------------------------------------
    def services(self) -> Services:
        async def adopted() -> None:
            self.vault.load_roster([_version(self)])

        async def verify() -> dict[str, object]:
            return {"ok": True, "entries": self.log.size}

        async def witnessed(_size: int) -> None:
            return None

        return Services(
            store=self.store,
            estate=self.estate,
            vault=cast(VaultClient, self.vault),
            settings=self.settings,
            replay=self.replay,
            deposit=self.deposit,
            roster_adopted=adopted,
            verify_log=verify,
            witnessed=witnessed,
        )


def _version(town: Town) -> Version:
    return town.store.look(rosters.versions, since=town.estate.roster.version)[0]
