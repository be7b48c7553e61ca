"""The node's half of live control: look what is wanted of its sessions, and make it so.

The bell (after each commit) makes it prompt, a look twice a second makes it certain. A node that can't look for
`BLIND_FOR` cuts its own sessions: control that nobody can exercise is not control.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from breakglass.errors import BreakglassError
from breakglass.gateway.sessions import Sessions
from breakglass.model.session import Session, State
from breakglass.storage.work import Read

BLIND_FOR = 10.0
LOOK_EVERY = 0.5
_log = logging.getLogger(__name__)


def orders(look: Read, node: str) -> Sequence[Session]:
    """Sessions of this node that somebody wants ended."""
    return [s for s in look.find(Session, node=node, wanted=State.ENDED) if s.state is not State.ENDED]


async def obey(sessions: Sessions, bell: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    seen = loop.time()
    while True:
        bell.clear()
        try:
            async with asyncio.timeout(BLIND_FOR / 2):
                waiting = await sessions.store.read(orders, sessions.node)
            seen = loop.time()
            for session in waiting:
                if live := sessions.live.get(session.id):
                    live.order.end(session.why)
            await sessions.put_down()
        except (BreakglassError, TimeoutError, OSError) as error:
            _log.warning("can't look for orders: %s", error)
        except Exception:
            _log.exception("can't look for orders")
        if loop.time() - seen > BLIND_FOR:
            for live in list(sessions.live.values()):
                live.order.end("the gateway can't see any more who may connect")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY):
                await bell.wait()
