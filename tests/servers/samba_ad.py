"""A real Active Directory domain controller: Samba's, from Debian's packages, LDAP over TLS alone, on a loopback
address of its own (its port can't be chosen); gone afterwards.

with running_samba() as server:     Samba(host, 636, tls, …); accounts in CN=Users,DC=example,DC=test
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from breakglass.model.secret import Secret
from breakglass.testing.rotator_contract import fresh_secret
from tests.servers.process import end, until_it_answers
from tests.servers.tls import Certified, certified

SUFFIX = "DC=example,DC=test"
PORT = 636


@dataclass(slots=True)
class Samba:
    folder: Path
    host: str
    tls: Certified
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def port(self) -> int:
        return PORT

    @property
    def settings(self) -> Path:
        return self.folder / "dc" / "etc" / "smb.conf"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def tool(self, *words: str) -> None:
        command = ["samba-tool", *words, f"--configfile={self.settings}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"samba-tool {words[0]}: {done.stderr}")

    def account(self) -> tuple[str, Secret]:
        """DN and password."""
        name, password = f"bg{secrets.token_hex(5)}", fresh_secret()
        self.tool("user", "create", name, "--random-password")
        self.set_password(name, password)
        return f"CN={name},CN=Users,{SUFFIX}", password

    def set_password(self, name: str, password: Secret) -> None:
        """As an administrator does; it stands in no command line."""
        text = password.reveal().decode()
        code = (
            "from samba.samdb import SamDB; from samba.param import LoadParm; from samba.auth import system_session; "
            "import sys; lp = LoadParm(); lp.load(sys.argv[1]); "
            "SamDB(session_info=system_session(), lp=lp).setpassword('(sAMAccountName=' + sys.argv[2] + ')', "
            "sys.stdin.read())"
        )
        subprocess.run(
            ["/usr/bin/python3", "-c", code, str(self.settings), name], input=text, text=True, check=True, timeout=60
        )

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["/usr/sbin/samba", "-i", "-M", "single", f"--configfile={self.settings}", "--debug-stdout", "-d1"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until_it_answers(self.process, self.host, PORT, self.log, within=60)

    def stop(self, how: int = signal.SIGTERM) -> None:
        end(self.process, how)


@contextmanager
def running_samba() -> Iterator[Samba]:
    if os.geteuid() != 0 or not Path("/usr/sbin/samba").exists():
        raise RuntimeError("this test needs root and Debian's packages samba-ad-dc and samba-ad-provision")
    folder = Path(tempfile.mkdtemp(prefix="bgad"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    server = Samba(folder, f"127.0.88.{worker + 1}", certified(folder))
    try:
        admin = fresh_secret().reveal().decode()
        made = subprocess.run(
            ["samba-tool", "domain", "provision", "--realm=EXAMPLE.TEST", "--domain=EXAMPLE", "--server-role=dc",
             "--dns-backend=NONE", f"--targetdir={folder / 'dc'}", f"--option=interfaces={server.host}/8",
             "--option=bind interfaces only=yes"],
            input=f"{admin}\n", capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"samba-tool domain provision: {made.stderr[-2000:]}")
        lines = [
            "server services = ldap", f"tls certfile = {server.tls.certificate}", f"tls keyfile = {server.tls.key}",
            "tls cafile =", f"pid directory = {folder}", f"log file = {folder / 'log.smb'}",
            f"ncalrpc dir = {folder / 'ncalrpc'}",
        ]  # fmt: skip
        text = "\n".join(
            line for line in server.settings.read_text().splitlines()
            if not line.strip().startswith(("server services", "log file"))
        )  # fmt: skip
        server.settings.write_text(text.replace("[global]", "[global]\n\t" + "\n\t".join(lines), 1))
        server.tool("domain", "passwordsettings", "set", "--min-pwd-age=0", "--history-length=5",
                    "--account-lockout-threshold=4")  # fmt: skip
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
