"""Where things stand, and opening the vault."""

from pathlib import Path
from typing import Annotated

import typer

from breakglass.cli.groups import of


def add(app: typer.Typer) -> None:
    @app.command()
    def status(ctx: typer.Context) -> None:
        """Am I in? What am I waiting for? What's next?"""
        from breakglass.cli.printing import note, show
        from breakglass.cli.server import server
        from breakglass.views import shapes, words

        options = of(ctx)
        node = server(options)
        if node.may_sign_in:
            show(options, node.get("/overview"), shapes.Overview, words.overview)
            return
        show(options, node.status(), shapes.Status, words.status)
        if not options.json:
            note("For your own state, say who you are: --login NAME --identity KEYFILE")

    @app.command()
    def unseal(
        ctx: typer.Context,
        file: Annotated[Path | None, typer.Option(help="A file with your share; - for standard input.")] = None,
    ) -> None:
        """Enter your share of the vault's key (custodians)."""
        from breakglass.cli import shares
        from breakglass.cli.printing import note, show
        from breakglass.cli.server import server
        from breakglass.views import shapes, words

        options = of(ctx)
        node = server(options)
        now = node.get("/vault")
        if now["sealed"] and not options.json:
            note(f"{now['sentence']} Attempt {now['attempt']}. Your share begins with “{now['share_set']}”.")
        share = shares.read_one(file, "Your share")
        body = {"share": share, "attempt": now["attempt"]}
        show(options, node.post("/vault/unseal", body), shapes.Vault, words.vault)

    @app.command()
    def seal(
        ctx: typer.Context,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Seal the vault: nobody gets in until custodians unseal it (custodians)."""
        from breakglass.cli.printing import show, sure
        from breakglass.cli.server import server
        from breakglass.views import shapes, words

        options = of(ctx)
        node = server(options)
        sure("Seal the vault? Nobody gets in until custodians have entered their shares again.", yes=yes)
        show(options, node.post("/vault/seal"), shapes.Vault, words.vault)
