"""Passwords and shares appear nowhere but in the vault, on the target and with their people: after every step of a
deployment's life, on both databases. Every search first finds a planted control.

Searched: the data folder, the database server's files, temporary files, exports, bundles, backups and kits, the node's
log, arguments and environments of all processes, every answer of API, pages and command line.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

import httpx
import pytest

from breakglass.http.asking import COOKIE
from tests.deployment import Deployment
from tests.servers.postgres import Postgres
from tests.servers.sshd import make_account, running_sshd
from tests.spying_rotator import SPY_FILE
from tests.test_kit import WithKit

pytestmark = pytest.mark.server
CONTROL = "planted-control-7f3a91c2"
PAGES = (
    "/", "/requests", "/sessions", "/audit", "/reviews", "/rotations", "/accounts", "/vault", "/kits", "/people", "/me",
)  # fmt: skip


def forms(secret: bytes) -> set[bytes]:
    """The secret as it could stand somewhere: plain, escaped, in base64 at any of the three offsets, in hex."""
    found = {secret, secret.hex().encode(), json.dumps(secret.decode())[1:-1].encode()}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret)
        found.add(encoded[(offset * 8 + 5) // 6 : len(secret) * 8 // 6])
    return found


def family(world: Deployment) -> list[int]:
    """The node and its children (the vault)."""
    assert world.node is not None
    found = [world.node.pid]
    for pid in found:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        found += [int(child) for child in children.split()]
    assert len(found) > 1, "the vault's process was not found"
    return found


class Search:
    """What was said so far, and where everything else lies."""

    def __init__(self, world: Deployment, out: Path, temporary: Path, spied: Path, server: Postgres | None) -> None:
        self.world, self.out, self.temporary, self.spied, self.server = world, out, temporary, spied, server
        self.answers: list[bytes] = []
        self.steps: list[str] = []
        self.shares = list(world.shares)

    def secrets(self) -> list[bytes]:
        """Every password so far, and of each share a row of its words: what stands on a screen or in a file."""
        rows = [" ".join(share.split()[at : at + 6]).encode() for share in self.shares for at in (4, 12, 20)]
        return [self.world.account.password.reveal(), *self.spied.read_bytes().split(), *rows]

    def places(self) -> Iterator[tuple[str, bytes]]:
        """Everything that is not the vault's memory."""
        for folder in (self.world.home.path, self.out, self.temporary):
            yield from files(folder)
        if self.server is not None:
            yield from files(self.server.folder)
        yield "the node's log", self.world.log.read_bytes()
        for pid in family(self.world):
            for name in ("cmdline", "environ"):
                yield f"/proc/{pid}/{name}", Path(f"/proc/{pid}/{name}").read_bytes()
        yield "an answer", b"\0".join(self.answers)

    def hits(self, *secrets: bytes) -> list[str]:
        wanted = {form for secret in secrets for form in forms(secret)}
        return [name for name, data in self.places() if any(form in data for form in wanted)]

    async def nothing(self, step: str) -> None:
        """After a step of a deployment's life."""
        self.steps.append(step)
        assert not self.hits(*self.secrets()), step


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        try:
            if path.is_file():
                yield str(path), path.read_bytes()
        except FileNotFoundError:  # a file of a moment
            pass


@asynccontextmanager
async def searched(tmp_path: Path, database: str, server: Postgres | None) -> AsyncIterator[Search]:
    out, temporary, spied = tmp_path / "out", tmp_path / "temporary", tmp_path / "spied"
    for folder in (out, temporary):
        folder.mkdir()
    spied.touch()
    async with running_sshd(tmp_path / "sshd") as sshd:
        with make_account(sudo=True) as account:
            world = WithKit(tmp_path, sshd, account, database=database)
            await world.found(plugins=("tests.spying_rotator",))
            more = {SPY_FILE: str(spied), "PYTHONPATH": str(Path.cwd()), "TMPDIR": str(temporary)}
            await world.start(**more)
            try:
                search = Search(world, out, temporary, spied, server)
                await world.sign_in()
                for person in world.people.values():
                    listen(person, search.answers)
                yield search
            finally:
                await world.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_secrets_appear_nowhere(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    server: Postgres | None = None
    there = nullcontext("")
    if kind == "postgresql":
        server = request.getfixturevalue("postgres")
        there = server.database(like=request.getfixturevalue("migrated"))  # type: ignore[assignment]
    with there as url:
        async with searched(tmp_path, url, server) as search:
            planted(search, url)
            await live(search)
            assert len(search.secrets()) >= 9 + 5, "the story set too few passwords to search for"


def planted(search: Search, url: str) -> None:
    """What is there is found, in each kind of place."""
    control = CONTROL.encode()
    for folder in (search.world.home.path, search.out, search.temporary):
        (folder / "planted").write_bytes(base64.b64encode(b"." + control))
        assert search.hits(control) == [str(folder / "planted")]
        (folder / "planted").unlink()
    search.answers.append(control)
    assert search.hits(control) == ["an answer"]
    search.answers.clear()
    if search.server is not None:
        with search.server.admin(url) as admin:
            admin.execute(f"CREATE TABLE planted AS SELECT '{CONTROL}' AS text".encode())
            admin.execute(b"CHECKPOINT")
        found = search.hits(control)
        assert any("/base/" in name for name in found), found
        assert any("/pg_wal/" in name for name in found), found


async def live(search: Search) -> None:
    """One step of a deployment's life after the other."""
    world, carol = search.world, search.world.carol

    async def step(name: str, act: Callable[[], Awaitable[object]]) -> None:
        await act()
        await look_around(search)
        await search.nothing(name)

    async def run(login: str, *words: str, code: int = 0) -> None:
        ran = await world.cli(*words, login=login)
        search.answers += [ran.out.encode(), ran.err.encode()]
        assert ran.code == code, (words, ran.err)

    async def refused_store() -> None:
        """A password that is sent where none may be stored is in no refusal."""
        bad = {"secret": world.account.password.reveal().decode(), "odd": 1}
        with pytest.raises(Exception, match="not permitted"):
            await carol.call("PUT", f"/api/accounts/{account}/credential", bad)

    async def close() -> None:
        await world.alice.call("POST", f"/api/grants/{grant}/close")
        await world.settled()

    account = (await carol.call("GET", "/api/estate"))["targets"][0]["accounts"][0]["id"]
    await step("a refused deposit", refused_store)
    await step("a deposit", world.deposit)
    asked, grant = await world.granted()
    await search.nothing("a grant")

    async def session() -> None:
        shown = await world.ssh(stdin=b"id; sudo -k -S -p '' true </dev/null; exit\n", terminal=True)
        ran = await world.ssh("env; ps axeww | head -50")
        search.answers.extend(one.encode() for one in (shown.out, shown.err, ran.out, ran.err))

    await step("a session and a command", session)
    await step("the end of a use", close)
    await step("a review", lambda: world.review(asked))
    await step("a change on demand", lambda: demanded(world, account))
    await step("a kit, wanted", lambda: run("carol", "kit", "issue", "--copies", "1", "--yes"))
    await step("a kit, issued", lambda: run("cem", "kit", "issue", "--yes"))
    await step("a kit, fetched", lambda: run("cem", "kit", "fetch", "1", "--output", str(search.out / "kit")))
    await step("evidence", lambda: run("ivy", "evidence", "export", asked, "-o", str(search.out / "bundle")))
    await step("tiles", lambda: run("", "audit", "export", "--tiles", str(search.out / "tiles")))
    if not world.database:
        await step("another key-encryption key", lambda: run("carol", "vault", "rotate-kek", "--yes"))
    await step("a backup", lambda: run("", "backup", str(search.out / "backup.bgb")))
    share_files = []
    for number, share in enumerate(world.shares[:2]):
        path = world.folder / f"share-{number}"
        path.write_text(share)
        share_files += ["--share-file", str(path)]
    await step("a restore, tried", lambda: run("", "restore", str(search.out / "backup.bgb"), "--check", *share_files))
    await step("unsealing", lambda: unsealed(search))


async def demanded(world: Deployment, account: str) -> None:
    await world.carol.call("POST", f"/api/accounts/{account}/rotate")
    await world.settled()


async def unsealed(search: Search) -> None:
    """By two shares, one of which is first mistyped."""
    world = search.world
    await world.carol.call("POST", "/api/vault/seal")
    wrong = world.shares[0].rsplit(" ", 1)[0]
    with pytest.raises(Exception, match="missing"):
        await world.carol.call("POST", "/api/vault/unseal", {"share": wrong})
    for share in world.shares[:2]:
        await world.cem.call("POST", "/api/vault/unseal", {"share": share})
    await world.settled()


async def look_around(search: Search) -> None:
    """Pages, API and command line, as the people who may see most."""
    world = search.world
    for path in ("/api/audit/entries?limit=500", "/api/estate", "/api/rotations", "/api/vault", "/api/kits"):
        await world.carol.fetch("GET", path)
    api = world.carol._api
    assert api is not None
    token = api.headers["Authorization"].partition(" ")[2]
    async with httpx.AsyncClient(base_url=world.where()["api"], cookies={COOKIE: token}, timeout=20) as browser:
        for path in PAGES:
            answer = await browser.get(path)
            assert answer.status_code == 200, (path, answer.status_code)
            search.answers.append(answer.content)
    said = await world.cli("--json", "audit", "tail", login="ivy")
    search.answers += [said.out.encode(), said.err.encode()]


def listen(person: object, answers: list[bytes]) -> None:
    """Keep every answer that this person gets."""
    fetch = person.fetch  # type: ignore[attr-defined]

    async def kept(method: str, path: str, body: object = None) -> bytes:
        try:
            answer: bytes = await fetch(method, path, body)
        except Exception as refusal:
            answers.append(repr(refusal).encode() + str(vars(refusal)).encode())
            raise
        answers.append(answer)
        return answer

    person.fetch = kept  # type: ignore[attr-defined]
