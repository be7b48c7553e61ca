"""What the vault's process asks of Linux for itself: no core dump, no tracer, nothing in swap, no orphan's life.

None of this stops root. It stops accidents (a core file with keys) and other processes of the same user (ptrace(2),
/proc/PID/mem: a process that is not dumpable can be read by neither).
"""

import ctypes
import os
import resource
import signal

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def harden() -> bool:
    """True when memory was also locked, which needs a right or a limit. Raises `OSError` when the rest is denied."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    _prctl(libc, _PR_SET_DUMPABLE, 0)
    try:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        # With a limit, locking what will be allocated makes later allocations fail: worse than swap.
        return False
    # On fault: the untouched part of a thread's stack costs nothing.
    return bool(libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0)


def die_with_parent(parent: int) -> None:
    """Get SIGTERM when the thread that started us ends (prctl(2)). `parent` is who it was at our start."""
    _prctl(ctypes.CDLL(None, use_errno=True), _PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        # It died before the call: no signal will come.
        os.kill(os.getpid(), signal.SIGTERM)


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, ctypes.c_ulong(value), ctypes.c_ulong(0), ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
