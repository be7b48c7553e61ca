"""sftp and scp on the demo host: its own disk and nothing else, with the paths that its shell shows.

A path is followed to its end before anything is done with it, and must end inside the disk: a link that somebody made
in the shell is shown and can be deleted, and leads nowhere. Between that look and the act a shell of the same person
could still swap a folder for a link; this is a demo on loopback for the person who started it, no wall between tenants.
"""

import os
import posixpath
from pathlib import Path

import asyncssh

_HOME = b"/root"


class Files(asyncssh.SFTPServer):
    """One session's files."""

    def __init__(self, channel: "asyncssh.SSHServerChannel[bytes]", disk: Path) -> None:
        self._disk = disk.resolve()
        super().__init__(channel, chroot=os.fsencode(self._disk))

    def exit(self) -> None:
        """asyncssh's own server ends without an exit status, and `scp` takes that for a failure."""
        self.channel.exit(0)

    def map_path(self, path: bytes) -> bytes:
        return os.fsencode(self._inside(path, follow=True))

    def lstat(self, path: bytes) -> os.stat_result:
        return self._inside(path, follow=False).lstat()

    def remove(self, path: bytes) -> None:
        self._inside(path, follow=False).unlink()

    def symlink(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("no links here")

    def link(self, oldpath: bytes, newpath: bytes) -> None:
        raise asyncssh.SFTPPermissionDenied("no links here")

    def format_user(self, uid: int | None) -> str:
        return "root"

    def format_group(self, gid: int | None) -> str:
        return "root"

    def _inside(self, path: bytes, *, follow: bool) -> Path:
        """The local path; `follow` looks through a link at its end too, and otherwise only at the folders before it."""
        wanted = self._disk / os.fsdecode(posixpath.normpath(posixpath.join(_HOME, path)).lstrip(b"/"))
        try:
            ends = wanted.resolve() if follow or wanted == self._disk else wanted.parent.resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links, or no path at all
            raise asyncssh.SFTPNoSuchFile("no such file") from None
        if not ends.is_relative_to(self._disk):
            raise asyncssh.SFTPPermissionDenied("outside of this host's disk")
        return wanted
