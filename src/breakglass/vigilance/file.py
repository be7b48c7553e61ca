"""The channel that is always there: one JSON object a line, in a file of the data folder. So that nothing is silent.

{"id":"dep_…/17","at":"2026-…","severity":"critical","kind":"request.made","about":"req_…","title":"…","body":"…"}
"""

import asyncio
import json
import os
from dataclasses import asdict
from pathlib import Path

from breakglass.errors import Unavailable
from breakglass.plugin_api.notifier import Alert

LARGEST = 16 * 1024 * 1024
"""Bytes; a full file becomes `….1`, in place of the one before it."""


class AlertFile:
    """A `Notifier` that appends to `path` (made with mode 0600) and syncs."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._one = asyncio.Lock()

    async def send(self, alert: Alert) -> None:
        line = json.dumps({**asdict(alert), "at": alert.at.isoformat()}, ensure_ascii=False) + "\n"
        async with self._one:
            try:
                await asyncio.to_thread(self._append, line.encode())
            except OSError as error:
                raise Unavailable(
                    f"The file of alerts can't be written: {error.strerror}.",
                    what_to_do="Make room on the server's disk.",
                ) from None

    def _append(self, line: bytes) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(file).st_size + len(line) > LARGEST:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                os.close(file)
                file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            left = memoryview(line)
            while left:
                left = left[os.write(file, left) :]
            os.fsync(file)
        finally:
            os.close(file)
