"""`breakglass audit next-log`: custodians go on with a new log, because this one has lost its end."""

from pathlib import Path
from typing import Annotated, Any

import typer

from breakglass.cli.decide import SignatureFile, TextFile, brought
from breakglass.cli.groups import of

Yes = Annotated[bool, typer.Option("--yes", help="Sign without asking.")]


def command(
    ctx: typer.Context,
    because: Annotated[
        str, typer.Option(help="What was lost, and how; without it: sign what another began. It stays in the log.")
    ] = "",
    last: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The last checkpoint of this log that was kept elsewhere.")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Only show which log this is, and who signed.")] = False,
    signature: SignatureFile = None,
    text: TextFile = None,
    yes: Yes = False,
) -> None:
    """Go on with a new log after this one has lost its end, as when an older database was restored (custodians).

    Two sign the same. What is here stays provable, what was lost is named, every grant is over. The log before is never
    signed again, and no witness is reset.
    """
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.views import next_log as views

    options = of(ctx)
    body, node = brought(signature, text), server(options)
    if status:
        show(options, node.get("/audit/next-log"), views.NextLog, views.lines)
        return
    if body is None:
        body = _signed(options, node, because, last, yes=yes)
    show(options, node.post("/audit/next-log/sign", body), views.NextLog, views.lines)


def _signed(options: Any, node: Any, because: str, last: Path | None, *, yes: bool) -> dict[str, str]:
    """The statement of who asks, signed here."""
    from breakglass.cli.files import read_text
    from breakglass.cli.signing import sign_statement

    if because:
        wanted = {"because": because, **({"last": read_text(last)} if last else {})}
        drawn = node.post("/audit/next-log", wanted)["text"]
    else:
        drawn = node.post("/audit/next-log/statement")["text"]
    subject = f"{node.status()['deployment']}/log"
    return {"signature": sign_statement(options, drawn, kind="next-log", subject=subject, yes=yes), "text": drawn}
