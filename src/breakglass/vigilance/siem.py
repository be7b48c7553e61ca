"""The log's copy in a SIEM: OCSF events in syslog over TLS (RFC 5424, 5425), in the log's order, at least once.

    log ──▶ entries behind the cursor ──▶ frames ──▶ TLS ──▶ collector
                    ▲                                  │ its kernel has taken all of it
                    └──────── cursor, on disk ◀────────┘

The log itself is the spool: nothing is kept twice, and nothing is lost while the collector is away; then it is tried
again, later and later, and the log is told once (`siem.waits`), and once when it goes on.
"""

import asyncio
import contextlib
import json
import logging
import os
import re
from datetime import datetime
from pathlib import Path

from breakglass.audit.event import Event, parse
from breakglass.audit.evidence import leaves_from
from breakglass.codec import syslog
from breakglass.codec.private import ERASED, restore
from breakglass.errors import Malformed, Tampered, Unavailable
from breakglass.flow.estate import Estate
from breakglass.model.people import SYSTEM
from breakglass.storage.openings import Openings
from breakglass.storage.store import Store
from breakglass.views.book import Book
from breakglass.views.facts import sentence
from breakglass.vigilance import ocsf
from breakglass.vigilance.outside import Outside
from breakglass.vigilance.syslog_line import Collector, Line

SOME = 256
"""Entries in one go; then the cursor is moved."""
LOOK_EVERY = 2.0
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
_PERSON = re.compile(r"^person: (\S+)$", re.MULTILINE)
_log = logging.getLogger(__name__)


class Siem:
    def __init__(self, store: Store, estate: Estate, collector: Collector, cursor: Path, *, node: str) -> None:
        self.store, self.estate, self.node = store, estate, node
        self.collector, self.line = collector, Line(collector)
        self.cursor = cursor

    async def work(self, bell: asyncio.Event) -> None:
        """Send for the node's life."""
        outside = Outside(self.store, "siem", self.node, first=FIRST_PAUSE, longest=LONGEST_PAUSE)
        try:
            while True:
                try:
                    more = await self.send_some()
                    await outside.answered()
                except (OSError, TimeoutError, Unavailable) as error:
                    await self.line.hang_up()
                    why = str(error) or type(error).__name__
                    _log.warning("the SIEM at %s:%d: %s", self.collector.host, self.collector.port, why)
                    await outside.failed(why)
                    continue
                if not more:
                    bell.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(LOOK_EVERY):
                            await bell.wait()
        finally:
            await self.line.hang_up()

    async def send_some(self) -> bool:
        """The entries behind the cursor, some of them; True when there were any."""
        start = await asyncio.to_thread(self._read)
        found = await self.store.read(leaves_from, start, SOME)
        if not found:
            return False
        frames = b"".join(syslog.framed(self._message(index, leaf, opened)) for index, leaf, opened in found)
        await self.line.send(frames)
        await asyncio.to_thread(self._write, found[-1][0] + 1)
        return True

    def _message(self, index: int, leaf: bytes, opened: Openings) -> bytes:
        roster = self.estate.roster
        try:
            event = parse(leaf)
            event = event._replace(data=restore(event.data, opened, ERASED))
        except (Malformed, Tampered):  # it is told and passed: what is behind it must not wait for it
            now = self.store.now().isoformat(timespec="microseconds")
            event = Event("vault.tampered", now, SYSTEM.id, str(index), {"why": f"Entry {index} can't be read."})
        text = sentence(Book(self.estate.chain, str), kind=event.kind, about=event.about, by=event.by, data=event.data)
        shape = _PERSON.search(str(event.data.get("token", "")))
        made = ocsf.ocsf(
            event,
            index=index,
            deployment=roster.deployment,
            origin=roster.origin,
            text=text,
            person=shape[1] if shape else "",
        )
        return syslog.message(
            json.dumps(made, separators=(",", ":")),
            at=datetime.fromisoformat(event.at),
            severity=ocsf.severity(event.kind),
            host=self.node,
            kind=event.kind,
            facts={"deployment": roster.deployment, "index": str(index)},
        )

    # -- the cursor ----------------------------------------------------------------------------------------------------
    def _read(self) -> int:
        """Index of the first entry that was not taken yet. A file that can't be read begins anew: twice is allowed."""
        try:
            found = json.loads(self.cursor.read_text())["next"]
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return found if isinstance(found, int) and found >= 0 else 0

    def _write(self, index: int) -> None:
        fresh = self.cursor.with_name(f"{self.cursor.name}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"next": index}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.cursor)
