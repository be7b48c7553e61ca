"""Commands that make and run a node: demo, init, serve."""

from pathlib import Path
from typing import Annotated

import typer

from breakglass.cli.groups import of


def add(app: typer.Typer) -> None:
    @app.command()
    def demo(
        ctx: typer.Context,
        auto: Annotated[bool, typer.Option("--auto", help="Play the whole story without a person, then end.")] = False,
    ) -> None:
        """Try it: a whole deployment on loopback, with a host to rescue."""
        from breakglass.config import home_from
        from breakglass.demo.main import run

        options = of(ctx)
        folder = home_from(options.home) if options.home else None
        raise typer.Exit(run(folder, auto=auto, as_json=options.json))

    @app.command()
    def init(
        ctx: typer.Context,
        estate: Annotated[Path | None, typer.Option(help="The estate as YAML; needed to begin.")] = None,
        origin: Annotated[str, typer.Option(help="The log's name, like log.example.org.")] = "",
        k: Annotated[int, typer.Option("--k", help="Shares that open the vault.")] = 2,
        n: Annotated[int, typer.Option("--n", help="Shares that are made, one for each custodian.")] = 3,
        key_file: Annotated[
            Path | None, typer.Option(help="Also let this key file open the vault (not in the data folder).")
        ] = None,
        shares_to: Annotated[
            Path | None, typer.Option(help="Write the shares into this folder, instead of showing them.")
        ] = None,
        age: Annotated[
            list[str] | None,
            typer.Option(
                metavar="RECIPIENT",
                help="A custodian's age or SSH public key (or its file), once for each: their share is encrypted.",
            ),
        ] = None,
        share_file: Annotated[
            list[Path] | None,
            typer.Option(metavar="FILE", help="A file with one share, to finish with; give it k times."),
        ] = None,
        database: Annotated[
            str,
            typer.Option(
                metavar="URL",
                help="postgresql://USER@HOST/NAME, for several nodes; without it, a file in the data folder.",
            ),
        ] = "",
    ) -> None:
        """Found a deployment. Run it to begin, and again when the custodians have signed."""
        from breakglass.cli.init import run

        options = of(ctx)
        home = options.data_folder()
        raise typer.Exit(
            run(
                home,
                estate=estate,
                origin=origin,
                k=k,
                n=n,
                key_file=key_file,
                shares_to=shares_to,
                age=tuple(age or ()),
                share_files=tuple(share_file or ()),
                database=database,
                as_json=options.json,
            )
        )

    @app.command()
    def units(ctx: typer.Context, folder: Annotated[Path, typer.Argument(help="A new folder.")]) -> None:
        """Write systemd's units, with the vault as a user of its own. The guide says where they go."""
        from breakglass.cli.printing import out
        from breakglass.cli.unit_files import write

        found = [str(path) for path in write(folder.expanduser())]
        out(of(ctx), {"files": found}, lambda: found)

    @app.command()
    def serve(ctx: typer.Context) -> None:
        """Run a node until it is told to stop."""
        from breakglass.app import serve as run

        run(of(ctx).data_folder())
