"""Enrolment: a one-time link, the passkey that is made with it, and what happens next.

/enrol#TOKEN ── script: the token never goes into an address that is sent ──▶ POST /enrol/text ──▶ text to make it for
             ── navigator.credentials.create ──▶ POST /enrol ──▶ a proposal that people sign
"""

import secrets
from dataclasses import dataclass

from fastapi import Request
from starlette.responses import JSONResponse, Response

from breakglass.codec import webauthn_creation
from breakglass.errors import BreakglassError, Forbidden, NotEntitled, Refused
from breakglass.flow import enrol
from breakglass.http.address import rp_of, web_origin
from breakglass.http.asking import from_here
from breakglass.http.declare import PUBLIC, Signed, those_who
from breakglass.http.status import status_of
from breakglass.identity import sign_in as identity
from breakglass.model.ids import checked
from breakglass.model.people import Actor, Person
from breakglass.web.forms import Form, read
from breakglass.web.pages import Pages

TOKEN_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    address: str
    person: Person


def add(pages: Pages) -> None:
    house = pages.house
    settings, store = house.services.settings, house.services.store

    async def whose(request: Request, form: Form) -> tuple[Person, Actor]:
        """Whose link this is, and who made it, as an actor. Raises `Forbidden`, `Expired`, `NotEntitled`."""
        if not from_here(request):
            raise Forbidden("This was sent by another page than ours.", what_to_do="Open your link again.")
        address = request.client.host if request.client else ""
        try:
            found = await store.read(enrol.look_up, form.line("token", TOKEN_MAX))
        except Refused:
            house.failures.count(f"address {address}")
            raise
        people = house.chain.head.people
        person, inviter = people.get(found.person), people.get(found.by)
        if person is None or inviter is None or not inviter.active(store.now()):
            raise NotEntitled(
                "Whoever sent this link, or you, are not in the estate any more.",
                what_to_do="Ask a custodian for a new one.",
            )
        return person, Actor(id=inviter.id, roles=inviter.roles)

    async def done(request: Request, refusal: BreakglassError | None = None) -> Response:
        status = status_of(refusal) if refusal else 200
        signers = house.chain.head.changes
        return await pages.show(request, "enrolled.html", status=status, refusal=refusal, signers=signers)

    @pages.get("/enrol", may=PUBLIC)
    async def enrol_page(request: Request) -> Response:
        return await pages.show(request, "enrol.html")

    @pages.post("/enrol/text", may=PUBLIC)
    async def enrol_text(request: Request) -> Response:
        """What the browser needs to make a passkey for whoever has the link."""
        form = await read(request)
        try:
            person, _ = await whose(request, form)
            rp = rp_of(web_origin(settings, request))
        except Refused as refusal:
            return JSONResponse({"message": refusal.message, "what_to_do": refusal.what_to_do}, status_of(refusal))
        text = identity.challenge(house.chain.head.deployment, store.now())
        house.challenges.give(request.client.host if request.client else "", text)
        known = [key.passkey.credential for key in person.keys if key.passkey is not None]
        return JSONResponse(
            {"text": text, "rp": rp, "id": person.id, "login": person.login, "name": person.name, "known": known}
        )

    @pages.post("/enrol", may=PUBLIC)
    async def enrol_passkey(request: Request) -> Response:
        form = await read(request)
        try:
            _, inviter = await whose(request, form)
            address = web_origin(settings, request)
            house.challenges.take(form["text"])
            made = webauthn_creation.read(
                form["authenticator_data"],
                form["client_data"],
                message=form["text"].encode(),
                rp=rp_of(address),
                origin=address,
            )
            key = {
                "kind": "passkey",
                "label": form.line("label", 60) or "passkey",
                "public": made.public,
                "credential": made.credential,
                "rp": rp_of(address),
                "origins": [address],
            }
            await house.do(inviter, enrol.enrol, house.chain, form["token"], key)
        except Refused as refusal:
            return await done(request, refusal)
        return await done(request)

    @pages.post("/people/{id}/invite", may=those_who("propose"), fresh=True)
    async def invite(request: Request, id: str, actor: Signed) -> Response:
        """Shows the link, this once."""
        address = web_origin(settings, request)
        token = secrets.token_urlsafe(24)
        person = house.chain.head.person(checked("usr", id))
        made = await house.do(actor, enrol.invite, house.chain, person.id, token)
        link = Link(address=f"{address}/enrol#{token}", person=person)
        return await pages.show(request, "invited.html", link=link, until=made.until)
