"""What is broken on the demo host, and how a person finds and fixes it.

The cold store's historian died and left its lock file; nobody may start it again before the lock is gone.

    systemctl status coldstore     failed: another historian holds the lock
    rm /srv/coldstore/historian.lock
    systemctl restart coldstore    active; /srv/coldstore/health says OK

All of the state is files on the host's own disk, so that it is the same from a shell, over sftp and after a restart.
`systemctl` stands here twice, as a script for the real shell and as functions for the small one; both act on those
files.
"""

from collections.abc import Sequence
from pathlib import Path

UNIT = "coldstore"
_LOCK, _HEALTH, _LOG = "srv/coldstore/historian.lock", "srv/coldstore/health", "srv/coldstore/historian.log"

README = """\
Cold store 2: the historian writes the temperature of every room once a minute.
If it stops, food can't be released.

  health file        /srv/coldstore/health            says OK or FAILED
  log                /srv/coldstore/historian.log
  is it running?     systemctl status coldstore
  start it again     systemctl restart coldstore

It never starts while /srv/coldstore/historian.lock exists: two historians would mix their records.
Look into the lock: if the process that it names is gone, the lock is stale and may be deleted.
"""

_STALE_LOCK = "pid 4211, since 03:12, on plant-db1 (not running any more: the power dipped at 03:14)\n"
_FIRST_LOG = """\
03:12:04 historian started, 14 rooms
03:14:31 power dip
03:15:02 historian: lock /srv/coldstore/historian.lock is held by pid 4211; not starting
03:15:02 coldstore.service: failed
"""

GREETING = """\
plant-db1: cold store 2, historian and database
! coldstore has failed. Begin with: cat /srv/coldstore/README
"""

SYSTEMCTL = """\
#!/bin/sh
# systemctl of the demo host: the one unit that it has, coldstore
here=/srv/coldstore
unit=${2%.service}
case $unit in
  coldstore|coldstore-historian) ;;
  '') echo 'usage: systemctl status|start|stop|restart coldstore' >&2; exit 1 ;;
  *) echo "Unit $2 could not be found." >&2; exit 4 ;;
esac
case $1 in
  status)
    if [ "$(cat $here/health 2>/dev/null)" = OK ]; then
      echo '* coldstore.service - historian of cold store 2'; echo '     Active: active (running)'; exit 0
    fi
    echo 'x coldstore.service - historian of cold store 2'; echo '     Active: failed'
    tail -n 3 $here/historian.log; exit 3 ;;
  is-active) if [ "$(cat $here/health 2>/dev/null)" = OK ]; then echo active; else echo failed; exit 3; fi ;;
  stop) echo FAILED > $here/health; echo 'stopped by systemctl' >> $here/historian.log ;;
  start|restart)
    if [ -e $here/historian.lock ]; then
      echo FAILED > $here/health
      echo 'historian: lock /srv/coldstore/historian.lock is held; not starting' >> $here/historian.log
      echo 'Job for coldstore.service failed. See: systemctl status coldstore' >&2; exit 1
    fi
    echo OK > $here/health; echo 'historian started, 14 rooms' >> $here/historian.log ;;
  *) echo "Unknown command verb $1." >&2; exit 1 ;;
esac
"""


def plant(disk: Path) -> None:
    """Put the fault on a new disk; a disk that has the story already is left as the people left it."""
    if (disk / "srv/coldstore").exists():
        return
    for folder in ("root", "srv/coldstore"):
        (disk / folder).mkdir(parents=True, exist_ok=True)
    (disk / "srv/coldstore/README").write_text(README)
    (disk / _LOCK).write_text(_STALE_LOCK)
    (disk / _LOG).write_text(_FIRST_LOG)
    (disk / _HEALTH).write_text("FAILED\n")


def is_healthy(disk: Path) -> bool:
    """Whether a person has fixed it."""
    file = disk / _HEALTH
    return file.is_file() and not file.is_symlink() and file.read_bytes()[:16].strip() == b"OK"


def systemctl(disk: Path, words: Sequence[str]) -> tuple[int, str]:
    """Exit status and text, as the script gives them."""
    if len(words) < 2:
        return 1, f"usage: systemctl status|start|stop|restart {UNIT}\n"
    verb, unit = words[0], words[1].removesuffix(".service")
    if unit not in (UNIT, f"{UNIT}-historian"):
        return 4, f"Unit {words[1]} could not be found.\n"
    match verb:
        case "status" if is_healthy(disk):
            return 0, "* coldstore.service - historian of cold store 2\n     Active: active (running)\n"
        case "status":
            last = (disk / _LOG).read_text(errors="replace").splitlines()[-3:] if (disk / _LOG).is_file() else []
            return 3, "\n".join(
                ("x coldstore.service - historian of cold store 2", "     Active: failed", *last)
            ) + "\n"
        case "is-active":
            return (0, "active\n") if is_healthy(disk) else (3, "failed\n")
        case "stop":
            return _became(disk, "FAILED", "stopped by systemctl")
        case "start" | "restart":
            if (disk / _LOCK).exists():
                _became(disk, "FAILED", "historian: lock /srv/coldstore/historian.lock is held; not starting")
                return 1, "Job for coldstore.service failed. See: systemctl status coldstore\n"
            return _became(disk, "OK", "historian started, 14 rooms")
        case _:
            return 1, f"Unknown command verb {verb}.\n"


def _became(disk: Path, health: str, line: str) -> tuple[int, str]:
    (disk / _HEALTH).write_text(f"{health}\n")
    with (disk / _LOG).open("a") as log:
        log.write(f"{line}\n")
    return 0, ""
