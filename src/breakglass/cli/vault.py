"""The vault: its state, its shares, and its key-encryption key (custodians)."""

from pathlib import Path
from typing import Annotated

import typer

from breakglass.cli.decide import SignatureFile, TextFile, brought, print_text
from breakglass.cli.groups import group, of

app = group("show", "The vault. Also: vault slots, add-slot, replace-slot, remove-slot, rekey, prove, rotate-kek, …")

ShareFiles = Annotated[
    list[Path] | None, typer.Option("--share-file", metavar="FILE", help="A file with a present share, once for each.")
]
KindOfSlot = Annotated[str, typer.Argument(metavar="KIND", help="file or pkcs11.")]
KeyFilePath = Annotated[
    str,
    typer.Option("--key-file", metavar="PATH", help="file: its place on the vault's machine; it is made there."),
]
TokenLabel = Annotated[str, typer.Option("--token", metavar="LABEL", help="pkcs11: the token.")]
KeyLabel = Annotated[
    str, typer.Option("--key", metavar="LABEL", help="pkcs11: its AES key, which is made if there is none.")
]


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
def slots(ctx: typer.Context) -> None:
    """What opens the vault: its shares, a key file, a hardware module. The latter two are tried."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    show_all(options, server(options).get("/vault/slots"), shapes.Slot, words.slots)


@app.command()
def add_slot(
    ctx: typer.Context,
    kind: KindOfSlot,
    key_file: KeyFilePath = "",
    token: TokenLabel = "",
    key: KeyLabel = "breakglass",
    share_file: ShareFiles = None,
) -> None:
    """Let a key file or a hardware module open the vault, too. Custodians bring their shares for it."""
    from breakglass.cli import slots

    slots.change(of(ctx), "add", kind, key_file=key_file, token=token, key=key, share_files=share_file or ())


@app.command()
def replace_slot(
    ctx: typer.Context,
    kind: KindOfSlot,
    key_file: KeyFilePath = "",
    token: TokenLabel = "",
    key: KeyLabel = "breakglass",
    share_file: ShareFiles = None,
) -> None:
    """Exchange a slot for another one of its kind: a new key file elsewhere, another key of the module."""
    from breakglass.cli import slots

    slots.change(of(ctx), "replace", kind, key_file=key_file, token=token, key=key, share_files=share_file or ())


@app.command()
def remove_slot(ctx: typer.Context, kind: KindOfSlot, share_file: ShareFiles = None) -> None:
    """Take a slot away. The custodians' own always stays."""
    from breakglass.cli import slots

    slots.change(of(ctx), "remove", kind, share_files=share_file or ())


@app.command()
def make_key_file(
    path: Annotated[Path, typer.Argument(help="A new file, in a folder of root's or the vault's.")],
) -> None:
    """Make a key file on this machine, for a slot that is added then. It opens nothing yet."""
    from breakglass.cli import slots

    slots.make_key_file(path)


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
