"""A small world for the rotation engine: the real store and steps, and a target, vault and network that fail by script.

    World ─ Store (SQLite) ─ Engine ─ ModelTarget: one password, replies that come late, are lost, refused; locks out
                                    ─ Vault: seals by writing "sealed:" in front; may be sealed, may give damaged blobs

`Script` decides at every point what happens; when it has run out, everything goes well.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Any

from sqlalchemy import event

from breakglass import faults
from breakglass.errors import OutcomeUnknown, Sealed, Tampered, TargetDown
from breakglass.flow import rotate
from breakglass.flow.consequences import CONSEQUENCES
from breakglass.model import credential as credentials
from breakglass.model.credential import Credential
from breakglass.model.ids import CredentialId, RotationId, UserId
from breakglass.model.people import SYSTEM, Actor, Role
from breakglass.model.rotation import Because, Rotation, State
from breakglass.model.secret import Secret
from breakglass.model.target import Account, AccountId, Endpoint, Protocol, TargetId
from breakglass.plugin_api.rotator import Admission, ChangeRefused, CurrentRefused, Helper, Place, Remainder
from breakglass.rotation.engine import Engine
from breakglass.storage.store import Store
from breakglass.storage.tables import META
from breakglass.storage.work import Read, Stamped, Work
from breakglass.vault.asking import Deposited

CUSTODIAN = Actor(id=UserId("usr_carol"), roles=frozenset({Role.CUSTODIAN}))
LIFE = timedelta(seconds=55)
"""How long a request may be under way before it takes effect, or never does."""
_SEAL = b"sealed:"


class Crash(BaseException):
    """The engine's process dies here."""


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return monotonic()


class Tally:
    """A log that only counts, and remembers the kinds about each thing."""

    def __init__(self) -> None:
        self.size = 0
        self.facts: list[Stamped] = []

    def lock(self, conn: Any) -> None:
        pass

    def follow(self, conn: Any) -> None:
        pass

    def append(self, conn: Any, stamped: Sequence[Stamped]) -> int:
        self.facts += stamped
        self.size += len(stamped)
        return self.size

    def latest(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC)

    def committed(self, size: int) -> None:
        pass

    def kinds(self, about: str) -> list[str]:
        return [one.fact.kind for one in self.facts if one.fact.about == about]


@dataclass
class Script:
    """Numbers that decide. Small ones let it go well, so that a failing script shrinks to its cause."""

    numbers: Sequence[int] = ()
    only: Collection[str] = ()
    """Points at which there is trouble; empty: at all of them."""
    place: int = 0
    log: list[str] = field(default_factory=list)

    def choose(self, point: str, *trouble: str) -> str:
        """ "" or one of these troubles."""
        if self.place >= len(self.numbers) or (self.only and point not in self.only):
            return ""
        number = self.numbers[self.place]
        self.place += 1
        chosen = trouble[number - CALM] if CALM <= number < CALM + len(trouble) else ""
        self.log.append(f"{point} {chosen or '.'}")
        return chosen


CALM = 10
WILD = 20


@dataclass
class ModelTarget:
    """One account on a target. Keeps the rotator's contract, in all its ways."""

    script: Script
    clock: Clock
    password: bytes
    stored: Callable[[], set[bytes]]
    rotation: Callable[[], Rotation]
    tries: int = 5
    within: timedelta = timedelta(minutes=15)
    refused: int = 0
    refused_at: datetime | None = None
    locked: bool = False
    under_way: list[tuple[int, datetime, bytes]] = field(default_factory=list)
    inside: int = 0
    calls: list[str] = field(default_factory=list)
    fences: list[int] = field(default_factory=list)
    left: Sequence[Remainder] = ()
    name: str = "model"
    asleep: bool = False
    tells: bool = True
    """Whether a disabled account is told from a wrong password."""
    later: list[tuple[datetime, bool]] = field(default_factory=list)
    """When which requests to enable or disable will have taken effect."""

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        async with self._alone("change"):
            assert new.reveal() in self.stored(), "a secret was sent that is not stored"
            rotation = self.rotation()
            assert rotation.state is State.APPLYING, "an act without its durable mark"
            self.fences.append(rotation.fence)
            match self.script.choose("change", "down", "lost", "dropped", "late", "no", "odd", "crash", "crash-done"):
                case "down":
                    raise TargetDown("down", what_to_do="")
                case "crash":
                    raise Crash
                case "odd":
                    raise ValueError(new.reveal())
                case trouble:
                    if not self._signs_in(current) and not self._signs_in(new):
                        raise CurrentRefused("not this one", what_to_do="")
                    self._take(trouble, new.reveal())

    def _take(self, trouble: str, new: bytes) -> None:
        match trouble:
            case "no":
                raise ChangeRefused("too short", what_to_do="")
            case "dropped":
                raise OutcomeUnknown("no answer", what_to_do="")
            case "late":
                self.under_way.append((1 + self.script.place % 4, self.clock.at + LIFE, new))
                raise OutcomeUnknown("no answer", what_to_do="")
        self.password = new
        if trouble == "lost":
            raise OutcomeUnknown("no answer", what_to_do="")
        if trouble == "crash-done":
            raise Crash

    async def works(self, place: Place, secret: Secret) -> bool:
        async with self._alone("works"):
            match self.script.choose("works", "down", "unknown", "crash"):
                case "down":
                    raise TargetDown("down", what_to_do="")
                case "unknown":
                    self._signs_in(secret)
                    raise OutcomeUnknown("no answer", what_to_do="")
                case "crash":
                    self._signs_in(secret)
                    raise Crash
            return self._signs_in(secret)

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Remainder]:
        async with self._alone("end_remains"):
            match self.script.choose("end_remains", "down", "left", "crash"):
                case "down":
                    raise TargetDown("down", what_to_do="")
                case "left":
                    return [Remainder(kind="process", what="sleep (pid 7)")]
                case "crash":
                    raise Crash
            assert self._signs_in(secret)
            return self.left

    async def enable(self, place: Place, helper: Helper) -> None:
        await self._put(helper, "enable", asleep=False)

    async def disable(self, place: Place, helper: Helper) -> None:
        await self._put(helper, "disable", asleep=True)

    async def _put(self, helper: Helper, call: str, *, asleep: bool) -> None:
        async with self._alone(call):
            trouble = self.script.choose(call, "down", "lost", "dropped", "late", "no", "odd", "crash", "crash-done")
            self._helps(helper, trouble)
            if trouble == "late":
                self.later.append((self.clock.at + LIFE, asleep))
                raise OutcomeUnknown("no answer", what_to_do="")
            if trouble != "dropped":
                self.asleep = asleep
            if trouble == "crash-done":
                raise Crash
            if trouble in ("lost", "dropped"):
                raise OutcomeUnknown("no answer", what_to_do="")

    def _helps(self, helper: Helper, trouble: str) -> None:
        match trouble:
            case "down":
                raise TargetDown("down", what_to_do="")
            case "crash":
                raise Crash
            case "odd":
                raise ValueError(helper.secret.reveal())
            case "no":
                raise ChangeRefused("may not", what_to_do="")
        if helper.secret.reveal() != b"helper":
            raise CurrentRefused("not this one", what_to_do="")

    async def enabled(self, place: Place, helper: Helper) -> bool:
        async with self._alone("enabled"):
            self._helps(helper, self.script.choose("enabled", "down", "crash"))
            return not self.asleep

    async def admits(self, place: Place, secret: Secret) -> Admission:
        async with self._alone("admits"):
            if self.script.choose("admits", "unknown") == "unknown":
                raise OutcomeUnknown("no answer", what_to_do="")
            if not self.asleep:
                return Admission.IN if self._signs_in(secret) else Admission.REFUSED
            return Admission.SHUT if self.tells and secret.reveal() == self.password else Admission.REFUSED

    async def reset(self, place: Place, helper: Helper, new: Secret) -> None:
        async with self._alone("reset"):
            assert new.reveal() in self.stored(), "a secret was sent that is not stored"
            rotation = self.rotation()
            assert rotation.state is State.APPLYING, "an act without its durable mark"
            self.fences.append(rotation.fence)
            trouble = self.script.choose("reset", "down", "lost", "dropped", "late", "no", "odd", "crash", "crash-done")
            self._helps(helper, trouble)
            self._take(trouble, new.reveal())

    def settle(self) -> None:
        """Requests that were under way for too long have taken effect."""
        for _, asleep in [one for one in self.later if self.clock.at >= one[0]]:
            self.asleep = asleep
        self.later = [one for one in self.later if self.clock.at < one[0]]
        for _, until, new in self.under_way:
            if self.clock.at >= until:
                self.password = new
        self.under_way = [one for one in self.under_way if self.clock.at < one[1]]

    def _signs_in(self, secret: Secret) -> bool:
        if self.refused_at and self.clock.at >= self.refused_at + self.within:
            self.refused = 0
        if self.asleep:
            if self.tells:
                raise OutcomeUnknown("it is disabled", what_to_do="")
            return False
        if secret.reveal() == self.password:
            self.refused = 0
            return True
        self.refused, self.refused_at = self.refused + 1, self.clock.at
        self.locked = self.locked or self.refused >= self.tries
        return False

    @asynccontextmanager
    async def _alone(self, call: str) -> AsyncIterator[None]:
        self.calls.append(call)
        assert self.inside == 0, "two act on the target at once"
        self.inside += 1
        try:
            await asyncio.sleep(0)
            later = [(left - 1, until, new) for left, until, new in self.under_way]
            self.under_way = [one for one in later if one[0] > 0]
            for _, _, new in [one for one in later if one[0] <= 0]:
                self.password = new
            yield
        finally:
            self.inside -= 1


class FakeVault:
    """The vault's client and `Releases`, without a vault."""

    def __init__(self, store: Any, script: Script) -> None:
        self.store, self.script = store, script
        self.given: list[Secret] = []

    async def must_be_open(self) -> None:
        match self.script.choose("open", "sealed", "refused"):
            case "sealed":
                raise Sealed("sealed", what_to_do="")
            case "refused":
                raise Tampered("the log is cut", what_to_do="")

    def mint(self, account: str, credential: str, version: int, /) -> bytes:
        match self.script.choose("mint", "sealed", "damaged"):
            case "sealed":
                raise Sealed("sealed", what_to_do="")
            case "damaged":
                return b"damaged"
        return _SEAL + secrets.token_hex(8).encode()

    def check(self, account: str, deposited: Deposited, /) -> None:
        if self.script.choose("check", "sealed") == "sealed":
            raise Sealed("sealed", what_to_do="")
        if not deposited.blob.startswith(_SEAL):
            raise Tampered("damaged", what_to_do="")

    async def tell(self, about: str, actor: Actor, step: Any, /, *args: Any) -> Any:
        done = await self.store.run(actor, step, *args)
        return SimpleNamespace(value=done.value, proven=None)

    @asynccontextmanager
    async def rotation(
        self,
        rotation: str,
        account: Account,
        endpoint: Endpoint,
        wanted: Sequence[Credential],
        purpose: str,
        proven: Any,
        /,
    ) -> AsyncIterator[Sequence[Secret]]:
        match self.script.choose("release", "sealed", "crash"):
            case "sealed":
                raise Sealed("sealed", what_to_do="")
            case "crash":
                raise Crash
        opened = [Secret(one.sealed.removeprefix(_SEAL)) for one in wanted]
        self.given += opened
        try:
            yield opened
        finally:
            for one in opened:
                one.wipe()

    @asynccontextmanager
    async def help(
        self, account: AccountId, endpoint: Endpoint, credential: Credential, proven: Any, /
    ) -> AsyncIterator[Secret]:
        match self.script.choose("help", "sealed", "crash"):
            case "sealed":
                raise Sealed("sealed", what_to_do="")
            case "crash":
                raise Crash
        secret = Secret(credential.sealed.removeprefix(_SEAL))
        self.given.append(secret)
        with secret:
            yield secret


class DyingStore:
    """The store as an engine sees it that may die before a step, or after it and before it learns what became of it."""

    def __init__(self, store: Store, script: Script) -> None:
        self._store, self._script = store, script
        self.clock = store.clock

    def now(self) -> datetime:
        return self._store.now()

    async def run(self, actor: Actor, step: Any, *args: Any, **kwargs: Any) -> Any:
        if self._script.choose(f"before {step.__name__}", "crash"):
            raise Crash
        done = await self._store.run(actor, step, *args, **kwargs)
        if self._script.choose(f"after {step.__name__}", "crash"):
            raise Crash
        return done

    async def read(self, query: Any, *args: Any) -> Any:
        return await self._store.read(query, *args)


class Net:
    """A dial that connects to nothing, or finds nobody."""

    def __init__(self, script: Script) -> None:
        self.script = script

    async def create_connection(self, factory: Any, host: str, port: int, **options: Any) -> Any:
        if self.script.choose("dial", "down"):
            raise ConnectionRefusedError
        return SimpleNamespace(close=lambda: None), None


class World:
    """One store for many rotations: each `Case` has an account of its own."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.log = Clock(), Tally()
        self.store = Store(f"sqlite:///{folder}/world.db", self.log, CONSEQUENCES, self.clock)

        @event.listens_for(self.store.engine, "connect")
        def _quick(dbapi: Any, _record: Any) -> None:
            dbapi.execute("PRAGMA synchronous=OFF")  # what is tested is order, not the disk
            dbapi.execute("PRAGMA foreign_keys=OFF")  # a session of these tests has no grant behind it

        META.create_all(self.store.engine)
        self.store.start()
        self.cases = 0

    def case(self, numbers: Sequence[int] = (), only: Collection[str] = (), **options: Any) -> "Case":
        self.cases += 1
        return Case(self, AccountId(f"acc_{self.cases}"), Script(numbers, only), **options)


class Case:
    """One account on one target, with a credential that works there, and one rotation that is owed."""

    def __init__(
        self,
        world: World,
        account: AccountId,
        script: Script,
        *,
        because: Because = Because.LOGIN,
        lockout: str = "",
        dormant: bool = False,
        helped: bool = False,
    ) -> None:
        self.world, self.script, self.because = world, script, because
        self.grant = f"grt_{account[4:]}"
        options = {"lockout": lockout} if lockout else {}
        self.account = Account(
            id=account,
            name="root",
            target=TargetId("tgt_db1"),
            username="root",
            justification="it is needed",
            scenario="everything is down",
            policy="pol_two",
            rotator="model",
            rotator_options=options,
            dormant=dormant,
            helper=AccountId(f"{account}-helper") if dormant or helped else None,
        )
        self.helper = replace(
            self.account, id=AccountId(f"{account}-helper"), username="helper", dormant=False, helper=None
        )
        self.endpoint = Endpoint(protocol=Protocol.SSH, host="127.0.0.1", port=22, host_key="ssh-ed25519 AAAA")
        self.target = ModelTarget(script, world.clock, b"first", self.stored, self.rotation)
        if lockout:
            tries, seconds = lockout.split("/")
            self.target.tries, self.target.within = int(tries), timedelta(seconds=int(seconds))
        self.deposit("first")
        if self.account.helper:
            self.deposit("helper", self.helper.id)
        self.id = self.look(lambda look: look.find(Rotation, account=self.account.id)[0].id)
        if because is not Because.DEPOSIT:
            self._instead(because)
        self.engine = self.new_engine()

    def _instead(self, because: Because) -> None:
        """Let the rotation be owed for another reason than the deposit."""
        found = self.rotation()

        def step(work: Work) -> None:
            work.conn.exec_driver_sql(
                'UPDATE rotation SET because = ?, "grant" = ? WHERE id = ?', (because.value, self.grant, found.id)
            )

        self.world.store.submit(SYSTEM, step).result(10)

    def new_engine(self) -> Engine:
        store: Any = DyingStore(self.world.store, self.script)
        estate: Any = SimpleNamespace(
            roster=SimpleNamespace(
                account=lambda id: self.helper if id == self.helper.id else self.account,
                endpoint_of=lambda account: self.endpoint,
            )
        )
        self.vault = FakeVault(store, self.script)
        net: Any = Net(self.script)
        return Engine(store, estate, self.vault, self.vault, {"model": self.target}, net)

    def look(self, query: Callable[[Read], Any]) -> Any:
        return self.world.store.look(query)

    def deposit(self, secret: str, account: AccountId | None = None) -> None:
        """A custodian stores what is set on the target."""
        account = account or self.account.id
        version = self.world.store.look(rotate.next_version, account)
        id = CredentialId(f"crd_{secrets.token_hex(10)}")
        sealed = _SEAL + secret.encode()
        self.world.store.submit(CUSTODIAN, rotate.deposit, account, id, version, sealed).result(10)

    def rotation(self) -> Rotation:
        found: Rotation = self.look(lambda look: look.get(Rotation, self.id))
        return found

    def credentials(self) -> Sequence[Credential]:
        found: Sequence[Credential] = self.look(lambda look: look.find(Credential, account=self.account.id))
        return found

    def stored(self) -> set[bytes]:
        return {one.sealed.removeprefix(_SEAL) for one in self.credentials()}

    def current(self) -> bytes:
        [one] = [one for one in self.credentials() if one.state is credentials.State.CURRENT]
        return one.sealed.removeprefix(_SEAL)

    async def turn(self) -> None:
        """One turn; a crash makes another engine, which knows nothing."""
        try:
            await self.engine.run_one(RotationId(self.id))
        except Crash:
            self.engine = self.new_engine()

    def wait(self) -> None:
        """Time passes until somebody may go on."""
        rotation = self.rotation()
        self.world.clock.at = max(self.world.clock.at, rotation.next_at, rotation.leased_until or rotation.next_at)
        self.target.settle()


@contextmanager
def points_that_kill(script: Script) -> Iterator[None]:
    """Let the script decide at each named crash point, too."""
    real = faults.reach

    def reach(point: str) -> None:
        if point.startswith(("rotation.", "account.")) and script.choose(point, "crash"):
            raise Crash

    faults.reach = reach
    try:
        yield
    finally:
        faults.reach = real
