"""Named points at which a test can kill the process, to prove that nothing is lost there.

Nothing happens unless the environment names a point: whoever sets a process's environment could kill it anyway.
`BREAKGLASS_FAULT` is the name, `BREAKGLASS_FAULT_ONCE` a file that is made before the kill, so that the process which
is started again lives on.
"""

import os
import signal

POINTS = frozenset(
    {
        "work.before-commit",
        "work.after-commit",
        "outbox.claimed",
        "outbox.done",
        "grant.signed",
        "session.begun",
        "session.released",
        "session.dialled",
        "rotation.staged",
        "rotation.applying",
        "rotation.sent",
        "rotation.applied",
        "rotation.verified",
        "rotation.done",
        "vault.sign.signed",
        "vault.grant.before-persist",
        "vault.grant.persisted",
        "vault.release.before-persist",
        "vault.release.persisted",
    }
)
_armed = os.environ.get("BREAKGLASS_FAULT", "")
_once = os.environ.get("BREAKGLASS_FAULT_ONCE", "")


def reach(point: str) -> None:
    """Die here by SIGKILL when this point is armed."""
    if point != _armed:
        return
    if _once:
        try:
            os.close(os.open(_once, os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            return
    os.kill(os.getpid(), signal.SIGKILL)
