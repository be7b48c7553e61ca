"""A real shell in a box of its own: bubblewrap, without network, with nothing of this machine but its programs.

    /usr /bin /lib …   this machine's, read-only         /root /srv    the demo host's own disk, kept
    /etc               a handful of files of our own     /tmp /run …   empty, gone with the session
    own user, pid, net, ipc, uts and cgroup namespaces; no capabilities; it dies with the process that started it

Where bubblewrap can't do this (no user namespaces), `works()` says so and the small shell stands in.
"""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from breakglass.demo.fault import SYSTEMCTL

HOSTNAME = "plant-db1"
PATH = "/opt/plant/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"
_TMPFS = str(64 * 1024 * 1024)

_ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/bash\noperator:x:1000:1000:operator:/home/operator:/bin/sh\n",
    "group": "root:x:0:\noperator:x:1000:\n",
    "hostname": f"{HOSTNAME}\n",
    "hosts": f"127.0.0.1 localhost {HOSTNAME}\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "os-release": 'NAME="Plant Linux"\nPRETTY_NAME="Plant Linux (Breakglass demo)"\nID=plant\n',
}


class Sandbox:
    """How to start something inside the box; `folder` holds `disk/` and the box's own files."""

    def __init__(self, folder: Path) -> None:
        self.disk, self._etc, self._bin = folder / "disk", folder / "etc", folder / "bin"
        self._bwrap = shutil.which("bwrap") or ""
        self._shell = shutil.which("bash") or "/bin/sh"

    def prepare(self) -> None:
        for folder in (self.disk / "root", self.disk / "srv", self._etc, self._bin):
            folder.mkdir(parents=True, exist_ok=True)
        for name, content in _ETC.items():
            (self._etc / name).write_text(content)
        (self._bin / "systemctl").write_text(SYSTEMCTL)
        (self._bin / "systemctl").chmod(0o755)

    async def works(self) -> bool:
        """Starts a command in it and sees whether it answers."""
        if not self._bwrap:
            return False
        try:
            process = await asyncio.create_subprocess_exec(
                *self.command("test -d /srv && id -u", {}),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                async with asyncio.timeout(10):
                    output, _ = await process.communicate()
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        except (OSError, TimeoutError):
            return False
        return process.returncode == 0 and output.strip() == b"0"

    def command(self, command: str | None, environment: Mapping[str, str]) -> Sequence[str]:
        """The argument list for one command, or for a shell; to be started as a session of its own."""
        shell = [self._shell, "-c", command] if command is not None else [self._shell, "-i"]
        return [self._bwrap, *self._box(environment), "--", *shell]

    def on_terminal(self, command: str | None, environment: Mapping[str, str]) -> Sequence[str]:
        """The same for a terminal on standard input: `setsid -c` makes it the controlling one (job control, ctrl-C).
        It is a terminal made for this session only, so there is none outside that could be typed into."""
        setsid = shutil.which("setsid") or "setsid"
        return [setsid, "-c", *self.command(command, environment)]

    def _box(self, environment: Mapping[str, str]) -> Sequence[str]:
        box = ["--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0", "--hostname", HOSTNAME]
        box += ["--die-with-parent", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"]
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            real = Path("/") / name
            if real.is_symlink():
                box += ["--symlink", str(real.readlink()), f"/{name}"]
            elif real.is_dir():
                box += ["--ro-bind", f"/{name}", f"/{name}"]
        box += ["--proc", "/proc", "--dev", "/dev", "--dir", "/etc"]
        for name in _ETC:
            box += ["--ro-bind", str(self._etc / name), f"/etc/{name}"]
        for system in ("/etc/ld.so.cache", "/etc/alternatives", "/etc/terminfo"):
            box += ["--ro-bind-try", system, system]
        for empty in ("/tmp", "/run", "/var", "/home/operator"):  # noqa: S108 (the box's own, not this machine's)
            box += ["--size", _TMPFS, "--tmpfs", empty]
        box += ["--ro-bind", str(self._bin), "/opt/plant/bin"]
        box += ["--bind", str(self.disk / "root"), "/root", "--bind", str(self.disk / "srv"), "/srv"]
        box += ["--remount-ro", "/", "--chdir", "/root", "--clearenv"]
        given = {
            "PATH": PATH,
            "HOME": "/root",
            "USER": "root",
            "LOGNAME": "root",
            "SHELL": self._shell,
            "LANG": "C.UTF-8",
            "PS1": r"\u@\h:\w# ",
            **environment,
        }
        for key, value in given.items():
            box += ["--setenv", key, value]
        return box
