"""What lies in safes: where it is, taking it out, bringing it back, looking at it. Two people sign each."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakglass.cli.decide import SignatureFile, TextFile, Yes, brought
from breakglass.cli.groups import group, of

if TYPE_CHECKING:
    from breakglass.cli.options import Options

app = group("list", "What lies in safes, such as security keys. Also: custody show, out, return, inspect, sign.")
ItemArg = Annotated[str, typer.Argument(metavar="ITEM")]
Seal = Annotated[str, typer.Option(help="The number on its seal, or `broken`.")]
Remark = Annotated[str, typer.Option(help="What else you saw. It stays in the log.")]
Only = Annotated[bool, typer.Option("--statement", help="Only print the text to sign, for elsewhere.")]


@app.command("list")
def list_all(ctx: typer.Context) -> None:
    """Everything that the estate names, what needs somebody first."""
    from breakglass.cli.printing import show as printed
    from breakglass.cli.server import server
    from breakglass.views import custody_shapes as shapes

    options = of(ctx)
    printed(options, server(options).get("/custody"), shapes.Custody, shapes.lines)


@app.command()
def show(ctx: typer.Context, item: ItemArg) -> None:
    """One item: where it is, and what was done with it."""
    from breakglass.cli.server import server
    from breakglass.model.ids import checked

    options = of(ctx)
    _print(options, server(options).get(f"/custody/{checked('itm', item)}"))


@app.command()
def out(
    ctx: typer.Context,
    item: ItemArg,
    seal: Seal,
    because: Annotated[str, typer.Option(help="Why, in one sentence. It stays in the log.")],
    lasts: Annotated[str, typer.Option("--for", help="For how long, like 4h.")] = "",
    holder: Annotated[str, typer.Option(help="Login of who takes it; without it, you do.")] = "",
    request: Annotated[str, typer.Option(help="The request that it is for.")] = "",
    only: Only = False,
    yes: Yes = False,
) -> None:
    """Take it out of its place. Who takes it signs, and a custodian who is somebody else."""
    from breakglass.views.say import minutes_of

    body = {"act": "check-out", "seal": seal, "because": because, "holder": holder, "request": request}
    _begin(of(ctx), item, {**body, "minutes": minutes_of(lasts) if lasts else 0}, only=only, yes=yes)


@app.command("return")
def give_back(
    ctx: typer.Context,
    item: ItemArg,
    seal: Annotated[str, typer.Option(help="The number on its new seal.")],
    remark: Remark = "",
    only: Only = False,
    yes: Yes = False,
) -> None:
    """Bring it back, under a new seal. A custodian signs, and another one or who had it."""
    _begin(of(ctx), item, {"act": "return", "seal": seal, "because": remark}, only=only, yes=yes)


@app.command()
def inspect(
    ctx: typer.Context,
    item: ItemArg,
    seal: Annotated[str, typer.Option(help="The number on its seal; `broken`, or `missing` where it is not there.")],
    remark: Remark = "",
    only: Only = False,
    yes: Yes = False,
) -> None:
    """Look whether it is there, and at its seal. A custodian signs, and another one or an auditor."""
    _begin(of(ctx), item, {"act": "inspection", "seal": seal, "because": remark}, only=only, yes=yes)


@app.command()
def sign(
    ctx: typer.Context,
    item: ItemArg,
    signature: SignatureFile = None,
    text: TextFile = None,
    only: Only = False,
    yes: Yes = False,
) -> None:
    """Sign as the second person what another began, or bring a signature that was made elsewhere."""
    from breakglass.cli.server import server
    from breakglass.model.ids import checked

    options, body = of(ctx), brought(signature, text)
    if body is None:
        _begin(options, item, {}, only=only, yes=yes)
    else:
        _print(options, server(options).post(f"/custody/{checked('itm', item)}/sign", body))


def _begin(options: "Options", item: str, wanted: dict[str, Any], *, only: bool, yes: bool) -> None:
    from breakglass.cli.decide import print_text
    from breakglass.cli.server import server
    from breakglass.cli.signing import TITLE, sign_statement
    from breakglass.codec import lines
    from breakglass.errors import Tampered
    from breakglass.model.ids import checked

    node = server(options)
    drawn = node.post(f"/custody/{checked('itm', item)}/statement", wanted)["text"]
    if only:
        print_text(options, drawn)
        return
    kind = dict(lines.read(drawn, TITLE)).get("kind", "")
    if kind != wanted.get("act", kind) or kind not in ("check-out", "return", "inspection"):
        raise Tampered(f"The server sent a text of kind {kind}.", what_to_do="Sign nothing. Call the custodians.")
    signature = sign_statement(options, drawn, kind=kind, subject=item, yes=yes)
    _print(options, node.post(f"/custody/{item}/sign", {"signature": signature, "text": drawn}))


def _print(options: "Options", answer: Any) -> None:
    from breakglass.cli.printing import show as printed
    from breakglass.views import custody_shapes as shapes

    printed(options, answer, shapes.ItemPage, shapes.item_lines)
