"""Where things stand: for anybody whether the node lives and is sealed, for a person the three answers."""

from breakglass import __version__
from breakglass.api.registry import Api
from breakglass.http.declare import PUBLIC, SIGNED_IN, Signed
from breakglass.http.house import House
from breakglass.views import overview, shapes


def add(api: Api, house: House) -> None:
    @api.get("/status", may=PUBLIC)
    async def status() -> shapes.Status:
        """The public part: version, deployment, and whether the vault is sealed."""
        vault = await house.vault()
        settings = house.services.settings
        return shapes.Status(
            version=__version__,
            deployment=settings.deployment,
            origin=settings.origin,
            demo=settings.demo,
            sealed=vault.sealed,
            sentence=vault.sentence,
        )

    @api.get("/overview", may=SIGNED_IN)
    async def home(actor: Signed) -> shapes.Overview:
        """Am I in? What am I waiting for? What's next?"""
        return await house.see(
            overview.overview, actor, vault=await house.vault(), wall=house.services.store.clock.now()
        )
