"""`breakglass backup` and `breakglass restore`: a data folder as one encrypted file, and back."""

from pathlib import Path
from typing import Annotated

import typer

from breakglass.cli.groups import of


def add(app: typer.Typer) -> None:
    @app.command()
    def backup(ctx: typer.Context, file: Annotated[Path, typer.Argument(help="The file to make.")]) -> None:
        """Back up this machine's data folder into one encrypted file, which only custodians can open."""
        from breakglass.app.backup import backup as run
        from breakglass.cli.printing import out

        options = of(ctx)
        size = run(options.data_folder(), file.expanduser().absolute())
        told = [f"{file}: {size} bytes.", f"See that it can be restored: breakglass restore {file} --check"]
        out(options, {"file": str(file), "bytes": size}, lambda: told)

    @app.command()
    def restore(
        ctx: typer.Context,
        file: Annotated[Path, typer.Argument(help="The backup.")],
        share_file: Annotated[
            list[Path] | None, typer.Option(help="A file with a custodian's share; once for each share.")
        ] = None,
        check: Annotated[
            bool, typer.Option("--check", help="Verify it in a scratch folder, and keep nothing.")
        ] = False,
        database: Annotated[
            str,
            typer.Option(
                metavar="URL", help="postgresql://USER@HOST/NAME, an empty one; without it, a file in the data folder."
            ),
        ] = "",
    ) -> None:
        """Restore a backup into the empty data folder that --home names, once all of it is verified (custodians)."""
        import asyncio
        from dataclasses import asdict

        from breakglass.app import backup as backups
        from breakglass.cli import shares as papers
        from breakglass.cli.database import must_have_no_password
        from breakglass.cli.printing import out
        from breakglass.codec import instant

        options = of(ctx)
        home = None if check else options.data_folder()
        file = file.expanduser().absolute()
        shares = papers.read_all(share_file or (), backups.shares_needed(file))
        must_have_no_password(database)
        found = asyncio.run(backups.restore(file, home, shares, database))
        made = instant.write(found.made_at)
        told = [f"The backup of {made} is whole: the vault opens, {found.entries} entries of the log hold."]
        if home is not None:
            told += [
                f"It is in {home.path}; live grants of that time ({found.grants_voided}) open nothing any more.",
                "Stop the old node for good before this one starts: two would tell two stories.",
                f"  breakglass --home {home.path} serve",
            ]
        out(options, {**asdict(found), "made_at": made}, lambda: told)
