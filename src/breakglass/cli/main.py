"""The command `breakglass`: its groups, what holds for all of them, and how errors end.

Each command loads what it needs when it runs: `--help` and completion load nothing else (a test holds it to that).
"""

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from breakglass import __version__
from breakglass.cli import (
    audit,
    backup,
    clock,
    custody,
    decide,
    enrol,
    estate,
    evidence,
    home,
    join,
    kit,
    login,
    recording,
    request,
    review,
    rotate,
    sessions,
    start,
    vault,
    witness,
)
from breakglass.cli.exits import Exit, exit_of
from breakglass.cli.options import Options, hoisted
from breakglass.cli.printing import failure
from breakglass.errors import BreakglassError

app = typer.Typer(
    name="breakglass",
    help="Emergency access that others sign for, that is recorded, and that ends with a new password.",
    epilog="Exit codes: 0 done, 1 refused, 2 usage, 3 not found, 4 not signed in or not allowed, 5 no answer (try "
    "again), 6 vault sealed, 7 tampered: stop. The options above may stand anywhere in the command line.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for part in (start, join, home, login, backup, decide):
    part.add(app)
app.command()(sessions.kill)
app.command()(enrol.enrol)
app.add_typer(request.app, name="request")
app.add_typer(sessions.app, name="sessions")
app.add_typer(recording.app, name="recording")
app.add_typer(rotate.app, name="rotate")
app.add_typer(review.app, name="review")
app.add_typer(estate.app, name="estate")
app.add_typer(audit.app, name="audit")
app.add_typer(evidence.app, name="evidence")
app.add_typer(clock.app, name="clock")
app.add_typer(kit.app, name="kit")
app.add_typer(custody.app, name="custody")
app.add_typer(vault.app, name="vault")
app.add_typer(witness.app, name="witness")


@app.callback(invoke_without_command=True)
def _every(
    ctx: typer.Context,
    home: Annotated[str, typer.Option(envvar="BREAKGLASS_HOME", help="Data folder of a node on this machine.")] = "",
    server: Annotated[str, typer.Option(envvar="BREAKGLASS_SERVER", help="Address of a node elsewhere.")] = "",
    identity: Annotated[
        str, typer.Option(envvar="BREAKGLASS_IDENTITY", help="Your SSH key: a private or a public key file.")
    ] = "",
    login: Annotated[
        str, typer.Option(envvar="BREAKGLASS_LOGIN", help="Your login; otherwise this machine's user name.")
    ] = "",
    ca: Annotated[
        str, typer.Option(envvar="BREAKGLASS_CA", help="PEM file with the authorities that vouch for the node.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="JSON, also for errors.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    ctx.obj = Options(home=home, server=server, identity=identity, login=login, ca=ca, json=as_json)
    if version:
        typer.echo(json.dumps({"version": __version__}) if as_json else f"breakglass {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help())
        raise typer.Exit


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit code (breakglass.cli.exits)."""
    line = hoisted(sys.argv[1:] if words is None else words)
    as_json = "--json" in line
    try:
        result = app(line, prog_name="breakglass", standalone_mode=False)
        return result if isinstance(result, int) else Exit.DONE
    except BreakglassError as error:
        failure(error, as_json=as_json)
        return exit_of(error)
    except typer.Abort:
        sys.stderr.write("Interrupted.\n")
        return Exit.INTERRUPTED
    except typer.TyperException as error:
        _usage(error.format_message(), as_json=as_json)
        return error.exit_code
    except BrokenPipeError:  # `breakglass audit tail | head`
        sys.stderr.close()
        return Exit.DONE


def _usage(message: str, *, as_json: bool) -> None:
    help_line = "breakglass --help lists the commands; each has its own --help."
    if as_json:
        what = {"code": "usage", "message": message, "what_to_do": help_line, "about": ""}
        sys.stderr.write(json.dumps({"error": what}, ensure_ascii=False) + "\n")
    else:
        sys.stderr.write(f"{message}\nWhat to do: {help_line}\n")
