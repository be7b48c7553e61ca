"""Once an hour, the newest checkpoint goes to a timestamp authority (RFC 3161), and its receipt is put beside the log.

    newest checkpoint ──POST──▶ authority ──▶ receipt, verified ──▶ anchor, `anchor.made`
                                    └─ does not answer, or not rightly ──▶ later, and later; told once (`anchor.waits`)

The authority learns a hash and nothing else. `http://` is allowed: the receipt is signed, and verified before it is
put down.
"""

import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import httpx

from breakglass.audit import evidence, timestamps
from breakglass.audit.timestamps import RECEIPT_MAX, RFC3161
from breakglass.codec.note import parse_checkpoint
from breakglass.errors import BreakglassError, Malformed, Unavailable
from breakglass.flow import anchor as steps
from breakglass.model.people import SYSTEM
from breakglass.storage import anchors
from breakglass.storage.store import Store
from breakglass.vigilance.outside import Outside

EVERY = timedelta(hours=1)
LOOK_EVERY = 30.0
WITHIN = 20.0
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
_HEADERS = {"Content-Type": "application/timestamp-query", "Accept": "application/timestamp-reply"}
_log = logging.getLogger(__name__)


class Timestamping:
    def __init__(self, store: Store, deployment: str, address: str, ca: str, *, node: str) -> None:
        """Raises `Malformed` for an address of another kind, or a file without certificates."""
        if not address.startswith(("https://", "http://")):
            raise Malformed(f"`tsa` is {address[:80]!r}.", what_to_do="Write it like https://tsa.example.org/tsr.")
        self.store, self.deployment, self.address, self.node = store, deployment, address, node
        self.roots = timestamps.authorities(Path(ca))

    async def work(self) -> None:
        """For the node's life."""
        authority = Outside(self.store, "anchor", self.node, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        while True:
            try:
                await self.once()
            except BreakglassError as error:
                _log.warning("the timestamp authority %s: %s", self.address, error.message)
                await authority.failed(error.message)
                continue
            await authority.answered()
            await asyncio.sleep(LOOK_EVERY)

    async def once(self) -> bool:
        """Whether a checkpoint was timestamped. Raises `Unavailable`, `Malformed`, `BadSignature`."""
        last = await self.store.read(anchors.newest, RFC3161)
        if last is not None and self.store.now() < last.at + EVERY:
            return False
        checkpoint = await self.store.read(evidence.newest_checkpoint)
        if checkpoint is None:
            return False
        size = parse_checkpoint(checkpoint.decode().partition("\n\n")[0] + "\n").size
        if last is not None and size <= last.size:
            return False
        asked = timestamps.request(checkpoint)
        receipt = await self._ask(asked.as_bytes())
        timestamps.check(receipt, checkpoint, self.roots, asked=asked)
        await self.store.run(SYSTEM, steps.made, self.deployment, RFC3161, size, receipt)
        return True

    async def _ask(self, query: bytes) -> bytes:
        try:
            async with (
                asyncio.timeout(WITHIN),
                httpx.AsyncClient(timeout=WITHIN, trust_env=False) as http,
                http.stream("POST", self.address, content=query, headers=_HEADERS) as answer,
            ):
                if answer.status_code != 200:
                    raise Unavailable(f"It answered {answer.status_code}.", what_to_do="Look at the authority.")
                receipt = b""
                async for part in answer.aiter_bytes():
                    receipt += part
                    if len(receipt) > RECEIPT_MAX:
                        raise Malformed("Its answer is too long for a receipt.", what_to_do="Look at the authority.")
                return receipt
        except (httpx.HTTPError, TimeoutError, OSError) as error:
            why = str(error) or type(error).__name__
            raise Unavailable(f"It does not answer: {why}.", what_to_do="Look at the way there.") from None
