"""The server's clock, after it stood wrong: show it, and confirm the present time (custodians)."""

from typing import Annotated

import typer

from breakglass.cli.decide import SignatureFile, TextFile, brought, print_text
from breakglass.cli.groups import group, of

app = group("show", "The server's clock. Also: clock statement, confirm.")


@app.command()
def show(ctx: typer.Context) -> None:
    """What it says, and whether custodians must confirm it."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    show(options, server(options).get("/clock"), shapes.Clock, words.clock)


@app.command()
def statement(ctx: typer.Context) -> None:
    """Print the exact text that you would sign, and nothing else."""
    from breakglass.cli.server import server

    options = of(ctx)
    print_text(options, server(options).post("/clock/statement")["text"])


@app.command()
def confirm(
    ctx: typer.Context,
    signature: SignatureFile = None,
    text: TextFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
) -> None:
    """Compare the time with your own clock, sign it with your key, and send it. Two custodians do."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.cli.signing import sign_statement
    from breakglass.views import shapes, words

    options = of(ctx)
    body = brought(signature, text)
    node = server(options)
    if body is None:
        offered = node.post("/clock/statement")["text"]
        subject = f"{node.status()['deployment']}/clock"
        body = {"signature": sign_statement(options, offered, kind="clock", subject=subject, yes=yes), "text": offered}
    show(options, node.post("/clock/confirm", body), shapes.Clock, words.clock)
