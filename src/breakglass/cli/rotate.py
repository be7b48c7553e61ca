"""Password changes: what is owed, and one now."""

from itertools import count
from typing import TYPE_CHECKING, Annotated, Any

import typer

from breakglass.cli.groups import group, of

if TYPE_CHECKING:
    from breakglass.cli.server import Server

PAGE = 500
app = group("list", "Password changes that are owed. Also: rotate now, many.")


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


@app.command()
def many(
    ctx: typer.Context,
    accounts: Annotated[list[str] | None, typer.Argument(help="acc_…, or TARGET, or ACCOUNT+TARGET.")] = None,
    target: Annotated[str, typer.Option(help="All accounts of this target.")] = "",
    domain: Annotated[str, typer.Option(help="All accounts of this domain.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="All accounts that have a credential.")] = False,
    suspicion: Annotated[bool, typer.Option(help="Somebody may know the passwords.")] = False,
    within: Annotated[int, typer.Option(min=0, max=86400, help="Seconds to watch them; 0: only ask for it.")] = 600,
) -> None:
    """Change many passwords now, and watch until they are proven (custodians)."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.errors import Malformed
    from breakglass.views import shapes, words

    options = of(ctx)
    node = server(options)
    wanted = [account_id(node, text) for text in accounts or ()]
    for place in node.get("/estate")["targets"]:
        if all_ or place["name"] == target or place["domain"] == domain:
            wanted += [one["id"] for one in place["accounts"] if one["credential"] != "none"]
    if not wanted:
        raise Malformed("No account is named.", what_to_do="Name accounts, or `--target`, `--domain` or `--all`.")
    because = "suspicion" if suspicion else "demand"
    owed = node.post("/rotations", {"accounts": wanted, "because": because})
    left = _watched(node, {one["id"] for one in owed}, within)
    show_all(options, left, shapes.Rotation, words.rotations)
    if left and within:
        raise typer.Exit(1)


def _watched(node: "Server", ids: set[str], within: int) -> list[Any]:
    """Tell on standard error how far they are; those that are not done when the time is over."""
    from time import monotonic, sleep

    until, told = monotonic() + within, -1
    while True:
        left = [one for one in _owed(node) if one["id"] in ids]
        if len(left) != told:
            told = len(left)
            typer.echo(f"{len(ids) - told} of {len(ids)} done", err=True)
        if not left or monotonic() >= until:
            return left
        sleep(1)


def _owed(node: "Server") -> list[Any]:
    """All that are owed, page by page. The pages overlap: what is done meanwhile moves the rest up."""
    found: dict[str, Any] = {}
    for skip in count(step=PAGE // 2):
        page = node.get("/rotations", owed=True, limit=PAGE, skip=skip)
        found |= {one["id"]: one for one in page}
        if len(page) < PAGE:
            break
    return list(found.values())


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
