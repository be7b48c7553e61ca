"""Deciding about a request, and ending an access: statement, approve, deny, close."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakglass.cli.groups import of

if TYPE_CHECKING:
    from breakglass.cli.options import Options
    from breakglass.cli.server import Server

RequestArg = Annotated[str, typer.Argument(metavar="REQUEST")]
Yes = Annotated[bool, typer.Option("--yes", help="Sign without asking.")]
SignatureFile = Annotated[Path | None, typer.Option(help="A signature that was made elsewhere; - for standard input.")]
TextFile = Annotated[Path | None, typer.Option(help="The text that it signs, when it was not fetched under your name.")]


def add(app: typer.Typer) -> None:
    @app.command()
    def statement(
        ctx: typer.Context,
        id: Annotated[str, typer.Argument(metavar="REQUEST|PROPOSAL|SESSION")],
        deny: Annotated[bool, typer.Option("--deny", help="The text of a denial.")] = False,
        reason: Annotated[str, typer.Option(help="Why you deny it.")] = "",
    ) -> None:
        """Print the exact text that you would sign, and nothing else. Nothing is decided by it."""
        from breakglass.cli.server import server

        options = of(ctx)
        found = _statement(server(options), id, deny=deny, reason=reason)
        print_text(options, found["text"])

    @app.command()
    def approve(
        ctx: typer.Context, id: RequestArg, signature: SignatureFile = None, text: TextFile = None, yes: Yes = False
    ) -> None:
        """Read the statement, sign it with your key, and send it. Or bring a signature that was made elsewhere."""
        _decide(of(ctx), id, "approve", "", signature, text, yes=yes)

    @app.command()
    def deny(
        ctx: typer.Context,
        id: RequestArg,
        reason: Annotated[str, typer.Option(help="Why.")] = "",
        signature: SignatureFile = None,
        text: TextFile = None,
        yes: Yes = False,
    ) -> None:
        """The same, to say no: one denial ends the request."""
        _decide(of(ctx), id, "deny", reason, signature, text, yes=yes)

    @app.command()
    def close(ctx: typer.Context, id: Annotated[str, typer.Argument(metavar="[GRANT|REQUEST]")] = "") -> None:
        """End your access: sessions are cut, the password changes, the review opens."""
        from breakglass.cli.printing import show
        from breakglass.cli.server import server
        from breakglass.views import shapes, words

        options = of(ctx)
        node = server(options)
        done = node.post(f"/grants/{_grant(node, id)}/close")
        show(options, done, shapes.Grant, words.grant)


def _decide(
    options: "Options", id: str, kind: str, reason: str, signature: Path | None, text: Path | None, *, yes: bool
) -> None:
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.cli.signing import sign_statement
    from breakglass.model.ids import checked
    from breakglass.views import shapes, words

    checked("req", id)
    body = brought(signature, text)
    node = server(options)
    if body is None:
        offered = node.post(f"/requests/{id}/statement", {"kind": kind, "reason": reason})["text"]
        body = {"signature": sign_statement(options, offered, kind=kind, subject=id, yes=yes), "text": offered}
    done = node.post(f"/requests/{id}/{'approvals' if kind == 'approve' else 'denials'}", body)
    show(options, done, shapes.Request, words.request)


def brought(signature: Path | None, text: Path | None) -> dict[str, str] | None:
    """A signature from elsewhere, with its text; None when it is to be made here. Raises `Malformed`."""
    from breakglass.cli.files import read_text
    from breakglass.errors import Malformed

    if signature is None:
        if text is not None:
            raise Malformed("A text came without its signature.", what_to_do="Name that with `--signature` too.")
        return None
    body = {"signature": read_text(signature)}
    return {**body, "text": read_text(text)} if text is not None else body


def _statement(node: "Server", id: str, *, deny: bool, reason: str) -> Any:
    """By the kind of thing that the id names."""
    from breakglass.errors import Malformed
    from breakglass.model.ids import checked

    match id.partition("_")[0]:
        case "pro":
            return node.post(f"/roster/proposals/{checked('pro', id)}/statement")
        case "ses":
            return node.post(f"/sessions/{checked('ses', id)}/replay-statement")
        case "rev":
            raise Malformed("A review is judged as it is signed.", what_to_do=f"Use: breakglass review sign {id}")
        case _:
            body = {"kind": "deny" if deny else "approve", "reason": reason}
            return node.post(f"/requests/{checked('req', id)}/statement", body)


def print_text(options: "Options", text: str) -> None:
    """Exactly these bytes: they may be piped into `ssh-keygen -Y sign`."""
    import json

    if options.json:
        sys.stdout.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")
    else:
        sys.stdout.buffer.write(text.encode())


def _grant(node: "Server", id: str) -> str:
    """The grant that is named, or that of the request, or the only live one."""
    from breakglass.errors import NotFound, WrongState
    from breakglass.model.ids import checked

    if id.startswith("req_"):
        found = node.get(f"/requests/{checked('req', id)}")["grant"]
        if found is None:
            raise WrongState("This request has no grant.", what_to_do=f"breakglass request cancel {id}", about=id)
        return str(found["id"])
    if id:
        return checked("grt", id)
    live = node.get("/overview")["grants"]
    if len(live) != 1:
        have = ", ".join(one["id"] for one in live) or "none"
        raise NotFound(f"You have {len(live)} live grants.", what_to_do=f"Say which one to close: {have}.")
    return str(live[0]["id"])
