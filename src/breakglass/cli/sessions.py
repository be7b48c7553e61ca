"""Sessions: who is where, and cutting one."""

from typing import Annotated

import typer

from breakglass.cli.groups import group, of

app = group("list", "Who is where. Also: sessions kill.")


@app.command("list")
def list_(
    ctx: typer.Context,
    live: Annotated[bool, typer.Option("--live", help="Only those that run now.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500)] = 50,
) -> None:
    """Sessions, the newest first."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    found = server(options).get("/sessions", live=live, limit=limit)
    show_all(options, found, shapes.Session, words.sessions)


@app.command()
def kill(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(metavar="SESSION")],
    why: Annotated[str, typer.Option(help="Why, in one sentence: its person reads it.")],
) -> None:
    """Cut a session and revoke its grant."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.model.ids import checked
    from breakglass.views import shapes, words

    options = of(ctx)
    done = server(options).post(f"/sessions/{checked('ses', id)}/kill", {"why": why})
    show(options, done, shapes.Session, words.session)
