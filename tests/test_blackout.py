"""Everything outside is down, and the vault's key file is gone: k custodians open it, and the emergency works.

The story runs in network namespaces of its own: one with nothing but loopback, and one with a way out on which nothing
ever answers, so that each name takes the resolver's full patience (20 s here).
"""

import os
import socket
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.blackout.in_the_dark import HOST

pytestmark = pytest.mark.server
STORY = Path(__file__).parent / "blackout" / "in_the_dark.py"
NOTHING = """ip link set lo up
mount --bind "$HOSTS" /etc/hosts
"""
NO_ANSWER = f"""{NOTHING}
ip link add dark0 type veth peer name dark1
ip address add 198.51.100.2/24 dev dark0
ip link set dark0 up
ip link set dark1 up
ip neighbour add 198.51.100.1 lladdr 02:00:00:00:00:01 dev dark0
ip route add default via 198.51.100.1
mount --bind "$RESOLV" /etc/resolv.conf
"""


@pytest.mark.parametrize("outside", [NOTHING, NO_ANSWER], ids=["no network", "no answer to any name"])
def test_without(outside: str) -> None:
    with TemporaryDirectory() as folder:  # a socket's path has at most 107 bytes
        in_the_dark(outside, Path(folder))


def in_the_dark(outside: str, folder: Path) -> None:
    resolv, hosts = folder / "resolv.conf", folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {socket.gethostname()} {HOST}\n")
    resolv.write_text("nameserver 198.51.100.1\n")
    tests = f"{sys.executable} -m pytest -q -p no:cacheprovider -p no:xdist --basetemp {folder / 'dark'} {STORY}"
    ran = subprocess.run(
        ["unshare", "--net", "--mount", "bash", "-euc", f"{outside}\nexec {tests}"],
        env={**os.environ, "RESOLV": str(resolv), "HOSTS": str(hosts)},
        cwd=STORY.parents[2],
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-4000:] + ran.stderr[-2000:]
    assert "1 passed" in ran.stdout
