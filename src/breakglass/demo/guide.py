"""What `breakglass demo` prints: the story as commands that a person can paste, one person a block."""

import json
import shlex
import shutil
import sys
from pathlib import Path

from breakglass.demo.world import TARGET, World

CONFIG = """\
Host gate-*
    HostName {ssh_host}
    Port {ssh_port}
    UserKnownHostsFile {known_hosts}
    IdentitiesOnly yes
{people}"""


TAMPER = "UPDATE entry SET leaf = CAST(replace(leaf, 'usr_bo', 'usr_ed') AS BLOB)"


def guide(world: World) -> str:
    """Also writes the ssh configuration that the commands use."""
    where = json.loads(world.home.node_file.read_text())
    config = world.folder / "ssh_config"
    hosts = "".join(
        f"Host gate-{login}\n    User {login}\n    IdentityFile {person.key}\n"
        for login, person in world.people.items()
    )
    known = world.folder / "known_hosts"
    config.write_text(
        CONFIG.format(ssh_host=where["ssh_host"], ssh_port=where["ssh_port"], known_hosts=known, people=hosts)
    )
    ssh = f"ssh -F {shlex.quote(str(config))}"
    sign = f"ssh-keygen -Y sign -n breakglass -f {shlex.quote(str(world.folder / 'people'))}"
    home, copy = shlex.quote(str(world.home.path)), shlex.quote(f"{world.home.path}-copy")
    program = _program()
    breakglass = f"{program} --home {home}"
    ivy = f"{breakglass} --login ivy --identity {shlex.quote(str(world.people['ivy'].key))}"
    links = world.desk.links(where["api"].replace("127.0.0.1", "localhost"))
    doors = "\n".join(f"     {world.people[login].login:<6} {link}" for login, link in links.items())
    return f"""
Breakglass demo. Everything is on this machine, in {world.home.path}. Ctrl-C ends it.
Cold store 2's historian is down, and so is everybody's usual way in.

In a browser: open the first link; a strip at the top leads through the story and changes who you are. Each works once.

{doors}

Or in another terminal, with nothing but ssh:

  1  Alice asks
     {ssh} gate-alice request {TARGET} --condition cnd_idp-down --for 30m historian is down, sign-in too
     {ssh} gate-alice status

  2  Bo and Dana read what they sign, and sign it with their own keys (REQ is the request's id)
     {ssh} gate-bo statement REQ
     {ssh} gate-bo statement REQ | {sign}/bo | {ssh} gate-bo approve REQ
     {ssh} gate-dana statement REQ | {sign}/dana | {ssh} gate-dana approve REQ

  3  Alice goes in, without a password, and fixes it: cat /srv/coldstore/README
     {ssh} alice+{TARGET}@gate-alice

  4  Alice closes; the password changes at once, and the change is proven
     {ssh} gate-alice close REQ
     {ssh} gate-alice show REQ

  5  Ivy, the auditor, replays each session (SES) and signs the review (REV); until then nobody gets root there again
     {ivy} recording list
     {ivy} recording export SES --output session.cast
     {ivy} review list
     {ivy} review sign REV --classification drill --summary "Removed a stale lock."

  6  Anybody checks the log; then change one name in a copy of it, and check again
     {breakglass} audit verify
     mkdir {copy} && cp {home}/breakglass.* {copy}
     sqlite3 {copy}/breakglass.db "{TAMPER}"
     {program} --home {copy} audit verify
"""


def _program() -> str:
    """How this shell starts `breakglass`: by its name, or by its place in an environment that is not on PATH."""
    beside = Path(sys.executable).with_name("breakglass")
    return "breakglass" if shutil.which("breakglass") or not beside.exists() else shlex.quote(str(beside))
