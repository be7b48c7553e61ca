"""Named points at which a test can kill a process, to prove that nothing is lost there.

    work.before-commit            a point of its own
    step:ask.ask:before-commit    inside of something that has a name: the flow's step, the vault's call, the duty

Nothing happens unless the environment names points: whoever sets a process's environment could kill it anyway.
`BREAKGLASS_FAULT` are names with commas between; `BREAKGLASS_FAULT_ONCE` is a folder in which each leaves a file with
the process's id before it strikes, so that each strikes once, also in the process that is started again.
`BREAKGLASS_FAULT_SIGNAL` is what it strikes with: `KILL`, or `STOP` for who wants to kill another process then.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

POINTS = frozenset(
    {
        "work.before-commit",
        "work.after-commit",
        "log.signed",
        "outbox.claimed",
        "outbox.done",
        "grant.signed",
        "session.begun",
        "session.released",
        "session.dialled",
        "recording.made",
        "recording.written",
        "recording.synced",
        "recording.ended",
        "rotation.staged",
        "rotation.applying",
        "rotation.sent",
        "rotation.applied",
        "rotation.verified",
        "rotation.done",
        "rotation.resetting",
        "rotation.reset",
        "account.enabling",
        "account.enable-sent",
        "account.enabled",
        "account.disabling",
        "account.disable-sent",
        "account.disabled",
        "roster.adopted",
        "migration.before-commit",
        "migration.after-commit",
        "vault.opened",
        "kek.rewrapping",
        "kek.rewrapped",
        "kek.retiring",
    }
)
INSIDE = frozenset({"before-commit", "after-commit", "began", "ended", "written", "renamed"})
"""Points that count inside of what has a name: a step's commit, a duty, a call of the vault and its file."""
_armed = frozenset(filter(None, os.environ.get("BREAKGLASS_FAULT", "").split(",")))
_once = os.environ.get("BREAKGLASS_FAULT_ONCE", "")
_signal = getattr(signal, f"SIG{os.environ.get('BREAKGLASS_FAULT_SIGNAL', 'KILL')}", signal.SIGKILL)
_thread = threading.local()


def reach(point: str) -> None:
    """Die here by SIGKILL when this point is armed."""
    if _armed:
        _reach(point)
        if scope := getattr(_thread, "scope", ""):
            _reach(f"{scope}:{point}")


@contextmanager
def inside(kind: str, name: str) -> Iterator[None]:
    """On this thread, points are also those of `KIND:NAME`."""
    before, _thread.scope = getattr(_thread, "scope", ""), f"{kind}:{name}"
    try:
        yield
    finally:
        _thread.scope = before


def name_of(step: object) -> str:
    """A step's name as points have it: `ask.ask`."""
    return f"{str(getattr(step, '__module__', '')).rpartition('.')[2]}.{getattr(step, '__name__', '')}"


def _reach(point: str) -> None:
    if point not in _armed:
        return
    if _once:
        try:
            file = os.open(f"{_once}/{point}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return
        os.write(file, str(os.getpid()).encode())
        os.close(file)
    os.kill(os.getpid(), _signal)
