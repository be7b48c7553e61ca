"""A town whose API listens on loopback, and the command line as people use it: `await run("alice", "status")`."""

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from breakglass.app.api_server import ApiServer
from breakglass.app.site import make as make_site
from breakglass.cli.main import main
from tests.kit import Town


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Shell:
    """Runs the command in a thread, so that the API goes on answering in this loop."""

    def __init__(self, town: Town, home: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.town, self.home, self._patch = town, home, monkeypatch
        self.keys = {login: person.write_key(keys) for login, person in town.people.items()}

    async def __call__(self, login: str, *words: str, stdin: str = "", expect: int = 0) -> Ran:
        who = ["--login", login, "--identity", str(self.keys[login])] if login else []
        return await self.bare("--home", str(self.home), *who, *words, stdin=stdin, expect=expect)

    async def bare(self, *words: str, stdin: str = "", expect: int = 0) -> Ran:
        out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
        with self._patch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            code = await asyncio.to_thread(main, words)
        out.seek(0)
        ran = Ran(code, out.read(), err.getvalue())
        assert ran.code == expect, ran
        return ran


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path) as town:
        yield town


@pytest.fixture
async def run(town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shell]:
    for name in ("SERVER", "IDENTITY", "LOGIN"):
        monkeypatch.delenv(f"BREAKGLASS_{name}", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    keys, home = tmp_path / "keys", tmp_path
    keys.mkdir()
    api = ApiServer(make_site(town.services()))
    await api.start("127.0.0.1", 0)
    (home / "run").mkdir()
    (home / "run" / "node.json").write_text(json.dumps({"api": f"http://127.0.0.1:{api.port}"}))
    try:
        yield Shell(town, home, keys, monkeypatch)
    finally:
        await api.stop()
