"""The page of the next log, and custodians who go on with it by a browser alone."""

import html
import re
from dataclasses import replace
from pathlib import Path

from breakglass.audit import evidence
from breakglass.http.house import House
from breakglass.web.app import make
from tests.app.test_next_log import WHY, cut, minded
from tests.kit import ORIGIN, Town
from tests.web.visitor import Visitor, words


async def came(town: Town, login: str) -> Visitor:
    services = replace(town.services(), alarm=lambda: town.log.tampered.message if town.log.tampered else "")
    return await Visitor(make(House(services)), town, login).sign_in()


async def signs(person: Visitor, page: str) -> None:
    found = re.search(r'<pre class="statement[^"]*"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found
    text = html.unescape(re.sub(r"<[^>]+>", "", found[1]))
    signature = person.town.people[person.login].sign(text)
    assert await person.post("/next-log/sign", {"text": text, "signature": signature}) == "/next-log"


async def test_two_custodians_by_their_browsers(tmp_path: Path) -> None:
    async with cut(tmp_path) as town:
        alice, carol, cem = [await came(town, login) for login in ("alice", "carol", "cem")]
        home = await alice.get("/")
        assert 'href="/next-log"' in home
        assert "end is lost?" not in await alice.get("/next-log")
        assert "Refused by the vault" in words(await carol.get("/next-log"))
        page = await carol.post("/next-log/text", {"because": " ", "last": ""}, status=422)
        assert "does not say why" in words(page)
        page = await carol.post("/next-log/text", {"because": WHY, "last": "kept-by-mistake"}, status=422)
        assert "kept-by-mistake" in page
        page = await carol.post("/next-log/text", {"because": WHY, "last": "\r\n"}, status=200)
        await signs(carol, page)
        waits = words(await alice.get("/next-log"))
        assert "Carol signed; 2 custodians must." in waits
        assert f"{ORIGIN}/2: {WHY}" in waits
        assert "Waits for another custodian" in words(await carol.get("/next-log"))
        page = await cem.get("/next-log")
        assert WHY in words(page)
        await signs(cem, page)
        await minded(town)
        after = words(await alice.get("/next-log"))
        assert f"The log is {ORIGIN}/2." in after
        assert "Nothing is lost" in after
        assert "does not fit together" not in words(await alice.get("/"))


async def test_where_nothing_is_lost(tmp_path: Path) -> None:
    async with Town.found(tmp_path, password="") as town:
        carol = await came(town, "carol")
        page = words(await carol.get("/next-log"))
        assert f"The log is {ORIGIN}." in page
        refused = await carol.post("/next-log/text", {"because": WHY, "last": ""}, status=409)
        assert "Nothing of this log is lost" in words(refused)
        # A checkpoint that somebody kept is one of this log, with all its lines, as a browser sends it.
        kept = (await town.store.read(evidence.newest_checkpoint) or b"").decode().replace("\n", "\r\n")
        refused = await carol.post("/next-log/text", {"because": WHY, "last": kept}, status=409)
        assert "Nothing of this log is lost" in words(refused)
        town.vault.seal()
        refused = await carol.post("/next-log/text", {"because": WHY, "last": ""}, status=503)
        assert "sealed" in words(refused)
