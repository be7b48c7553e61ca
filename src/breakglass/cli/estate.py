"""The estate: seen, its credentials stored, and changed by proposals that people sign."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from breakglass.cli.decide import SignatureFile, TextFile, brought
from breakglass.cli.groups import group, of

app = group("show", "The estate: targets, accounts, people. Also: estate store, propose, proposals, statement, sign.")
ProposalArg = Annotated[str, typer.Argument(metavar="PROPOSAL")]


@app.command()
def show(
    ctx: typer.Context,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="As the file that `estate propose` takes.")] = False,
) -> None:
    """Targets, accounts and their credentials, conditions, policies, people."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.views import estate_shapes, words

    options = of(ctx)
    node = server(options)
    if as_yaml:
        import yaml

        from breakglass.trust.drafting import estate_of

        found = estate_of(node.get("/roster")["document"].encode())
        yaml.safe_dump(found, sys.stdout, sort_keys=False, allow_unicode=True, width=120)
        return
    show(options, node.get("/estate"), estate_shapes.Estate, words.estate)


@app.command()
def store(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(help="acc_…, or TARGET, or ACCOUNT+TARGET.")],
    file: Annotated[Path | None, typer.Option(help="A file with the secret; - for standard input.")] = None,
) -> None:
    """Store the secret that is set on the target now (custodians). It is changed at once, because you have seen it."""
    from breakglass.cli import secret
    from breakglass.cli.printing import out
    from breakglass.cli.rotate import account_id
    from breakglass.cli.server import server

    options = of(ctx)
    node = server(options)
    id = account_id(node, account)
    value = secret.read(file, f"The secret of {id}", twice=True)
    done = node.send("PUT", f"/accounts/{id}/credential", json={"secret": value}).json()
    out(options, done, lambda: [f"Stored as version {done['version']} of {id}; it is being changed now."])


@app.command()
def propose(
    ctx: typer.Context, file: Annotated[Path, typer.Argument(help="The estate as YAML, or a whole document.")]
) -> None:
    """Propose the next version. It holds once enough people have signed it."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    node = server(options)
    document = _document(file, node.get("/roster")["document"].encode())
    made = node.send(
        "POST", "/roster/proposals", content=document, headers={"Content-Type": "application/octet-stream"}
    ).json()
    if options.json:
        from breakglass.cli.printing import out

        out(options, made, list)
    else:
        show_all(options, [made], shapes.Proposal, words.proposals)


@app.command()
def proposals(ctx: typer.Context) -> None:
    """What is proposed, what it changes, and who must still sign."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    show_all(options, server(options).get("/roster/proposals"), shapes.Proposal, words.proposals)


@app.command()
def statement(ctx: typer.Context, id: ProposalArg) -> None:
    """Print the exact text that you would sign, and nothing else."""
    from breakglass.cli.decide import print_text
    from breakglass.cli.server import server
    from breakglass.model.ids import checked

    options = of(ctx)
    print_text(options, server(options).post(f"/roster/proposals/{checked('pro', id)}/statement")["text"])


@app.command()
def sign(
    ctx: typer.Context,
    id: ProposalArg,
    signature: SignatureFile = None,
    text: TextFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
) -> None:
    """Read what changes, sign it with your key, and send it."""
    from breakglass.cli.printing import out
    from breakglass.cli.server import server
    from breakglass.cli.signing import sign_statement
    from breakglass.model.ids import checked

    options = of(ctx)
    checked("pro", id)
    body = brought(signature, text)
    node = server(options)
    if body is None:
        offered = node.post(f"/roster/proposals/{id}/statement")["text"]
        roster = node.get("/roster")
        subject = f"{node.status()['deployment']}/roster/{roster['version'] + 1}"
        made = sign_statement(options, offered, kind="roster", subject=subject, yes=yes)
        body = {"signature": made, "text": offered}
    done = node.post(f"/roster/proposals/{id}/sign", body)
    told = f"Version {done['version']} holds now." if done["adopted"] else "Signed. Others must still sign it."
    out(options, done, lambda: [told])


def _document(file: Path, present: bytes) -> bytes:
    """A whole document as it is, or the next version from an estate in YAML. Raises `Malformed`."""
    from datetime import UTC, datetime

    from breakglass.cli.files import read_bytes
    from breakglass.cli.init import read_estate
    from breakglass.trust import drafting
    from breakglass.trust.roster import parse

    data = read_bytes(file)
    if data.startswith(b"{"):
        return data
    return drafting.following(read_estate(file), parse(present), at=datetime.now(UTC).replace(microsecond=0))
