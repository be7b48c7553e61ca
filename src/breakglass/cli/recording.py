"""Recordings: which there are, and seeing one, which an auditor signs for."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from breakglass.cli.groups import group, of

app = group("list", "What was recorded. Also: recording export.")


@app.command("list")
def list_(ctx: typer.Context, limit: Annotated[int, typer.Option(min=1, max=500)] = 50) -> None:
    """Recordings by session, the newest first; a missing one is said loudly."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    show_all(options, server(options).get("/sessions", limit=limit), shapes.Session, words.recordings)


@app.command()
def export(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="SESSION")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it; - for standard output.")],
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
) -> None:
    """Write a session as asciicast v3 (`asciinema play FILE`). You sign that you are about to see it."""
    from breakglass.cli.files import write_new
    from breakglass.cli.printing import out
    from breakglass.cli.server import server
    from breakglass.cli.signing import sign_statement
    from breakglass.errors import Malformed
    from breakglass.model.ids import checked

    options = of(ctx)
    checked("ses", id)
    if output.exists():
        raise Malformed(f"{output} is there already.", what_to_do="Name a new file.")
    node = server(options)
    text = node.post(f"/sessions/{id}/replay-statement")["text"]
    body = {"signature": sign_statement(options, text, kind="replay", subject=id, yes=yes), "text": text}
    cast = node.send("POST", f"/sessions/{id}/replay", json=body).content
    if str(output) == "-":
        sys.stdout.buffer.write(cast)
        return
    write_new(output, cast)
    out(options, {"session": id, "file": str(output), "bytes": len(cast)}, lambda: [f"{output}: {len(cast)} bytes"])
