"""What people type stands on pages as text, whatever it is; what can't be read is refused with words, not a fault."""

from html.parser import HTMLParser
from typing import Any

import pytest
from fastapi import FastAPI

from tests.kit import ACCOUNT, CONDITION, Town
from tests.web.conftest import Come
from tests.web.visitor import Visitor, words

TEXTS = [
    "<script>alert(1)</script> it is down",
    "{{ 7*1111 }} {% raw %} it is down",
    '\'" onmouseover=alert(1) x=" down',
    "</textarea><img src=x onerror=alert(1)> down",
    "<!--icons--> is down",
    "a\r\nSet-Cookie: x=y\r\n\r\nb",
    "javascript:alert(1) is down",
    "&lt;b&gt; &amp; down",
    "\u202egnp.exe is down \u0007\u001b[2J",
    "漢字 🔥 ünïcode is down",
]


async def test_a_reason_is_only_ever_text(come: Come) -> None:
    alice, bo = await come("alice"), await come("bo")
    for text in TEXTS:
        await a_reason(alice, bo, text)


async def a_reason(alice: Visitor, bo: Visitor, text: str) -> None:
    form = {"condition": CONDITION, "account": ACCOUNT, "reason": text, "minutes": "30"}
    where = await alice.post("/requests", form)
    again = await alice.post("/requests", form, 409)
    assert elements(again) == elements(await alice.post("/requests", {**form, "reason": "it is down"}, 409))
    for page in (
        await alice.get(where),
        await alice.get("/"),
        await bo.get("/"),
        await bo.get(f"{where}/decide"),
        await bo.get("/requests"),
    ):
        assert elements(page).isdisjoint({"img", "style", "onmouseover", "onerror"})
        assert "7777" not in page
        assert not {"\u001b", "\u0007"} & set(page)
    await alice.post(f"{where}/cancel")


def elements(page: str) -> set[str]:
    """Names of all elements and attributes; scripts only from files of ours."""
    found: set[str] = set()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.update({tag, *(name for name, _ in attrs)})
            if tag == "script":
                assert (dict(attrs)["src"] or "").startswith("/static/")

    Reader().feed(page)
    return found


BODIES: list[dict[str, Any]] = [
    {"content": b"\xff\xfe=%zz&&&=", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    {"content": b"--x\r\nbroken", "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
    {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
    {"content": b"{}", "headers": {"Content-Type": "application/json"}},
    {"data": {f"field{n}": "x" for n in range(600)}},
    {"data": {"reason": "x" * 100_000}},
    {"files": {"file": ("a", b"x" * 250_000)}},
    {"files": [("file", ("a", b"x")), ("file", ("b", b"y"))]},
    {"content": b"a=" + b"x" * 300_000, "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
]


async def test_a_form_that_cant_be_read_is_refused(come: Come) -> None:
    carol, alice = await come("carol"), await come("alice")
    for body in BODIES:
        for person, path in ((alice, "/requests"), (carol, "/proposals"), (carol, "/vault/unseal")):
            answer = await person.http.post(path, **body)
            assert 400 <= answer.status_code < 500, (path, answer.status_code, body)
            assert answer.headers["content-type"].startswith("text/html")


PATHS = [
    "/requests/nonsense",
    "/requests/req_%00",
    "/requests/" + "x" * 5000,
    "/accounts/..%2f..",
    "/audit/99999999999999999999",
    "/audit/-1",
    "/audit?before=x",
    "/audit?about=" + "x" * 500,
    "/requests?skip=-1",
    "/static/..%2fapp.py",
    "/proposals/pro_1",
]


async def test_an_address_of_a_wrong_shape_is_refused(come: Come) -> None:
    ivy = await come("ivy")
    for path in PATHS:
        answer = await ivy.http.get(path)
        assert 400 <= answer.status_code < 500, path
        assert "Go home" in words(answer.text), path


async def test_an_unexpected_failure_tells_nothing(app: FastAPI, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    alice = await Visitor(app, town, "alice").sign_in()

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("breakglass.views.overview.overview", broken)
    answer = await alice.http.get("/people")
    assert answer.status_code == 500
    assert "hunter2" not in answer.text
    assert "The server failed. Try again" in words(answer.text)
