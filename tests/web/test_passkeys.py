"""A passkey signs the text that its page holds; what the page shows in words is read out of that text."""

import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from breakglass.http.house import House
from breakglass.web.app import make
from tests.authenticator import Passkey
from tests.kit import Town
from tests.web.visitor import Visitor, words

PHONE = Passkey("dana")


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
