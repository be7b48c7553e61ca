"""The vault's seal: its state for everybody, its shares and its closing for custodians."""

import asyncio
import contextlib
from collections.abc import Sequence

from pydantic import SecretStr

from breakglass.api.bodies import Rekey, Share, Shares, Signature, SlotChange, Unseal
from breakglass.api.registry import Api
from breakglass.api.routes.clock import SETTLES_WITHIN
from breakglass.api.routes.requests import Text
from breakglass.codec.sshwire import strict_base64
from breakglass.flow import kek, seal
from breakglass.http.declare import SIGNED_IN, Signed, those_who
from breakglass.http.house import House
from breakglass.identity.access import must_be_fresh
from breakglass.model.secret import Secret
from breakglass.vault import asking
from breakglass.views import shapes
from breakglass.views import vault as views


def add(api: Api, house: House) -> None:
    vault, deployment = house.services.vault, house.services.settings.deployment

    @api.get("/vault", may=SIGNED_IN)
    async def vault_status() -> shapes.Vault:
        return await house.vault()

    @api.post("/vault/unseal", may=those_who("unseal"))
    async def unseal(body: Unseal, actor: Signed) -> shapes.Vault:
        """Enter one share of the vault's key; the last one that is needed opens it."""
        [share] = _secrets([body.share])
        progress = await asyncio.to_thread(vault.unseal_share, share, body.attempt)
        entered = progress.k if not progress.sealed else len(progress.entered)
        await house.do(actor, seal.share_entered, deployment, entered, progress.k)
        return views.progress(progress)

    @api.post("/vault/rekey", may=those_who("rekey"))
    async def begin_rekey(body: Rekey, actor: Signed) -> shapes.Rekey:
        """Bring enough of the present shares: the vault makes new ones, each closed to the key that you bring for it.

        The present ones hold until the new ones are proven."""
        must_be_fresh(actor, house.services.store.now())
        seal.may_rekey(actor, deployment, shared=house.services.store.shared)
        before = (await asyncio.to_thread(vault.status)).share_set
        to = [strict_base64(one, "key") for one in body.to]
        made = await asyncio.to_thread(vault.begin_rekey, _secrets(body.shares), body.needed, to)
        await house.do(actor, seal.rekey_begun, deployment, before, made.set, made.k, len(made.boxes))
        return views.rekey(made)

    @api.post("/vault/rekey/finish", may=those_who("rekey"))
    async def finish_rekey(body: Shares, actor: Signed) -> shapes.Vault:
        """Enter all of the new shares: from now on they open the vault, and the old ones don't.

        They are the proof; a fresh signature as well would run out while people write theirs down."""
        fresh = await asyncio.to_thread(vault.finish_rekey, _secrets(body.shares))
        await house.do(actor, seal.rekeyed, deployment, fresh)
        return await house.vault()

    @api.post("/vault/rekey/share", may=those_who("rekey"))
    async def prove_share(body: Share, actor: Signed) -> shapes.Vault:
        """Enter one of the new shares, your own; once all of them were, they open the vault, and the old ones don't."""
        [share] = _secrets([body.share])
        proven = await asyncio.to_thread(vault.prove_share, share)
        await house.do(actor, seal.share_proven, deployment, proven)
        return await house.vault()

    @api.get("/vault/slots", may=those_who("slots"))
    async def slots() -> list[shapes.Slot]:
        """What opens the vault, and whether it would now: key file and hardware module are tried."""
        return views.slots(await asyncio.to_thread(vault.check_slots))

    @api.post("/vault/slots", may=those_who("slots"))
    async def change_slot(body: SlotChange, actor: Signed) -> shapes.Vault:
        """Bring enough of the present shares: the vault makes the slot, proves that it opens, and takes it over.

        The custodians' own is never removed; new shares are made by rekeying."""
        must_be_fresh(actor, house.services.store.now())
        seal.may_change_slots(actor, deployment)
        node = house.services.settings.node
        change = asking.SlotChange(
            act=asking.SlotAct(body.act), kind=body.kind, key_file=body.key_file, token=body.token, key=body.key
        )
        name = await asyncio.to_thread(vault.begin_slot, _secrets(body.shares), change)
        await house.do(actor, seal.slot_begun, deployment, node, body.act, body.kind, name)
        await asyncio.to_thread(vault.finish_slot, name)
        await house.do(actor, seal.slot_changed, deployment, name)
        return await house.vault()

    @api.post("/vault/kek/statement", may=those_who("kek"))
    async def kek_statement(actor: Signed) -> Text:
        """The text by which you would ask the vault for its next key-encryption key."""
        held = (await asyncio.to_thread(vault.status)).kek
        shared = house.services.store.shared
        return Text(text=(await house.do(actor, kek.offer, house.chain, held, shared=shared)).text())

    @api.post("/vault/kek", may=those_who("bring"))
    async def rotate_kek(body: Signature, actor: Signed) -> shapes.Vault:
        """Bring a custodian's signature: the vault makes the key, and stored secrets move to it by themselves."""
        held = (await asyncio.to_thread(vault.status)).kek
        wanted = await house.do(actor, kek.sign, house.chain, held, body.signature, body.text)
        with contextlib.suppress(TimeoutError):  # asked for; it is made once the vault is open again
            async with asyncio.timeout(SETTLES_WITHIN):
                while (await house.vault()).kek < wanted:  # noqa: ASYNC110 (the vault rings no bell)
                    await asyncio.sleep(0.05)
        return await house.vault()

    @api.post("/vault/seal", may=those_who("unseal"))
    async def seal_vault(actor: Signed) -> shapes.Vault:
        """Forget every key: nobody gets in until custodians unseal it."""
        await house.do(actor, seal.sealing, deployment)
        await asyncio.to_thread(vault.seal)
        return await house.vault()


def _secrets(shares: Sequence[SecretStr]) -> list[Secret]:
    return [Secret(one.get_secret_value().encode("utf-8", "replace")) for one in shares]
