"""`breakglass join`: make a further node of a deployment whose nodes share a PostgreSQL database."""

from pathlib import Path
from typing import Annotated

import typer

from breakglass.cli.groups import of


def add(app: typer.Typer) -> None:
    @app.command()
    def join(
        ctx: typer.Context,
        copy: Annotated[
            Path, typer.Option("--from", help="A copy of another node's breakglass.toml and vault folder.")
        ],
        node: Annotated[str, typer.Option(help="This node's name; no other node has it.")],
        roster_hash: Annotated[str, typer.Option(help="The founding roster's hash, as `init` showed it.")],
        key_file: Annotated[
            Path | None, typer.Option(help="The key file that opens the vault here; without it, custodians do.")
        ] = None,
    ) -> None:
        """Make the data folder of a further node, from a copy of another one's."""
        from breakglass.app.joining import join as run
        from breakglass.cli.printing import out
        from breakglass.config import Home

        options = of(ctx)
        home = options.data_folder()
        own = {"key_file": str(key_file.expanduser().absolute()) if key_file else ""}
        first = Home(copy.expanduser().absolute())
        made = run(home, first, node=node, roster_hash=roster_hash, settings=own)
        found = {"deployment": made.deployment, "node": made.node, "home": str(home.path)}
        told = [
            f"{made.node} belongs to {made.deployment}. Look at its ports and addresses in {home.settings}, then:",
            f"  breakglass --home {home.path} serve",
        ]
        out(options, found, lambda: told)
