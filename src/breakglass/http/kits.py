"""What pages and API both do for the emergency kit: take a signature, and judge whether the newest kit is stale."""

from collections.abc import Callable

from breakglass.errors import AlreadyApproved, NotFound
from breakglass.flow import kit
from breakglass.http.house import House
from breakglass.model.people import Actor
from breakglass.storage.work import Read


async def sign(house: House, actor: Actor, signature: str, text: str | None) -> None:
    """With the last signature that is needed the vault makes the kit. Raises as `kit.sign`, and `Unavailable`."""
    makes = house.services.kits
    try:
        await house.do(actor, kit.sign, house.chain, signature, text)
        if makes is not None:
            await makes.make()
    except AlreadyApproved:  # the node may have died before it could have the kit made
        if makes is None or not await makes.make():
            raise


async def fetch(house: House, actor: Actor, number: int, copy: int) -> bytes:
    """One encrypted copy; the log has who took it. Raises `NotFound`, `Tampered`."""
    if house.services.kits is None:
        raise NotFound("This node makes no kits.", what_to_do="Ask another node.")
    data = await house.services.kits.file(number, copy)
    await house.do(actor, kit.fetched, house.chain, number, copy)
    return data


async def stale(house: House) -> Callable[[Read], str]:
    """`kit.stale` for the shares that open the vault now."""
    roster, share_set = house.chain.head, (await house.vault()).share_set
    return lambda look: kit.stale(look, roster, share_set)
