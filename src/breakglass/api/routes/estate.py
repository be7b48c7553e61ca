"""The estate, and its credentials: a custodian stores one, it never comes back."""

from pydantic import BaseModel

from breakglass.api.bodies import AccountIdIn, CredentialIn
from breakglass.api.registry import Api
from breakglass.errors import Malformed
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.identity.access import must_be_fresh
from breakglass.model.secret import Secret
from breakglass.views import estate as views
from breakglass.views import estate_shapes


class Stored(BaseModel):
    version: int


def add(api: Api, house: House) -> None:
    @api.get("/estate", may=SIGNED_IN)
    async def estate() -> estate_shapes.Estate:
        """Targets, accounts and whether their credentials are fresh, conditions with playbooks, policies, people."""
        return await house.see(views.estate)

    @api.put("/accounts/{id}/credential", may=those_who("store"))
    async def store_credential(id: AccountIdIn, body: CredentialIn, actor: Signed) -> Stored:
        """Store the secret that is set on the target now. It is changed at once, because people have seen it."""
        must_be_fresh(actor, house.services.store.now())
        account = house.chain.head.account(id)
        try:
            value = body.secret.get_secret_value().encode()
        except UnicodeEncodeError:
            raise Malformed("The secret is not text.", what_to_do="Enter it anew.", about=id) from None
        with Secret(value) as secret:
            return Stored(version=await house.services.deposit(actor, account.id, secret))
