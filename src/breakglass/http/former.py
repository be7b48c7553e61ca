"""The last head that is known of a log that lost its end: the vault's own mark, or a checkpoint that somebody kept."""

import asyncio
from base64 import b64encode

from breakglass.errors import Sealed
from breakglass.flow import next_log
from breakglass.flow.next_log import Former
from breakglass.http.house import House


async def former(house: House, kept: str) -> Former:
    """`kept`: a checkpoint of this log; empty for none. Raises `Malformed`, `BadSignature` for what is none, and
    `Sealed` while the vault can't say what it saw."""
    status = await asyncio.to_thread(house.services.vault.status)
    if status.sealed:
        raise Sealed("The vault is sealed.", what_to_do="Custodians unseal it first: `breakglass unseal`.")
    seen = Former(status.mark, b64encode(bytes.fromhex(status.mark_root)).decode())
    if not kept:
        return seen
    return max(seen, next_log.kept_elsewhere(house.chain, status.log, kept), key=lambda one: one.size)
