"""The ceremony of new shares: custodians at one terminal, one after the other, each alone with their own share.

    k present shares ─▶ the vault makes new ones ─▶ share 1 is shown, written down, cleared away … ─▶ each is typed back

Shares come closed to a key that lives in this process only (codec.share_box): neither node nor network sees one.
"""

import sys
from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path

import typer
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from breakglass import config
from breakglass.cli import share_files as papers
from breakglass.cli import shares
from breakglass.cli.options import Options
from breakglass.cli.printing import note, show
from breakglass.cli.server import Server, server
from breakglass.codec import share_box
from breakglass.codec.sshwire import strict_base64
from breakglass.errors import Malformed, WrongState
from breakglass.views import shapes, words

Texts = Sequence[str]


def run(
    options: Options,
    *,
    needed: int,
    count: int,
    share_files: Sequence[Path],
    shares_to: Path | None,
    age: Sequence[str] = (),
) -> None:
    """All of it. Raises `WrongShare`, `Malformed`, `WrongState`; until the end the present shares hold."""
    to = papers.recipients(age, count)
    if to and shares_to is None:
        raise Malformed("Encrypted shares are files.", what_to_do="Name a new folder for them with `--shares-to`.")
    if shares_to is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Malformed(
            "Shares are shown to people at a terminal, one after the other.",
            what_to_do="Run it at one, or name a new folder with `--shares-to`.",
        )
    if shares_to is not None and not options.server:
        config.keep_outside(options.data_folder(), shares_to, "What --shares-to names")
    node = server(options)
    if (state := node.get("/vault"))["sealed"]:
        raise WrongState("The vault is sealed.", what_to_do="Unseal it first: `breakglass unseal`.")
    old = shares.read_all(share_files, state["shares_needed"])
    name, fresh = _begin(node, old, needed, count)
    if shares_to is None:
        back = _shown(fresh)
    else:
        about = papers.About(origin=node.status()["origin"], needed=needed)
        back = papers.write_all(shares_to, fresh, about, to)
    if to:
        show(options, node.get("/vault"), shapes.Vault, words.vault)
        note("Each custodian opens theirs (age -d -i KEY share-N.age), writes it down, and enters it within a day:")
        note("  breakglass vault prove")
        return
    done = node.post("/vault/rekey/finish", {"shares": back})
    show(options, done, shapes.Vault, words.vault)
    note(f"Shares of the set {name} open the vault. Destroy the old ones: they open nothing but backups from before.")


def _begin(node: Server, old: Texts, needed: int, count: int) -> tuple[str, Texts]:
    """The new set's name, and its shares."""
    key = X25519PrivateKey.generate()
    to = b64encode(key.public_key().public_bytes_raw()).decode()
    made = node.post("/vault/rekey", {"shares": list(old), "needed": needed, "to": [to] * count})
    deployment = node.status()["deployment"]
    name = made["set"]
    boxes = [strict_base64(one, "box") for one in made["boxes"]]
    return name, [
        share_box.open(box, key, share_box.about(deployment, name, index)).decode()
        for index, box in enumerate(boxes, 1)
    ]


def _shown(fresh: Texts) -> Texts:
    """Each to one person, who types it back: what nobody could read again is noticed while the old ones still hold.
    Returns what was typed: that is what the vault is to judge."""
    typed = []
    for number, share in enumerate(fresh, 1):
        _clear()
        _ask(f"Share {number} of {len(fresh)}. Only its custodian looks at the screen now. Press Enter to see it.")
        typer.echo("\n" + "\n".join(f"  {row}" for row in shares.rows(share)) + "\n", err=True)
        _ask("Write it down. Press Enter, and it goes away.")
        _clear()
        while not shares.same(back := shares.typed(f"Share {number}, from what you wrote"), share):
            typer.echo("That is not the share that was shown. Compare it, and type it once more.", err=True)
        typed.append(back)
    _clear()
    return typed


def _clear() -> None:
    """The screen and what it could be scrolled back to (ECMA-48 ED; 3 is xterm's)."""
    typer.echo("\x1b[2J\x1b[3J\x1b[H", err=True, nl=False)


def _ask(text: str) -> None:
    typer.echo(text, err=True)
    input()
