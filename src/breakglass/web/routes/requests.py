"""Requests: the form, the list, one with its story, and taking it back."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Refused
from breakglass.flow import approve, ask, close, keep
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.ids import GrantId, RequestId, checked
from breakglass.model.people import Actor, Role
from breakglass.model.policy import Part
from breakglass.model.target import AccountId, Protocol
from breakglass.trust.roster import Roster
from breakglass.views import estate, rotations
from breakglass.views import requests as views
from breakglass.web.forms import Form, read
from breakglass.web.pages import Pages, go
from breakglass.web.story import story

MINUTES = (15, 30, 60, 120)
A_PAGE = 50
Short = Annotated[str, Query(max_length=120)]


def add(pages: Pages) -> None:
    house = pages.house

    async def form_page(
        request: Request, filled: Form, errors: dict[str, str], refusal: BreakglassError | None = None
    ) -> Response:
        head, status = house.chain.head, status_of(refusal) if refusal else 422 if errors else 200
        me: Actor = request.state.actor
        whole = await house.see(estate.estate)
        stored = {one.id for target in whole.targets for one in target.accounts if one.credential != "none"}
        return await pages.show(
            request,
            "request_form.html",
            status=status,
            filled=filled,
            errors=errors,
            refusal=refusal,
            minutes=MINUTES,
            conditions=tuple(head.conditions.values()),
            places=tuple(
                {
                    "id": one.id,
                    "account": one,
                    "stored": one.id in stored,
                    "target": head.targets[one.target],
                    "max_for": head.policy_of(one).max_for,
                    "needs": tuple(
                        (part, approvers(head, part, me, house.services.store.now()))
                        for part in head.policy_of(one).quorum
                    ),
                }
                for one in head.accounts.values()
                if head.targets[one.target].endpoint.protocol is Protocol.SSH  # sessions go nowhere else
            ),
        )

    @pages.get("/request", may=those_who("request"))
    async def request_form(request: Request, account: Short = "", condition: Short = "") -> Response:
        filled = Form({"id": keep.new_id("req"), "account": account, "condition": condition, "minutes": "30"})
        return await form_page(request, filled, {})

    @pages.post("/requests", may=those_who("request"))
    async def make_request(request: Request, actor: Signed) -> Response:
        filled = await read(request)
        head = house.chain.head
        errors = _mistakes(filled, head.conditions, head.accounts)
        if errors:
            return await form_page(request, filled, errors)
        account = head.account(AccountId(filled["account"]))
        id = RequestId(checked("req", filled["id"] or keep.new_id("req")))
        try:
            await house.do(
                actor,
                ask.ask,
                head,
                id,
                target=head.target(account.target).name,
                account=account.name,
                condition=filled["condition"],
                reason=filled["reason"],
                access_for=timedelta(minutes=int(filled["minutes"])),
            )
        except Refused as refusal:
            return await form_page(request, filled, {}, refusal)
        return go(f"/requests/{id}")

    @pages.get("/requests", may=SIGNED_IN)
    async def list_requests(
        request: Request, actor: Signed, skip: Annotated[int, Query(ge=0, le=1_000_000)] = 0
    ) -> Response:
        found = await house.see(views.listed, actor, limit=A_PAGE + 1, skip=skip)
        return await pages.show(
            request, "requests.html", requests=found[:A_PAGE], skip=skip, page_size=A_PAGE, more=len(found) > A_PAGE
        )

    @pages.get("/requests/{id}", may=SIGNED_IN)
    async def show_request(request: Request, id: str, actor: Signed) -> Response:
        return await request_page(request, id, actor)

    async def request_page(
        request: Request, id: str, actor: Signed, refusal: BreakglassError | None = None
    ) -> Response:
        page = await house.see(views.page, actor, checked("req", id))
        changed = await house.see(rotations.listed, owed=False, account=page.request.place.account)
        rotated = tuple(one for one in changed if page.grant and one.grant == page.grant.id)
        me = await pages.overview(actor)
        facts: dict[str, Any] = {
            "page": page,
            "rotations": rotated,
            "story": story(page, rotated),
            "may_decide": any(one.id == page.request.id for one in me.to_decide),
            "mine": page.request.by.id == actor.id,
            "may_close": page.grant is not None
            and page.grant.state == "active"
            and (page.grant.to.id == actor.id or bool(actor.roles & _CLOSERS)),
            "refusal": refusal,
        }
        status = status_of(refusal) if refusal else 200
        return await pages.show(request, "request.html", status=status, me=me, **facts)

    @pages.post("/requests/{id}/cancel", may=those_who("request"))
    async def cancel_request(request: Request, id: str, actor: Signed) -> Response:
        try:
            await house.do(actor, approve.cancel, RequestId(checked("req", id)))
        except Refused as refusal:
            return await request_page(request, id, actor, refusal)
        return go(f"/requests/{id}")

    @pages.post("/grants/{id}/close", may=those_who("close"))
    async def close_grant(id: str, actor: Signed) -> Response:
        grant = await house.do(actor, close.close, GrantId(checked("grt", id)))
        return go(f"/requests/{grant.request}")


def approvers(roster: Roster, part: Part, asking: Actor, now: datetime) -> tuple[str, ...]:
    """Names of those whose word counts for this part of a quorum; whoever asks never counts."""
    return tuple(
        one.name
        for one in roster.people.values()
        if Role.APPROVER in one.roles and part.group in one.groups and one.active(now) and one.id != asking.id
    )


_CLOSERS = those_who("close") - {Role.REQUESTER}


def _mistakes(filled: Form, conditions: Any, accounts: Any) -> dict[str, str]:
    """What is wrong, by field, in words that help."""
    errors = {}
    if filled["condition"] not in conditions:
        errors["condition"] = "Choose what the emergency is. Its playbook tells you what to do before you ask."
    if filled["account"] not in accounts:
        errors["account"] = "Choose the system that you must reach."
    if len(filled["reason"].split()) < 2:
        errors["reason"] = "Say what you saw and since when, for example “Sign-in fails for everybody since 01:40”."
    if not (filled["minutes"].isascii() and filled["minutes"].isdigit() and len(filled["minutes"]) <= 5):
        errors["minutes"] = "Choose for how long."
    return errors
