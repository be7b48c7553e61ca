"""A witness of logs, on a machine of its own: it vouches that a log only ever grew (C2SP tlog-witness)."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Witness other people's logs: refuse forks and rollbacks.", rich_markup_mode=None)
FolderArgument = Annotated[Path, typer.Argument(metavar="FOLDER", help="The witness's folder, on a disk of its own.")]


@app.command()
def init(
    folder: FolderArgument,
    name: Annotated[str, typer.Option(help="The witness's name, like witness.example.org/w1.")],
) -> None:
    """Make a witness, and print its key for the rosters that will name it."""
    from breakglass.witness.keeping import Folder

    typer.echo(Folder(folder).make(name).text())


@app.command()
def know(
    folder: FolderArgument,
    log: Annotated[str, typer.Argument(metavar="VKEY", help="The log's key, as its roster shows it.")],
) -> None:
    """Witness one more log, from the next start on."""
    from breakglass.witness.keeping import Folder

    typer.echo(Folder(folder).know(log))


@app.command()
def serve(
    folder: FolderArgument,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8424,
) -> None:
    """Run it until it is told to stop."""
    from breakglass.witness.judging import Witness
    from breakglass.witness.keeping import Folder
    from breakglass.witness.serving import serve as run

    run(Witness(Folder(folder)), host, port)
