"""The machine and the versions that a table of ratios belongs to."""

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

PACKAGES = ("asyncssh", "cryptography", "uvloop", "sqlalchemy", "pymerkle")


def describe() -> dict[str, str]:
    """Lines for people: what it ran on, with which versions."""
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return {
        "Processor": f"{_processor()}, {os.cpu_count()} cores",
        "Memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "System": f"{_system()}, Linux {platform.release().split('-')[0]}",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Packages": packages,
        "OpenSSH": _openssh(),
        "OpenSSL": f"{backend.openssl_version_text()} (in cryptography)",
        "SQLite": sqlite3.sqlite_version,
        "Breakglass": version("breakglass"),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return platform.system()


def _openssh() -> str:
    ran = subprocess.run(["ssh", "-V"], check=True, capture_output=True, text=True, timeout=10)
    return ran.stderr.strip().partition(",")[0]
