"""Asking for access: `breakglass request db1 --condition cnd_idp-down --reason "…" --for 30m`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from breakglass.cli.groups import group, of

if TYPE_CHECKING:
    from breakglass.cli.server import Server

app = group("make", "Ask for access: request TARGET. Also: request list, show, cancel.")
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


@app.command()
def make(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(help="The target's short name, or account+target.")],
    account: Annotated[str, typer.Option(help="Which account, where there are several.")] = "",
    condition: Annotated[str, typer.Option(help="The emergency, as the estate names it.")] = "",
    reason: Annotated[str, typer.Option(help="What happened, in one sentence.")] = "",
    lasting: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1h30m.")] = "30m",
) -> None:
    """Ask for one account, in a named emergency, for a while."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.views import shapes, words
    from breakglass.views.say import minutes_of

    options = of(ctx)
    minutes = minutes_of(lasting)
    node = server(options)
    named, _, place = target.rpartition("+")
    condition = condition or _ask_condition(node)
    reason = reason or _ask("What happened, in one sentence", "--reason")
    body = {"target": place, "account": account or named or None, "condition": condition, "reason": reason}
    made = node.post("/requests", {**body, "minutes": minutes})
    page = node.get(f"/requests/{made['id']}")
    show(options, page, shapes.RequestPage, words.request_page)


@app.command("list")
def list_(
    ctx: typer.Context,
    state: Annotated[str, typer.Option(help="pending, approved, denied, cancelled or expired.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
) -> None:
    """Requests, the newest first."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    found = server(options).get("/requests", limit=limit, **({"state": state} if state else {}))
    show_all(options, found, shapes.Request, words.requests)


@app.command()
def show(ctx: typer.Context, id: Annotated[str, typer.Argument(metavar="REQUEST")]) -> None:
    """One request: who agreed, what happened, the playbook."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.model.ids import checked
    from breakglass.views import shapes, words

    options = of(ctx)
    page = server(options).get(f"/requests/{checked('req', id)}")
    show(options, page, shapes.RequestPage, words.request_page)


@app.command()
def cancel(ctx: typer.Context, id: Annotated[str, typer.Argument(metavar="REQUEST")]) -> None:
    """Withdraw your own request."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.model.ids import checked
    from breakglass.views import shapes, words

    options = of(ctx)
    done = server(options).post(f"/requests/{checked('req', id)}/cancel")
    show(options, done, shapes.Request, words.request)


def _ask(question: str, option: str) -> str:
    """Raises `Malformed` when nobody is there to answer."""
    from breakglass.errors import Malformed

    if not sys.stdin.isatty():
        raise Malformed("The request is not complete.", what_to_do=f"Give {option} too.")
    return str(typer.prompt(question, err=True))


def _ask_condition(node: "Server") -> str:
    """It is chosen, never defaulted."""
    from breakglass.cli.printing import note

    if sys.stdin.isatty():
        for one in node.get("/estate")["conditions"]:
            note(f"  {one['id']}  {one['title']}")
    return _ask("Which emergency is it", "--condition")
