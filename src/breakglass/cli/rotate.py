"""Password changes: what is owed, and one now."""

from typing import TYPE_CHECKING, Annotated

import typer

from breakglass.cli.groups import group, of

if TYPE_CHECKING:
    from breakglass.cli.server import Server

app = group("list", "Password changes that are owed. Also: rotate now.")


@app.command("list")
def list_(
    ctx: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Also those that are done.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
) -> None:
    """What is owed, what keeps it, when it is tried again."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    show_all(options, server(options).get("/rotations", owed=not all_, limit=limit), shapes.Rotation, words.rotations)


@app.command()
def now(
    ctx: typer.Context, account: Annotated[str, typer.Argument(help="acc_…, or TARGET, or ACCOUNT+TARGET.")]
) -> None:
    """Change an account's password now (custodians)."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    node = server(options)
    done = node.post(f"/accounts/{account_id(node, account)}/rotate")
    show(options, done, shapes.Rotation, lambda one: words.rotations([one]))


def account_id(node: "Server", text: str) -> str:
    """The id of the account that somebody typed. Raises `NotFound`, naming what there is."""
    from breakglass.errors import NotFound
    from breakglass.model.ids import checked

    if text.startswith("acc_"):
        return checked("acc", text)
    name, _, place = text.rpartition("+")
    there = [(target, one) for target in node.get("/estate")["targets"] for one in target["accounts"]]
    found = [one["id"] for target, one in there if target["name"] == place and name in ("", one["name"])]
    if len(found) != 1:
        known = ", ".join(sorted(f"{one['name']}+{target['name']}" for target, one in there))
        raise NotFound(f"{text[:60]!r} names {len(found)} accounts.", what_to_do=f"There are: {known}.")
    return str(found[0])
