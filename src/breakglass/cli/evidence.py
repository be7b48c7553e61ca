"""Evidence of one request as a file for outsiders: exported, verified, and the verifier that needs no Breakglass."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from breakglass.cli.groups import of

app = typer.Typer(help="Evidence of a request: export, verify, play, verifier.", rich_markup_mode=None)


@app.command()
def export(
    ctx: typer.Context,
    request: Annotated[str, typer.Argument(metavar="REQUEST")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it; - for standard output.")],
) -> None:
    """Write all that the log holds of a request, with its proofs (auditors, custodians, administrators)."""
    from breakglass.cli.files import write_new
    from breakglass.cli.printing import out
    from breakglass.cli.server import LONG, server
    from breakglass.errors import Malformed
    from breakglass.model.ids import checked

    options = of(ctx)
    checked("req", request)
    if output.exists():
        raise Malformed(f"{output} is there already.", what_to_do="Name a new file.")
    data = server(options).send("POST", f"/requests/{request}/evidence", timeout=LONG).content
    if str(output) == "-":
        sys.stdout.buffer.write(data)
        return
    write_new(output, data)
    told = f"{output}: {len(data)} bytes. Check it: breakglass evidence verify {output} --roster-hash …"
    out(options, {"request": request, "file": str(output), "bytes": len(data)}, lambda: [told])


@app.command()
def verify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    roster_hash: Annotated[str, typer.Option(help="The founding roster's hash, which `init` printed.")],
    recording: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="A recording that the bundle names; may be given often.")
    ] = None,
) -> None:
    """Judge a bundle from the founding roster's hash alone. Exit code 7 when anything is wrong."""
    from breakglass.audit.bundle import BUNDLE_MAX
    from breakglass.audit.bundle_verify import verify as judge
    from breakglass.cli.exits import Exit
    from breakglass.cli.files import read_bytes
    from breakglass.cli.printing import out

    verdict = judge(read_bytes(file, longest=BUNDLE_MAX), pin=roster_hash, recordings=recording or ())
    out(of(ctx), verdict.as_json(), verdict.in_words)
    if not verdict.ok:
        raise typer.Exit(Exit.TAMPERED)


@app.command()
def play(
    ctx: typer.Context,
    recording: Annotated[Path, typer.Argument(metavar="RECORDING", help="The recording's file.")],
    key_file: Annotated[Path, typer.Option(metavar="FILE", help="Its key: 64 hexadecimal digits.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="A new file: asciicast v3.")],
) -> None:
    """Open a recording with its own key, where no vault is any more (`asciinema play FILE`)."""
    import mmap

    from breakglass.cli.files import read_text, write_new
    from breakglass.cli.printing import out
    from breakglass.codec.playing import terminal
    from breakglass.errors import Malformed

    try:
        key = bytes.fromhex(read_text(key_file).strip())
    except ValueError:
        key = b""
    if len(key) != 32:
        raise Malformed(f"{key_file} holds no key.", what_to_do="A recording's key is 64 hexadecimal digits.")
    try:
        with recording.open("rb") as file:
            cast = terminal(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), key)
    except (OSError, ValueError) as error:
        raise Malformed(f"{recording} can't be read: {error}.", what_to_do="Check the file.") from None
    write_new(output, cast)
    out(of(ctx), {"file": str(output), "bytes": len(cast)}, lambda: [f"{output}: {len(cast)} bytes"])


@app.command()
def verifier() -> None:
    """Print the verifier that needs only Python and `cryptography`, as one file to take along."""
    from importlib.resources import files

    sys.stdout.write((files("breakglass.standalone") / "verify_bundle.py").read_text())
