"""Deciding about a request, made for a phone: the words of the statement, the exact text, approve or deny.

What stands in words is read out of the text that is signed, never out of a table beside it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.codec import instant
from breakglass.errors import BreakglassError, NeedsSshSignature, Refused
from breakglass.flow import approve
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.ids import RequestId, checked
from breakglass.model.people import Actor
from breakglass.trust.statement import Kind, Statement
from breakglass.views import requests as views
from breakglass.views import say
from breakglass.web.forms import read
from breakglass.web.pages import Pages, go
from breakglass.web.signing import brought, by_ssh_only, signer

MAY_DO = {"shell": "a shell", "exec": "single commands", "sftp": "file transfer"}
LONGEST_WHY = 500
KeyQuery = Annotated[str, Query(max_length=200)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """An approval's lines as a person reads them."""

    requester: str
    key: str
    username: str
    target: str
    endpoint: str
    host_key: str
    condition: str
    reason: str
    how_long: str
    can_do: str
    until: str


def add(pages: Pages) -> None:
    house = pages.house

    async def decide_page(
        request: Request,
        id: RequestId,
        actor: Actor,
        *,
        key: str = "",
        kind: Kind = Kind.APPROVE,
        reason: str = "",
        refusal: BreakglassError | None = None,
        pasted: str = "",
    ) -> Response:
        page = await house.see(views.page, actor, id)
        me = await pages.overview(actor)
        signs = signer(house.chain.head, actor, key)
        statement: Statement | None = None
        by_ssh: NeedsSshSignature | None = None
        if any(one.id == id for one in me.to_decide):
            try:
                statement = await house.do(signs.actor, approve.offer, house.chain, id, kind, reason)
            except NeedsSshSignature as needs:
                by_ssh, signs = needs, by_ssh_only(signs)
                if signs.key:
                    statement = await house.do(signs.actor, approve.offer, house.chain, id, kind, reason)
        before = [
            one
            for one in await house.see(views.listed, actor, limit=200)
            if one.by.id == page.request.by.id and one.id != id and one.asked_at > page.request.asked_at - MONTH
        ]
        return await pages.show(
            request,
            "decide.html",
            status=status_of(refusal) if refusal else 200,
            me=me,
            page=page,
            kind=kind.value,
            reason=reason,
            text=statement.text() if statement else "",
            words=_words(pages, statement.facts, statement) if statement and kind is Kind.APPROVE else None,
            signer=replace(signs, others=()) if kind is Kind.DENY else signs,  # another key would need another text
            before=before,
            refusal=refusal,
            by_ssh=by_ssh,
            pasted=pasted,
            gate=house.connect_line("gate"),
        )

    @pages.get("/requests/{id}/decide", may=SIGNED_IN)
    async def decide(request: Request, id: str, actor: Signed, key: KeyQuery = "") -> Response:
        return await decide_page(request, RequestId(checked("req", id)), actor, key=key)

    @pages.post("/requests/{id}/denial", may=those_who("decide"))
    async def draw_up_denial(request: Request, id: str, actor: Signed) -> Response:
        """The text of a denial with its reason; nothing is decided yet."""
        form = await read(request)
        reason = form.line("reason", LONGEST_WHY)
        found, key = RequestId(checked("req", id)), form.line("key")
        return await decide_page(request, found, actor, key=key, kind=Kind.DENY, reason=reason)

    @pages.post("/requests/{id}/approve", may=those_who("bring"))
    async def approve_request(request: Request, id: str, actor: Signed) -> Response:
        form = await read(request)
        found = RequestId(checked("req", id))
        try:
            await house.do(actor, approve.approve, house.chain, found, *brought(form))
        except Refused as refusal:
            pasted = form["signature"]
            return await decide_page(request, found, actor, key=form.line("key"), refusal=refusal, pasted=pasted)
        return go(f"/requests/{id}")

    @pages.post("/requests/{id}/deny", may=those_who("bring"))
    async def deny_request(request: Request, id: str, actor: Signed) -> Response:
        form = await read(request)
        found = RequestId(checked("req", id))
        try:
            await house.do(actor, approve.deny, house.chain, found, *brought(form))
        except Refused as refusal:
            return await decide_page(
                request,
                found,
                actor,
                key=form.line("key"),
                kind=Kind.DENY,
                reason=form.line("reason", LONGEST_WHY),
                refusal=refusal,
                pasted=form["signature"],
            )
        return go(f"/requests/{id}")


MONTH = timedelta(days=30)


def _words(pages: Pages, facts: Mapping[str, str], statement: Statement) -> Words:
    book, now = pages.house.book, pages.house.services.store.now()
    allowed = [MAY_DO.get(one, one) for one in facts["permissions"].split()]
    return Words(
        requester=book.who(facts["requester"]).name,
        key=facts["requester-key"],
        username=facts["username"],
        target=facts["target"],
        endpoint=facts["endpoint"],
        host_key=facts["host-key"],
        condition=book.condition(facts["condition"])[0],
        reason=facts["reason"],
        how_long=say.span(instant.read_span(facts["duration"])),
        can_do=", ".join(allowed) or "nothing",
        until=say.at(statement.not_after, now),
    )
