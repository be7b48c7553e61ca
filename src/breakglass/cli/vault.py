"""The vault: its state, its shares, and its key-encryption key (custodians)."""

from pathlib import Path
from typing import Annotated

import typer

from breakglass.cli.decide import SignatureFile, TextFile, brought, print_text
from breakglass.cli.groups import group, of

app = group("show", "The vault. Also: vault rekey, prove, kek-statement, rotate-kek.")


@app.command()
def show(ctx: typer.Context) -> None:
    """Sealed or open, and whether secrets are moving to a new key."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    show(options, server(options).get("/vault"), shapes.Vault, words.vault)


@app.command()
def rekey(
    ctx: typer.Context,
    shares: Annotated[int, typer.Option(min=2, help="How many new shares to make.")],
    needed: Annotated[int, typer.Option(min=2, help="How many of them will open the vault.")],
    share_file: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A file with a present share, once for each."),
    ] = None,
    shares_to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write the new shares there, instead of showing them.")
    ] = None,
    age: Annotated[
        list[str] | None,
        typer.Option(
            metavar="RECIPIENT",
            help="A custodian's age or SSH public key (or its file), once for each: their share is encrypted.",
        ),
    ] = None,
) -> None:
    """Make new shares for the custodians, who bring the present ones. These hold until the new ones are proven."""
    from breakglass.cli import rekey

    rekey.run(
        of(ctx), needed=needed, count=shares, share_files=share_file or (), shares_to=shares_to, age=tuple(age or ())
    )


@app.command()
def prove(
    ctx: typer.Context,
    file: Annotated[Path | None, typer.Option(help="A file with your new share; - for standard input.")] = None,
) -> None:
    """Enter your new share, from where you are. Once all of them were entered, they open the vault (custodians)."""
    from breakglass.cli import shares
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    node = server(options)
    share = shares.read_one(file, "Your new share")
    show(options, node.post("/vault/rekey/share", {"share": share}), shapes.Vault, words.vault)


@app.command()
def kek_statement(ctx: typer.Context) -> None:
    """Print the exact text that you would sign to rotate the key, and nothing else."""
    from breakglass.cli.server import server

    options = of(ctx)
    print_text(options, server(options).post("/vault/kek/statement")["text"])


@app.command()
def rotate_kek(
    ctx: typer.Context,
    signature: SignatureFile = None,
    text: TextFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
) -> None:
    """Have the vault make a new key-encryption key. Stored secrets move to it while everything goes on."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.cli.signing import sign_statement
    from breakglass.views import shapes, words

    options = of(ctx)
    body = brought(signature, text)
    node = server(options)
    if body is None:
        offered = node.post("/vault/kek/statement")["text"]
        subject = f"{node.status()['deployment']}/kek"
        body = {"signature": sign_statement(options, offered, kind="kek", subject=subject, yes=yes), "text": offered}
    show(options, node.post("/vault/kek", body), shapes.Vault, words.vault)
