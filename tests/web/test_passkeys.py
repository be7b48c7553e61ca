"""A passkey signs the text that its page holds; what the page shows in words is read out of that text."""

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from breakglass.http.house import House
from breakglass.web.app import make
from tests.authenticator import Passkey
from tests.kit import Town
from tests.web.visitor import Visitor, words

PHONE = Passkey("dana")
EVES = Passkey("eve")


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path, passkeys={"dana": PHONE}) as town:
        yield town


@pytest.fixture
def app(town: Town) -> FastAPI:
    return make(House(town.services()))


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, name
    return html.unescape(found[1])


async def test_a_passkey_approves(app: FastAPI, town: Town) -> None:
    dana = await Visitor(app, town, "dana").sign_in()
    request = await town.ask()
    where = f"/requests/{request}/decide"
    page = await dana.get(where)
    assert "Sign with passkey “dana's phone” instead" in words(page)
    assert "data-sign" not in page
    page = await dana.get(f"{where}?key={PHONE.fingerprint.replace('+', '%2B')}")
    assert "data-sign" in page
    assert "Sign with “kit”" in words(page)
    text = field(page, "text")
    assert f"key: {PHONE.fingerprint}" in text
    assert field(page, "credential") == PHONE.entry()["credential"]

    # A browser sends line ends as CRLF; the signature is over what the page holds.
    form = {"text": text.replace("\n", "\r\n"), "signature": PHONE.sign(text).signature, "key": PHONE.fingerprint}
    assert await dana.post(f"/requests/{request}/approve", form) == f"/requests/{request}"
    assert "You have approved this" in words(await dana.get(where))


async def test_a_text_that_was_changed_on_the_way_is_refused(app: FastAPI, town: Town) -> None:
    dana = await Visitor(app, town, "dana").sign_in()
    request = await town.ask()
    where = f"/requests/{request}/decide?key={PHONE.fingerprint.replace('+', '%2B')}"
    shown = field(await dana.get(where), "text")
    other = shown.replace("duration: 1800 seconds\n", "duration: 9000 seconds\n")
    assert other != shown
    for text, signed in ((shown, other), (other, shown), (other, other)):
        form = {"text": text, "signature": PHONE.sign(signed).signature, "key": PHONE.fingerprint}
        page = await dana.post(f"/requests/{request}/approve", form, 403)
        assert "data-sign" in page  # the chosen key stays chosen
    assert "0 of 2 approvals" in words(await dana.get(f"/requests/{request}"))


def high(estate: dict[str, Any]) -> None:
    """One of the two must sign with an SSH key, and eve has none."""
    estate["policies"]["pol_dual"]["ssh_signatures"] = 1
    del estate["people"]["usr_eve"]["keys"][0]


async def test_what_is_kept_for_an_ssh_key_is_offered_to_no_passkey(tmp_path: Path) -> None:
    bos = Passkey("bo")
    async with Town.found(tmp_path, passkeys={"eve": EVES, "bo": bos}, change=high) as town:
        app = make(House(town.services()))
        bo, eve = await Visitor(app, town, "bo").sign_in(), await Visitor(app, town, "eve").sign_in()
        request = await town.ask()
        where, query = f"/requests/{request}/decide", f"?key={bos.fingerprint.replace('+', '%2B')}"
        earlier = field(await bo.get(where + query), "text")  # drawn up while a passkey could still have the place
        form = {"text": (text := field(await eve.get(where), "text")), "signature": EVES.sign(text).signature}
        assert await eve.post(f"/requests/{request}/approve", form) == f"/requests/{request}"
        assert "1 more must be signed with ssh-keygen." in words(await bo.get(f"/requests/{request}"))

        page = await bo.get(where + query)
        assert "This needs an SSH key, not a passkey" in words(page)
        assert "ssh-keygen -Y sign" in page
        assert "data-sign" not in page
        late = {"text": earlier, "signature": bos.sign(earlier).signature, "key": bos.fingerprint}
        page = await bo.post(f"/requests/{request}/approve", late, 409)
        assert "must be signed with an SSH key" in words(page)
        assert "data-sign" not in page
        await town.approve(request, "bo")
        assert "You have approved this" in words(await bo.get(where))


async def test_who_has_only_a_passkey_is_told_and_can_still_deny(tmp_path: Path) -> None:
    bos = Passkey("bo")
    async with Town.found(tmp_path, passkeys={"eve": EVES, "bo": bos}, change=high) as town:
        app = make(House(town.services()))
        bo, eve = await Visitor(app, town, "bo").sign_in(), await Visitor(app, town, "eve").sign_in()
        request = await town.ask()
        text = field(await bo.get(f"/requests/{request}/decide?key={bos.fingerprint.replace('+', '%2B')}"), "text")
        await bo.post(f"/requests/{request}/approve", {"text": text, "signature": bos.sign(text).signature})
        page = await eve.get(f"/requests/{request}/decide")
        assert "The estate holds no SSH key of yours" in words(page)
        assert "data-sign" not in page
        page = await eve.post(f"/requests/{request}/denial", {"reason": "Call me first."}, 200)
        text = field(page, "text")
        await eve.post(f"/requests/{request}/deny", {"text": text, "signature": EVES.sign(text).signature})
        assert "Call me first." in words(await eve.get(f"/requests/{request}"))
