"""The log: verified without asking the node, exported for other people's tools, and read."""

from pathlib import Path
from typing import Annotated

import typer

from breakglass.cli import next_log
from breakglass.cli.decide import SignatureFile, TextFile, brought
from breakglass.cli.groups import of
from breakglass.cli.printing import note

FOLLOW_EVERY = 1.0
app = typer.Typer(
    help="The log: verify, export, vkey, tail, show, prove, anchors, timestamps, witnesses, override, next-log, "
    "private, erase.",
    rich_markup_mode=None,
)
app.command("next-log")(next_log.command)


@app.command()
def verify(
    ctx: typer.Context,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A checkpoint that was kept elsewhere; may be given often."),
    ] = None,
    vkey: Annotated[str, typer.Option(help="The log's key, when you know it from elsewhere.")] = "",
    pin: Annotated[str, typer.Option(help="The founding roster's hash, when you know it from elsewhere.")] = "",
    recordings: Annotated[bool, typer.Option("--recordings", help="Check the recordings' files too.")] = False,
    tsa_ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Roots of the timestamp authority (PEM): check its receipts.")
    ] = None,
    tiles: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Verify what `audit export` wrote, without a data folder.")
    ] = None,
) -> None:
    """Recompute everything: leaves, tree, checkpoints, statements, roster steps. Exit code 7 when anything is wrong.

    With --home it reads the data folder and asks neither node nor vault; with --tiles it reads an export, and needs
    --pin; with --server the node verifies itself.
    """
    from breakglass.cli.exits import Exit
    from breakglass.cli.printing import out, progress

    options = of(ctx)
    if tiles is not None:
        from breakglass.audit.verify_tiles import verify_tiles
        from breakglass.cli.files import read_bytes

        with progress(options, "Verifying entries") as told:
            report = verify_tiles(
                tiles,
                pin=pin,
                log_vkey=vkey or None,
                outside=[read_bytes(path) for path in checkpoint or ()],
                progress=told,
            )
        out(options, {**report.as_json(), "entries": report.window.entries}, report.in_words)
        ok = report.ok
    elif options.server:
        from breakglass.cli.server import LONG, server

        found = server(options).post("/audit/verify", timeout=LONG)
        said = "All of it holds (says the node itself)." if found["ok"] else "It does NOT hold: call the auditors."
        out(options, found["result"], lambda: [said])
        ok = found["ok"]
    else:
        from breakglass.audit.offline import open_offline
        from breakglass.audit.timestamps import authorities
        from breakglass.audit.verify import verify as run
        from breakglass.cli.files import read_bytes

        home = options.data_folder()
        engine, settings = open_offline(home)
        with progress(options, "Verifying entries") as told:
            report = run(
                engine,
                pin=pin or settings.roster_pin,
                log_vkey=vkey or None,
                outside=[read_bytes(path) for path in checkpoint or ()],
                recordings=home.recordings if recordings else None,
                authorities=authorities(tsa_ca) if tsa_ca else (),
                progress=told,
            )
        out(options, {**report.as_json(), "entries": report.window.entries}, report.in_words)
        ok = report.ok
    if not ok:
        raise typer.Exit(Exit.TAMPERED)


@app.command()
def export(
    ctx: typer.Context,
    tiles: Annotated[Path, typer.Option(help="Folder for the log in C2SP tlog-tiles form.")],
    pin: Annotated[str, typer.Option(help="The founding roster's hash, when you know it from elsewhere.")] = "",
) -> None:
    """Write the log as files that other people's tools verify. Again and again is fine."""
    from dataclasses import asdict

    from breakglass.audit.export import export_tiles
    from breakglass.audit.offline import open_offline
    from breakglass.cli.printing import out

    options = of(ctx)
    engine, settings = open_offline(options.data_folder())
    done = export_tiles(engine, tiles, pin=pin or settings.roster_pin)
    told = f"{done.size} entries of {done.origin} in {tiles}: {done.files} files, {done.written} of them new."
    out(options, asdict(done), lambda: [told, f"Verify the checkpoint with: {done.vkey}"])


@app.command()
def vkey(ctx: typer.Context) -> None:
    """The log's public key (C2SP signed-note), from the pinned founding roster."""
    from breakglass.audit.offline import open_offline
    from breakglass.audit.pinned import vkey as key_of
    from breakglass.cli.printing import out

    options = of(ctx)
    engine, settings = open_offline(options.data_folder())
    found = key_of(engine, pin=settings.roster_pin)
    out(options, {"vkey": found}, lambda: [found])


@app.command()
def tail(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    about: Annotated[str, typer.Option(help="Only about this thing: an id.")] = "",
    kind: Annotated[str, typer.Option(help="Only this kind: `session.ended`, or `session.` for all of them.")] = "",
    after: Annotated[int, typer.Option(min=-1, help="Entries behind this one.")] = -1,
    by: Annotated[str, typer.Option(help="Only what this person did: an id, or `system`.")] = "",
    since: Annotated[str, typer.Option(help="From this instant on, as 2026-11-23T21:00:00Z.")] = "",
    until: Annotated[str, typer.Option(help="Before this instant.")] = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new entries, until interrupted.")] = False,
) -> None:
    """The last entries, in sentences (auditors, custodians, administrators)."""
    from time import sleep

    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    node, named = server(options), {"about": about, "kind": kind, "by": by}
    asked = {**named, **({"since": since} if since else {}), **({"until": until} if until else {})}
    found = node.get("/audit/entries", limit=limit, after=after, **asked)
    show_all(options, found, shapes.Entry, words.entries)
    last = max([after, *(one["index"] for one in found)])
    while follow:
        sleep(FOLLOW_EVERY)
        if found := node.get("/audit/entries", limit=1000, after=max(last, 0), **asked):
            last = found[-1]["index"]
            show_all(options, found, shapes.Entry, words.entries_only)


@app.command()
def prove(
    ctx: typer.Context,
    index: Annotated[int, typer.Argument(min=0)],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A new file: NAME.tlog-proof.")] = None,
) -> None:
    """One entry's proof as other people's tools read it (C2SP tlog-proof); with --json, the entry and its proof."""
    from breakglass.cli.files import write_new
    from breakglass.cli.printing import out
    from breakglass.cli.server import server
    from breakglass.codec import tlog_proof

    options = of(ctx)
    found = server(options).get(f"/audit/entries/{index}")
    hashes, checkpoint = tuple(map(bytes.fromhex, found["proof"])), found["checkpoint"].encode()
    proof = tlog_proof.write(tlog_proof.TlogProof(index=index, hashes=hashes, checkpoint=checkpoint))
    if output is not None:
        write_new(output, proof)
    told = [f"{output}: {len(proof)} bytes"] if output else proof.decode().rstrip("\n").split("\n")
    out(options, found, lambda: told)


@app.command()
def timestamps(
    ctx: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="DIR", help="Write each checkpoint and its receipt there.")
    ] = None,
) -> None:
    """What a timestamp authority said about checkpoints. Reads the data folder; asks nobody.

    With --output, anybody checks one: openssl ts -verify -data SIZE.checkpoint -in SIZE.tsr -CAfile ROOTS
    """
    from breakglass.audit.offline import open_offline
    from breakglass.audit.timestamps import kept
    from breakglass.cli.files import write_new
    from breakglass.cli.printing import out

    options = of(ctx)
    engine, _ = open_offline(options.data_folder())
    found = kept(engine)
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for one in found:
            write_new(output / f"{one.size}.checkpoint", one.checkpoint)
            write_new(output / f"{one.size}.tsr", one.receipt)
    told = [f"{one.size} entries  {one.at:%Y-%m-%d %H:%M:%S} UTC" for one in found]
    shown = [{"size": one.size, "at": one.at.isoformat()} for one in found]
    out(options, shown, lambda: told or ["There are no timestamps."])


@app.command()
def anchors(ctx: typer.Context) -> None:
    """Where the node's settings have the log's checkpoints go, and what got there last."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    show_all(options, server(options).get("/audit/anchors"), shapes.Anchor, words.anchors)


@app.command()
def witnesses(ctx: typer.Context) -> None:
    """How far each witness of the roster has cosigned the log, and whether releases wait for them."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.views import witnesses as views

    options = of(ctx)
    show(options, server(options).get("/audit/witnesses"), views.Witnesses, views.lines)


@app.command()
def override(
    ctx: typer.Context,
    lasting: Annotated[str, typer.Option("--for", help="How long, at most 24h; without it: what another began.")] = "",
    because: Annotated[str, typer.Option(help="Why the witnesses can't be reached. It stays in the log.")] = "",
    signature: SignatureFile = None,
    text: TextFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
) -> None:
    """Let releases go on though the witnesses can't be reached (custodians). Two sign the same; it ends by itself."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.cli.signing import sign_statement
    from breakglass.views import say
    from breakglass.views import witnesses as views

    options = of(ctx)
    body, node = brought(signature, text), server(options)
    if body is None:
        if lasting:
            wanted = {"seconds": say.minutes_of(lasting) * 60, "because": because}
            drawn = node.post("/audit/override", wanted)["text"]
        else:
            drawn = node.post("/audit/override/statement")["text"]
        subject = f"{node.status()['deployment']}/witnesses"
        body = {"signature": sign_statement(options, drawn, kind="override", subject=subject, yes=yes), "text": drawn}
    show(options, node.post("/audit/override/sign", body), views.Witnesses, views.lines)


@app.command()
def private(
    ctx: typer.Context,
    about: Annotated[str, typer.Option(help="Only about this thing: an id.")] = "",
    by: Annotated[str, typer.Option(help="Only what this person did: an id.")] = "",
) -> None:
    """Entries whose private values (addresses, devices, free texts) are still there (auditors, custodians)."""
    from breakglass.cli.printing import show_all
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    found = server(options).get("/audit/private", about=about, by=by)
    show_all(options, found, shapes.Entry, words.entries)


@app.command()
def erase(
    ctx: typer.Context,
    entries: Annotated[list[int] | None, typer.Argument(metavar="[ENTRY]...", min=0)] = None,
    person: Annotated[str, typer.Option(help="Instead: all of this person's that can go now; an id.")] = "",
    because: Annotated[str, typer.Option(help="Why. It stays in the log: name nobody in it.")] = "",
    erasure: Annotated[str, typer.Option(help="Sign what somebody else began: its id.")] = "",
    signature: SignatureFile = None,
    text: TextFile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Sign without asking.")] = False,
) -> None:
    """Have private values erased: an auditor and a custodian sign. Entries and proofs stay, the values go.

    It takes with it what else is private of the same sessions, requests and grants. Nothing brings them back.
    """
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.cli.signing import sign_statement
    from breakglass.views import erasure as views

    options = of(ctx)
    body, node = brought(signature, text), server(options)
    if body is None:
        if erasure:
            drawn = node.post(f"/audit/erasures/{erasure}/statement")
        else:
            drawn = node.post("/audit/erasures", {"entries": entries or [], "person": person, "because": because})
        if drawn["left"]:
            note(f"{drawn['left']} more entries of {person} can't be erased, or not yet.")
        erasure = drawn["id"]
        signed = sign_statement(options, drawn["text"], kind="erase", subject=erasure, yes=yes)
        body = {"signature": signed, "text": drawn["text"]}
    show(options, node.post(f"/audit/erasures/{erasure}/sign", body), views.Erasure, views.lines)


@app.command("show")
def show_entry(ctx: typer.Context, index: Annotated[int, typer.Argument(min=0)]) -> None:
    """One entry with its proof and the checkpoint that covers it."""
    from breakglass.cli.printing import show
    from breakglass.cli.server import server
    from breakglass.views import shapes, words

    options = of(ctx)
    show(options, server(options).get(f"/audit/entries/{index}"), shapes.ProvenEntry, words.proven)
