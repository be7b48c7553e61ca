"""A client of the API for tests: signs in with a person's key, speaks to the application without a socket."""

from typing import Any

import httpx
from fastapi import FastAPI

from tests.kit import Town


class Client:
    def __init__(self, app: FastAPI, town: Town, login: str = "") -> None:
        self.town, self.login = town, login
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://api.test")

    async def sign_in(self) -> "Client":
        text = (await self.ok("POST", "/sign-in/challenge"))["text"]
        body = {"login": self.login, "text": text, "signature": self.town.signed_sign_in(self.login, text)}
        self.http.headers["Authorization"] = f"Bearer {(await self.ok('POST', '/sign-in', body))['token']}"
        return self

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        if body is not None:
            options["json"] = body
        return await self.http.request(method, f"/api{path}", **options)

    async def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = await self.call(method, path, body, **options)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    async def refused(self, status: int, code: str, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The error, once status and code are as expected and it says what to do."""
        answer = await self.call(method, path, body, **options)
        assert answer.status_code == status, answer.text
        assert list(answer.json()) == ["error"]
        error = answer.json()["error"]
        assert error["code"] == code, error
        assert error["message"]
        assert error["what_to_do"]
        return error
