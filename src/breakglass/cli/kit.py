"""The emergency kit: what there is, having one made, its copies and their pages, and saying that one was used."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from breakglass.cli.decide import SignatureFile, TextFile, brought
from breakglass.cli.groups import group, of

if TYPE_CHECKING:
    from breakglass.cli.server import Server

app = group("show", "The emergency kit. Also: kit issue, fetch, pages, used, opener.")
Number = Annotated[int, typer.Argument(min=1, metavar="NUMBER")]
WAIT = 600.0
"""Seconds for the passwords of its accounts to change."""


@app.command()
def show(ctx: typer.Context) -> None:
    """Which kits there are, and whether the newest one would help."""
    from breakglass.cli.printing import show as printed
    from breakglass.cli.server import server
    from breakglass.views import kits as views

    options = of(ctx)
    printed(options, server(options).get("/kits"), views.Kits, views.lines)


@app.command()
def issue(
    ctx: typer.Context,
    copies: Annotated[int, typer.Option(help="How many copies; without it: sign what another began.", min=0)] = 0,
    signature: SignatureFile = None,
    text: TextFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
) -> None:
    """Have a new kit made (custodians). The passwords of its accounts change first; two custodians sign the same."""
    from breakglass.cli.printing import show as printed
    from breakglass.cli.server import server
    from breakglass.cli.signing import sign_statement
    from breakglass.views import kits as views

    options = of(ctx)
    body, node = brought(signature, text), server(options)
    if body is None:
        if copies:
            node.post("/kits", {"copies": copies})
        drawn = _statement(node, wait=bool(copies))
        subject = f"{node.status()['deployment']}/kit"
        body = {"signature": sign_statement(options, drawn, kind="kit", subject=subject, yes=yes), "text": drawn}
    printed(options, node.post("/kits/sign", body), views.Kits, views.lines)


@app.command()
def fetch(
    ctx: typer.Context,
    number: Number,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="A folder: one file for each copy.")],
) -> None:
    """Write the encrypted copies of a kit, each with its page to print (custodians)."""
    from breakglass.cli.files import write_new
    from breakglass.cli.kit_pages import page_of
    from breakglass.cli.printing import out
    from breakglass.cli.server import server
    from breakglass.errors import NotFound

    options = of(ctx)
    node = server(options)
    known = {one["number"]: one for one in node.get("/kits")["kits"]}
    if number not in known:
        raise NotFound(f"There is no kit {number}.", what_to_do="Look at `breakglass kit`.")
    output.mkdir(mode=0o700, exist_ok=True)
    written: list[str] = []
    for copy, canary in enumerate(known[number]["canaries"], 1):
        data = node.send("GET", f"/kits/{number}/{copy}").content
        page = page_of(data, canary, _codes(data))
        for ending, content in (("bgk", data), ("html", page.encode())):
            path = output / f"kit-{number}-copy-{copy}.{ending}"
            write_new(path, content)
            written.append(str(path))
    write_new(output / "open_kit.py", _opener().encode())
    out(options, {"files": written}, lambda: [*written, f"{output / 'open_kit.py'} opens them, without Breakglass."])


@app.command()
def used(
    ctx: typer.Context,
    number: Number,
    because: Annotated[str, typer.Option(help="Who used it, or where it was lost. It stays in the log.")],
) -> None:
    """Say that a kit was used, or is gone: the passwords of all its accounts change."""
    from breakglass.cli.printing import show as printed
    from breakglass.cli.server import server
    from breakglass.views import kits as views

    options = of(ctx)
    printed(options, server(options).post(f"/kits/{number}/used", {"because": because}), views.Kits, views.lines)


@app.command()
def opener() -> None:
    """Print the program that opens a kit with shares, Python and `cryptography` alone, as one file to take along."""
    sys.stdout.write(_opener())


def _statement(node: "Server", *, wait: bool) -> str:
    """The text to sign; whoever began waits for the passwords that change first."""
    from breakglass.cli.printing import note
    from breakglass.errors import WrongState

    deadline, said = time.monotonic() + WAIT, False
    while True:
        try:
            return str(node.post("/kits/statement")["text"])
        except WrongState:
            if not wait or time.monotonic() > deadline:
                raise
        if not said:
            note("The passwords of its accounts change first …")
            said = True
        time.sleep(1)


def _codes(data: bytes) -> list[str]:
    """The file as QR codes, as SVG; each says which part it is."""
    from breakglass.cli.kit_pages import parts_of
    from breakglass.web.qr import qr

    return [str(qr(part)) for part in parts_of(data)]


def _opener() -> str:
    from importlib.resources import files

    return (files("breakglass.standalone") / "open_kit.py").read_text()
