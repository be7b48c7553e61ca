"""A process that appends to a log from several threads, and puts down what was acknowledged: to be killed."""

import os
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from breakglass.audit.log import Log
from breakglass.errors import BreakglassError
from breakglass.model.change import Fact
from breakglass.model.people import SYSTEM
from breakglass.storage.store import Store
from breakglass.storage.work import Work
from tests.audit.kit import Signer

THREADS = 6


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def append(url: str, acknowledged: str, name: str) -> None:
    """For ever. A line of the file `acknowledged`, written at once, is an entry of which somebody was told that it is
    durable; its first line says that the log is open."""
    log = Log(Signer())
    store = Store(url, log, {}, Clock(), name)
    with store.engine.begin() as conn:
        log.open(conn)
    store.start()
    parent = os.getppid()
    told = os.open(Path(acknowledged), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def produce(thread: int) -> None:
        n = 0
        while os.getppid() == parent:  # nobody is left behind when the test dies
            about = f"sgn_{name}-{thread}-{n}"
            try:
                store.submit(SYSTEM, note, about, n).result(30)
            except BreakglassError:  # refused, as when the database is away: nobody was told anything
                continue
            os.write(told, f"{about}\n".encode())
            n += 1

    os.write(told, b"open\n")
    threads = [threading.Thread(target=produce, args=(n,), daemon=True) for n in range(THREADS)]
    for one in threads:
        one.start()
    threads[0].join()


def note(work: Work, about: str, n: int) -> None:
    work.note(Fact("sign_in.made", about, {"n": n}))
