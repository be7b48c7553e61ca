"""Somebody who looks at pages in a browser without scripts: sends forms, reads what stands there."""

import html
import re
import secrets
from typing import Any

import httpx
from fastapi import FastAPI

from breakglass.flow import sign_in as flow
from breakglass.http.asking import COOKIE, csrf_of
from tests.kit import Town

ORIGIN = "http://pages.test"


class Visitor:
    def __init__(self, app: FastAPI, town: Town, login: str = "") -> None:
        self.town, self.login, self.csrf = town, login, ""
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN})

    async def sign_in(self) -> "Visitor":
        token = secrets.token_urlsafe(32)
        await self.town.do(self.login, flow.sign_in, self.login, token)
        self.come_with(token)
        return self

    def come_with(self, token: str) -> None:
        self.http.headers["Cookie"] = f"{COOKIE}={token}"
        self.csrf = csrf_of(token)

    async def get(self, path: str, status: int = 200, **options: Any) -> str:
        return said(await self.http.get(path, **options), status)

    async def post(self, path: str, form: dict[str, Any] | None = None, status: int = 303, **options: Any) -> str:
        """Where it sends one on to; the page when it stays there."""
        sent = {"csrf": self.csrf, **(form or {})}
        answer = await self.http.post(path, data=sent, **options)
        text = said(answer, status)
        return answer.headers.get("location", "") if status == 303 else text


def said(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, (answer.status_code, words(answer.text)[-1500:])
    return answer.text


def words(page: str) -> str:
    """What stands on a page, without its tags."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())
