#!/usr/bin/env python3
"""Makes docs/pictures/story.svg: the demo's story as its people see it in their terminals. Nothing in it is typed here.

    demo node ◀─ stock ssh ─ a bash on a pseudo-terminal for each person ─▶ bytes ─▶ pyte ─▶ rows ─▶ SVG
        └─ `breakglass recording export` ─▶ asciicast v3 ────────────────────────────▲

The commands are real and so are the answers; the session on the host is not the person's terminal but what Breakglass
itself recorded of it, as an auditor exports it. Each person has a folder of their own as HOME, with the ssh
configuration that docs/guide.md asks for; `ssh` is an alias that reads it from there, because ssh looks for a person's
home in the user database.

Run it in the project's environment, with the terminal emulator that only this tool needs:

    .venv/bin/uv pip install --python .venv/bin/python pyte
    .venv/bin/python tools/picture.py      (half a minute; makes /tmp/demo and /tmp/story, which must not exist)

Look at the result in a browser, in light and in dark, before you commit it.
"""

import codecs
import fcntl
import json
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import pyte

TOP = Path(__file__).resolve().parents[1]
PICTURE = TOP / "docs" / "pictures" / "story.svg"
BREAKGLASS = TOP / ".venv" / "bin" / "breakglass"
DEMO, PEOPLE = Path("/tmp/demo"), Path("/tmp/story")  # noqa: S108 (fresh folders of a demo; their names are seen in the picture)
COLUMNS, ROWS = 110, 40
PATIENCE = 30.0

CONFIG = """\
Host gate
    HostName {host}
    Port {port}
    User {login}
    IdentityFile {home}/.ssh/id_ed25519
    IdentitiesOnly yes
    UserKnownHostsFile {known_hosts}
"""
# The prompt ends in bold, and PS0 ends the bold when the line is entered: what was typed stands out, as in life.
RC = r"""
PS1='\[\e[34m\]{login}\[\e[0m\]$ \[\e[1m\]'
PS0='\e[0m'
PS2='> '
bind 'set enable-bracketed-paste off'
alias ssh='ssh -F {home}/.ssh/config'
alias breakglass='{breakglass} --home {demo} --login {login} --identity {home}/.ssh/id_ed25519'
cd {home}
"""


@dataclass
class Terminal:
    """A person's terminal: what is typed into it, and all that came out."""

    login: str
    master: int
    pid: int
    out: bytes = b""

    def type(self, line: str, *, until: str = "") -> str:
        """Type one line; wait for the prompt, or for the text `until`. Returns what came out since, without colours."""
        before = len(self.out)
        for letter in line + "\n":
            os.write(self.master, letter.encode())
        return self._wait(before, until or f"{self.login}$ ")

    def clear(self) -> None:
        """Begin a new screen, with the prompt that stands there."""
        self.out = self.out.rpartition(b"\n")[2]

    def _wait(self, before: int, ending: str) -> str:
        over = time.monotonic() + PATIENCE
        while time.monotonic() < over:
            ready, _, _ = select.select([self.master], [], [], 0.4)
            if ready:
                self.out += os.read(self.master, 65536)
                continue
            seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.out[before:].decode(errors="replace"))
            if seen.endswith(ending):
                return seen
        raise SystemExit(f"{self.login} waited for {ending!r} in vain:\n{self.out[before:].decode(errors='replace')}")


def terminal(login: str, where: dict[str, Any]) -> Terminal:
    home = PEOPLE / login
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    shutil.copy(DEMO / "demo" / "people" / login, home / ".ssh" / "id_ed25519")
    shutil.copy(DEMO / "demo" / "people" / f"{login}.pub", home / ".ssh" / "id_ed25519.pub")
    facts = {
        "host": where["ssh_host"],
        "port": where["ssh_port"],
        "login": login,
        "home": home,
        "known_hosts": DEMO / "demo" / "known_hosts",
        "breakglass": BREAKGLASS,
        "demo": DEMO,
    }
    (home / ".ssh" / "config").write_text(CONFIG.format(**facts))
    (home / ".bashrc").write_text(RC.format(**facts))
    environment = {"HOME": str(home), "TERM": "xterm-256color", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}
    pid, master = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execvpe("bash", ["bash", "--rcfile", str(home / ".bashrc"), "-i"], environment)  # noqa: S606
    made = Terminal(login, master, pid)
    made._wait(0, f"{login}$ ")
    made.clear()
    return made


# ── the story ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Panel:
    title: str
    screen: bytes = field(repr=False)
    columns: int = COLUMNS


def story() -> list[Panel]:
    """Play it on a new demo; returns the screens."""
    for folder in (DEMO, PEOPLE):
        if folder.exists():
            raise SystemExit(f"{folder} is there already: move it away first.")
    node = subprocess.Popen([BREAKGLASS, "demo", "--home", DEMO], stdout=subprocess.DEVNULL)
    people: dict[str, Terminal] = {}
    try:
        over = time.monotonic() + PATIENCE
        while not (DEMO / "demo" / "ssh_config").exists() and time.monotonic() < over:
            time.sleep(0.2)
        where = json.loads((DEMO / "run" / "node.json").read_text())
        people = {login: terminal(login, where) for login in ("alice", "bo", "dana", "ivy")}
        return _play(**people)
    finally:
        for one in people.values():
            os.close(one.master)
            os.kill(one.pid, signal.SIGHUP)
            os.waitpid(one.pid, 0)
        node.send_signal(signal.SIGINT)
        node.wait(20)


def _play(alice: Terminal, bo: Terminal, dana: Terminal, ivy: Terminal) -> list[Panel]:
    panels = []
    said = alice.type("ssh gate request plant-db1 idp-down 30m historian is down, sign-in too")
    request = _id("req", said)
    panels.append(_shown("Alice asks", alice))

    bo.type(f"ssh gate statement {request} > statement.txt; cat statement.txt")
    bo.type("ssh-keygen -Y sign -n breakglass -f ~/.ssh/id_ed25519 < statement.txt |", until="> ")
    bo.type(f"  ssh gate approve {request}")
    panels.append(_shown("Bo reads what he signs, and signs it with his own key", bo))
    dana.type(f"ssh gate statement {request} |", until="> ")
    dana.type("  ssh-keygen -Y sign -n breakglass -f ~/.ssh/id_ed25519 |", until="> ")
    dana.type(f"  ssh gate approve {request}")
    panels.append(_shown("Dana's is the second signature", dana))

    time.sleep(2)
    alice.type("ssh alice+plant-db1@gate", until="# ")
    for line in (
        "systemctl status coldstore",
        "cat /srv/coldstore/historian.lock",
        "rm /srv/coldstore/historian.lock",
        "systemctl restart coldstore && systemctl status coldstore",
    ):
        alice.type(line, until="# ")
    alice.type("exit")
    alice.clear()
    alice.type("ssh gate close")
    closing = _shown("Alice closes", alice)
    time.sleep(4)

    session = _id("ses", ivy.type("breakglass recording list"))
    ivy.type(f"breakglass recording export {session} --output session.cast --yes")
    cast = (PEOPLE / "ivy" / "session.cast").read_text()
    panels.append(_recorded(cast))
    panels.append(closing)
    ivy.clear()
    ivy.type("breakglass rotate --all")
    ivy.type("breakglass audit verify")
    panels.append(_shown("Ivy audits", ivy))
    return panels


def _shown(title: str, person: Terminal) -> Panel:
    """All but the last line, which is the next prompt."""
    return Panel(title, person.out.rpartition(b"\r\n")[0])


def _recorded(cast: str) -> Panel:
    """asciicast v3: a header, then [seconds since the event before, kind, data]."""
    header, *events = (json.loads(line) for line in cast.splitlines() if not line.startswith("#"))
    out = "".join(data for _, kind, data in events if kind == "o")
    title = "Alice: ssh alice+plant-db1@gate (what Breakglass recorded of it)"
    return Panel(title, out.encode(), columns=header["term"]["cols"])


def _id(kind: str, text: str) -> str:
    found = re.search(rf"\b{kind}_[0-9a-f]{{20}}\b", text)
    if found is None:
        raise SystemExit(f"no {kind}_… in:\n{text}")
    return found[0]


# ── from bytes to a picture ──────────────────────────────────────────────────────────────────────────────────────────

CELL, LINE, SIZE, PAD, BAR, GAP = 7.5, 16.5, 12.5, 14, 26, 14
COLOURS = {"blue": "who"}
STYLE = """\
text{font-family:ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;font-size:12.5px;white-space:pre;fill:#24292f}
.bar{fill:#e7eaee}.box{fill:#f8f9fa;stroke:#c4cad1}.title{fill:#57606a;font-weight:600}
.b{font-weight:700}.who{fill:#0550ae}.dot{fill:#c4cad1}
@media (prefers-color-scheme:dark){text{fill:#d5dbe1}.bar{fill:#22272e}.box{fill:#161b22;stroke:#444c56}
.title{fill:#9aa4af}.who{fill:#79b8ff}.dot{fill:#444c56}}
"""
Run = tuple[int, str, str]
"""Column, classes, text."""


def rows(panel: Panel) -> Sequence[Sequence[Run]]:
    """The screen's lines up to the last one that holds anything, as runs of equal looks."""
    screen = pyte.Screen(panel.columns, 400)
    stream = pyte.Stream(screen)
    stream.feed(codecs.decode(panel.screen, "utf-8", "replace"))
    lines = [list(_runs(screen.buffer[n], panel.columns)) for n in range(screen.lines)]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _runs(line: Any, columns: int) -> Iterator[Run]:
    begin, looks, text = 0, "", ""
    for column in range(columns + 1):
        cell = line[column] if column < columns else None
        now = " ".join(filter(None, (cell.bold and "b", COLOURS.get(cell.fg)))) if cell else None
        if now != looks:
            if text.strip():
                yield begin, looks, text.rstrip()
            begin, looks, text = column, now or "", ""
        text += cell.data if cell else ""


def draw(panels: Sequence[Panel]) -> str:
    width = COLUMNS * CELL + 2 * PAD
    y, parts = 1.0, list[str]()
    for panel in panels:
        lines = rows(panel)
        height = BAR + len(lines) * LINE + PAD
        parts.append(f'<g transform="translate(1 {y:g})">')
        parts.append(f'<rect class="box" width="{width:g}" height="{height:g}" rx="7"/>')
        parts.append(f'<path class="bar" d="M.5 {BAR}V7q0-6.5 6.5-6.5h{width - 14:g}q6.5 0 6.5 6.5v{BAR - 7}z"/>')
        parts.append("".join(f'<circle class="dot" cx="{16 + 14 * n}" cy="13" r="4"/>' for n in range(3)))
        parts.append(f'<text class="title" x="66" y="17.5">{escape(panel.title)}</text>')
        for n, line in enumerate(lines):
            at = BAR + 5 + (n + 0.75) * LINE
            parts += [_text(run, at) for run in line]
        parts.append("</g>")
        y += height + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width + 2:g}" height="{y - GAP + 1:g}" '
        f'viewBox="0 0 {width + 2:g} {y - GAP + 1:g}" role="img" aria-labelledby="t" xml:space="preserve">'
    )
    title = (
        '<title id="t">One emergency in its people\'s terminals: asked, signed twice, repaired, closed, audited</title>'
    )
    return "\n".join([head, title, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def _text(run: Run, at: float) -> str:
    column, looks, text = run
    kind = f' class="{looks}"' if looks else ""
    # The grid's width is said, so that another font than ours moves nothing.
    return f'<text{kind} x="{PAD + column * CELL:g}" y="{at:g}" textLength="{len(text) * CELL:g}">{escape(text)}</text>'


def main() -> None:
    picture = draw(story())
    for word in (str(TOP), str(Path.home()), os.uname().nodename):
        if len(word) > 3 and word in picture:
            sys.exit(f"The picture names {shlex.quote(word)} of this machine.")
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(picture)
    for folder in (DEMO, PEOPLE):
        shutil.rmtree(folder)
    print(f"{PICTURE.relative_to(TOP)}: {len(picture.encode()):,} bytes")


if __name__ == "__main__":
    main()
