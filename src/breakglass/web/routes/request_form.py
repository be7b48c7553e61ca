"""The request form: four answers, the playbook beside them, and nothing that was typed is lost."""

from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import Query, Request
from starlette.responses import Response

from breakglass.errors import BreakglassError, Refused
from breakglass.flow import ask, keep
from breakglass.http.declare import Signed, those_who
from breakglass.http.status import status_of
from breakglass.model.ids import RequestId, checked
from breakglass.model.people import Actor, Role
from breakglass.model.policy import Part
from breakglass.model.target import AccountId, Protocol
from breakglass.trust.roster import Roster
from breakglass.views import estate
from breakglass.web.forms import Form, read
from breakglass.web.pages import Pages, go

MINUTES = (15, 30, 60, 120)
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


def approvers(roster: Roster, part: Part, asking: Actor, now: datetime) -> tuple[str, ...]:
    """Names of those whose word counts for this part of a quorum; whoever asks never counts."""
    return tuple(
        one.name
        for one in roster.people.values()
        if Role.APPROVER in one.roles and part.group in one.groups and one.active(now) and one.id != asking.id
    )


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
