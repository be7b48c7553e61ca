"""Enrolment: a one-time link by which somebody makes a passkey."""

from typing import Annotated

import typer

from breakglass.cli.groups import of


def enrol(ctx: typer.Context, login: Annotated[str, typer.Argument(metavar="LOGIN")]) -> None:
    """Make a one-time link by which LOGIN makes a passkey, in the browser that they will use. Shown this once.

    The passkey becomes a proposal: people sign it as any other change of the estate."""
    from urllib.parse import quote

    from breakglass.cli.printing import note, out
    from breakglass.cli.server import server

    options = of(ctx)
    made = server(options).post(f"/people/{quote(login, safe='')}/invitation")
    out(options, made, lambda: [made["link"]])
    note(f"Give it to {login} only, by a way that you trust. It works once, until {made['until']}.")
