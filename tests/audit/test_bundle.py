"""The evidence of a request as one file: that it holds, and that nothing else does. Judged each time by our verifier
and by the standalone one, which shares no code with it."""

import json
import random
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from breakglass.audit import bundle as bundles
from breakglass.audit import gather
from breakglass.audit.bundle_verify import verify
from breakglass.audit.evidence import newest_checkpoint
from breakglass.audit.export import export_tiles
from breakglass.audit.pinned import vkey
from breakglass.audit.verify_tiles import verify_tiles
from breakglass.cli.main import main
from breakglass.codec import canonical, note
from breakglass.codec.cosignature import WitnessKey, cosign
from breakglass.codec.frames import Kind
from breakglass.codec.recording import Header, Sealer
from breakglass.errors import Malformed, WrongState
from breakglass.flow import evidence, witness
from breakglass.model.people import SYSTEM
from breakglass.standalone import verify_bundle as standalone
from breakglass.trust.tree import Frontier, inclusion_proof, leaf_hash, range_hash
from tests.audit.attacks import signed_by
from tests.audit.kit import LOG_KEY, World, key_of, sign
from tests.audit.test_export import read_export

Doc = dict[str, Any]
KEY = b"k" * 32
WATCHERS = ["w1.example.org", "w2.example.org", "w3.example.org"]


@dataclass
class Told:
    data: bytes
    other: bytes
    """The bundle of another request, which was denied."""
    early: bytes
    """The first export of the request, before its review."""
    pin: str
    tape: Path
    leaves: list[bytes]
    url: str

    def doc(self) -> Doc:
        return json.loads(self.data)


def exported(world: World, request: str) -> bytes:
    id = world.run(world.who("dora"), evidence.export, request)
    return bundles.write(world.store.look(lambda look: gather.bundle(look, request, id)))


def public(name: str) -> bytes:
    return key_of(name).public_key().public_bytes_raw()


def seen_by(world: World, *names: str) -> None:
    """These witnesses cosign the newest checkpoint."""
    signed = world.store.look(newest_checkpoint) or b""
    text = note.parse(signed).text
    for name in names:
        line = cosign(text, name, key_of(name), 1_795_000_000).line().encode()
        world.run(SYSTEM, witness.cosigned, name, note.parse_checkpoint(text).size, line)


def recorded(path: Path, session: str, stream: str = "screen") -> list[tuple[int, str, int]]:
    """A real recording; its heads for the log."""
    sealer = Sealer(Header(session=session, stream=stream, created_at_ms=1, wrapped_key=b"w"), KEY)
    data, heads = [sealer.header], []
    for n in range(5):
        sealer.frame(n, Kind.OUTPUT, 0, b"hello %d" % n)
        data.append(sealer.chunk() or b"")
        heads.append((sealer.head.seq, sealer.head.hash.hex(), sealer.head.bytes))
    data.append(sealer.end(9, "they left"))
    heads.append((sealer.head.seq, sealer.head.hash.hex(), sealer.head.bytes))
    path.write_bytes(b"".join(data))
    return [heads[1], heads[3], heads[5]]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("story")
    known = [{"key": WitnessKey(name=name, public=public(name)).text(), "url": f"https://{name}/"} for name in WATCHERS]
    world = World(folder / "breakglass.db", estate={"witnesses": {"quorum": 2, "known": known}})
    tape = folder / "rec_one.screen"
    heads = recorded(tape, "ses_one")
    early: list[bytes] = []
    use, review = world.use, world.review

    def used(session: str, recording: str, *_: Any) -> None:
        use(session, recording, heads)

    def reviewed(session: str) -> None:
        early.append(exported(world, "req_one"))
        seen_by(world, *WATCHERS[:2])
        review(session)
        seen_by(world, WATCHERS[0])

    world.use, world.review = used, reviewed  # type: ignore[method-assign,assignment]
    world.story()
    data, other = exported(world, "req_one"), exported(world, "req_denied")
    rows = world.store.look(lambda look: list(look.conn.exec_driver_sql("SELECT leaf FROM entry ORDER BY idx")))
    world.stop()
    return Told(data, other, early[0], world.pin, tape, [row[0] for row in rows], world.url)


def judged(data: bytes, pin: str, *tapes: Path) -> tuple[str, str]:
    """What is bad, for each verifier; empty when it holds."""
    ours = verify(data, pin=pin, recordings=tapes)
    ok, found = standalone.run(data, pin, tapes)
    return ours.bad and f"{ours.bad}: {ours.words}", "" if ok else f"{found['bad']}: {found['words']}"


def refused(data: bytes | Doc, pin: str, *tapes: Path) -> tuple[str, str]:
    written = data if isinstance(data, bytes) else canonical.write(data)
    ours, theirs = judged(written, pin, *tapes)
    assert ours, "our verifier takes it"
    assert theirs, "the standalone verifier takes it"
    return ours, theirs


def index_of(doc: Doc, kind: str, nth: int = 0) -> int:
    """Where in the bundle the entry stands."""
    places = [n for n, one in enumerate(doc["entries"]) if json.loads(one["leaf"])["kind"] == kind]
    return places[nth]


def edit(doc: Doc, kind: str, change: Callable[[Doc], object], nth: int = 0) -> None:
    entry = doc["entries"][index_of(doc, kind, nth)]
    event = json.loads(entry["leaf"])
    change(event["data"])
    entry["leaf"] = json.dumps(event, separators=(",", ":"), ensure_ascii=False)


def rebuilt(doc: Doc, *, manifest: bool = True) -> Doc:
    """By somebody who holds the log's key: the bundle's entries become a log of their own, proven and signed. What
    people saw of the true log they can't make fit."""
    leaves = [one["leaf"].encode() for one in doc["entries"]]
    size = doc["entries"][-1]["index"] + 1
    fill = {one["index"]: leaf for one, leaf in zip(doc["entries"], leaves, strict=True)}
    if manifest:
        event = json.loads(leaves[-1])
        others = [(one["index"], leaf_hash(leaf)) for one, leaf in zip(doc["entries"][:-1], leaves, strict=False)]
        event["data"] |= {"entries": len(others), "hash": bundles.manifest(others)}
        fill[size - 1] = json.dumps(event, separators=(",", ":")).encode()
        doc["entries"][-1]["leaf"] = fill[size - 1].decode()
    all_hashes = [leaf_hash(fill.get(n, b"nothing")) for n in range(size)]
    tree = Frontier()
    for one in all_hashes:
        tree.add(one)

    def hash_of(start: int, end: int) -> bytes:
        return range_hash(start, end, lambda a, b: all_hashes[a:b])

    for one in doc["entries"]:
        one["proof"] = [b64encode(each).decode() for each in inclusion_proof(one["index"], size, hash_of)]
    doc["checkpoint"] = signed_by(LOG_KEY, size, tree.root()).decode()
    return doc


# -- what holds -------------------------------------------------------------------------------------------------------
def test_the_whole_story_holds_for_both(told: Told) -> None:
    assert judged(told.data, told.pin, told.tape) == ("", "")
    ours, (_, theirs) = verify(told.data, pin=told.pin, recordings=[told.tape]), standalone.run(told.data, told.pin)
    assert ours.in_words()[-1] == "verified"
    assert (ours.state, ours.statements, ours.grants, ours.sessions, ours.checked) == ("approved", 9, 1, 1, 1)
    for name in (
        "request",
        "state",
        "origin",
        "size",
        "seen_by_people",
        "witnessed",
        "roster",
        "statements",
        "reviewed",
    ):
        assert theirs[name] == getattr(ours, name), name
    assert theirs["rotations"]
    assert len(theirs["rotations"]) == ours.rotations


def test_it_says_how_far_a_quorum_of_witnesses_saw_the_log(told: Told) -> None:
    """Two of three are asked for: the one that saw more counts as far as the other did."""
    sizes = [int(one["checkpoint"].splitlines()[1]) for one in told.doc()["witnessed"]]
    ours = verify(told.data, pin=told.pin)
    assert ours.witnessed == sizes[0] < sizes[1] < ours.size
    assert f"its witnesses up to {sizes[0]}" in " ".join(ours.in_words())
    assert verify(told.early, pin=told.pin).witnessed == 0
    assert "witnessed" not in json.loads(told.early)


def test_a_request_without_a_grant_and_one_without_a_review_hold_too(told: Told) -> None:
    assert judged(told.other, told.pin) == ("", "")
    assert verify(told.other, pin=told.pin).state == "denied"
    assert judged(told.early, told.pin) == ("", "")
    assert not verify(told.early, pin=told.pin).reviewed


def test_it_is_what_reading_and_writing_give(told: Told) -> None:
    assert bundles.write(bundles.read(told.data)) == told.data


def test_while_the_grant_is_open_nothing_leaves(tmp_path: Path) -> None:
    world = World(tmp_path / "breakglass.db")
    world.deposit()
    id = world.ask("req_one")
    for name in ("bo", "cy"):
        world.approve(id, name)
    world.open_grant(world.token(id, "grt_one"))
    with pytest.raises(WrongState, match="still open"):
        exported(world, id)
    world.stop()


VECTORS = Path(__file__).resolve().parents[2] / "docs/formats/vectors"
VECTOR, WITNESSED = (json.loads((VECTORS / f"{name}.json").read_text()) for name in ("bundle", "bundle-witnessed"))


@pytest.mark.parametrize("vector", [VECTOR, WITNESSED], ids=["plain", "witnessed"])
def test_the_vectors_bundles_hold(vector: Doc) -> None:
    data, pin = vector["bundle"].encode(), vector["roster_hash"]
    assert judged(data, pin) == ("", "")
    said = vector.get("witnessed", 0)
    assert verify(data, pin=pin).witnessed == standalone.run(data, pin)[1]["witnessed"] == said


@pytest.mark.parametrize(
    ("vector", "bad"), [pytest.param(one, bad, id=bad["name"]) for one in (VECTOR, WITNESSED) for bad in one["bad"]]
)
def test_the_vectors_bad_ones_do_not(vector: Doc, bad: Doc) -> None:
    assert bad["replace"] in vector["bundle"]
    refused(vector["bundle"].replace(bad["replace"], bad["with"], 1).encode(), vector["roster_hash"])


# -- attacks ----------------------------------------------------------------------------------------------------------
def test_another_roster_hash_and_what_is_no_hash(told: Told) -> None:
    ours, theirs = refused(told.data, "0" * 64)
    assert ours.startswith("entry 0")
    assert theirs.startswith("entry 0")
    with pytest.raises(Malformed):
        verify(told.data, pin="none")


@pytest.mark.parametrize(
    "kind", ["request.approval", "review.signed", "recording.head", "rotation.done", "request.made"]
)
def test_a_dropped_entry(told: Told, kind: str) -> None:
    doc = told.doc()
    del doc["entries"][index_of(doc, kind)]
    for words in refused(doc, told.pin):
        assert "left out" in words or "head that no statement" in words


def test_a_dropped_end_of_the_story_under_an_older_manifest(told: Told) -> None:
    """The first export is a bundle that held then: with the newer checkpoint it holds, and says its own instant."""
    doc, early = told.doc(), json.loads(told.early)
    first = index_of(doc, "evidence.exported", 0)
    doc["entries"] = doc["entries"][: first + 1]
    refused(doc, told.pin)  # its heads are too many
    doc["heads"] = [one for one in doc["heads"] if one["size"] in {each["size"] for each in early["heads"]}]
    assert judged(canonical.write(doc), told.pin) == ("", "")
    assert verify(canonical.write(doc), pin=told.pin).exported_at < verify(told.data, pin=told.pin).exported_at


def test_a_dropped_approval_by_who_holds_the_log_key(told: Told) -> None:
    """They may sign any log: but people saw heads of the true one."""
    doc = told.doc()
    del doc["entries"][index_of(doc, "request.approval")]
    refused(rebuilt(doc), told.pin)
    doc["heads"] = []
    refused(rebuilt(doc), told.pin)


def swapped(doc: Doc) -> None:
    given = [json.loads(doc["entries"][index_of(doc, "request.approval", n)]["leaf"])["data"] for n in (0, 1)]
    for n in (0, 1):
        edit(doc, "request.approval", lambda data, n=n: data.update(signature=given[1 - n]["signature"]), n)  # type: ignore[misc]


def reworded(doc: Doc) -> None:
    def longer(data: Doc) -> None:
        data["statement"] = data["statement"].replace("duration: 1800", "duration: 7200")

    edit(doc, "request.approval", longer)


def signed_by_the_requester(doc: Doc) -> None:
    def anew(data: Doc) -> None:
        data["signature"] = sign(data["statement"], "alice").signature

    edit(doc, "request.approval", anew)


def signed_in_another_namespace(doc: Doc) -> None:
    from breakglass.codec import sshsig

    def anew(data: Doc) -> None:
        data["signature"] = sshsig.sign_ed25519(key_of("bo"), data["statement"].encode(), "file")

    edit(doc, "request.approval", anew)


def edited_head(doc: Doc) -> None:
    edit(doc, "recording.head", lambda data: data.update(head="00" * 32))


def longer_grant(doc: Doc) -> None:
    def longer(data: Doc) -> None:
        data["token"] = data["token"].replace("not-after: 2026-11-23T21:3", "not-after: 2026-11-23T22:3")
        data["ends_at"] = data["ends_at"].replace("T21:3", "T22:3")

    edit(doc, "grant.opened", longer)


EDITS = [swapped, reworded, signed_by_the_requester, signed_in_another_namespace, edited_head, longer_grant]


@pytest.mark.parametrize("attack", EDITS)
def test_an_edited_entry(told: Told, attack: Callable[[Doc], None]) -> None:
    doc = told.doc()
    attack(doc)
    for words in refused(doc, told.pin):
        assert words.startswith("entry ")


@pytest.mark.parametrize("attack", EDITS)
def test_an_edited_entry_in_a_log_that_was_signed_anew(told: Told, attack: Callable[[Doc], None]) -> None:
    """With a stolen log key. Of what people signed and saw nothing fits any more."""
    doc = told.doc()
    attack(doc)
    refused(rebuilt(doc), told.pin)


def test_another_requests_approval(told: Told) -> None:
    doc, other = told.doc(), json.loads(told.other)
    place, theirs = index_of(doc, "request.approval"), index_of(other, "request.denied")
    doc["entries"][place] = other["entries"][theirs]
    refused(doc, told.pin)


def test_an_older_roster(told: Told) -> None:
    doc = told.doc()
    del doc["entries"][index_of(doc, "roster.adopted", 1)]
    refused(doc, told.pin)
    refused(rebuilt(doc), told.pin)


def test_entries_in_another_order_twice_and_renumbered(told: Told) -> None:
    for change in ("swap", "twice", "renumber"):
        doc = told.doc()
        entries = doc["entries"]
        if change == "swap":
            entries[3], entries[4] = entries[4], entries[3]
        elif change == "twice":
            entries.insert(4, entries[4])
        else:
            entries[4]["index"] += 1
        refused(doc, told.pin)


def test_another_checkpoint_and_lines_by_unknown_keys(told: Told) -> None:
    doc = told.doc()
    doc["checkpoint"] = json.loads(told.other)["checkpoint"]
    refused(doc, told.pin)
    doc = told.doc()
    doc["checkpoint"] += "— example.org/w1 " + b64encode(b"1234" + bytes(64)).decode() + "\n"
    refused(doc, told.pin)
    doc = told.doc()
    doc["checkpoint"] += doc["checkpoint"].splitlines(keepends=True)[-1]
    refused(doc, told.pin)


def test_heads_that_are_missing_moved_or_more(told: Told) -> None:
    for change in ("drop", "grow", "root", "more"):
        doc = told.doc()
        heads = doc["heads"]
        if change == "drop":
            heads.pop()
        elif change == "grow":
            heads[-1]["size"] += 1
        elif change == "root":
            heads[-1]["root"] = heads[0]["root"]
        else:
            size = heads[-1]["size"] + 1
            heads.append({"size": size, "root": heads[-1]["root"], "proof": heads[-1]["proof"]})
        refused(doc, told.pin)


def retold(told: Told, name: str, key: str) -> Doc:
    """A line more below the first witnessed checkpoint: `name`'s, by this key."""
    doc = told.doc()
    signed = doc["witnessed"][0]["checkpoint"]
    doc["witnessed"][0]["checkpoint"] += cosign(note.parse(signed.encode()).text, name, key_of(key), 1).line()
    return doc


def test_a_line_more_by_a_witness_of_the_roster_counts(told: Told) -> None:
    data = canonical.write(retold(told, WATCHERS[2], WATCHERS[2]))
    assert judged(data, told.pin) == ("", "")
    sizes = [int(one["checkpoint"].splitlines()[1]) for one in told.doc()["witnessed"]]
    assert verify(data, pin=told.pin).witnessed == standalone.run(data, told.pin)[1]["witnessed"] == sizes[0]


@pytest.mark.parametrize(
    ("name", "key"),
    [("w4.example.org", "w4.example.org"), (WATCHERS[2], "w4.example.org"), (WATCHERS[1], WATCHERS[1])],
    ids=["a stranger's", "another key's", "the same one's twice"],
)
def test_a_line_more_below_a_witnessed_checkpoint(told: Told, name: str, key: str) -> None:
    refused(retold(told, name, key), told.pin)


def test_witnessed_checkpoints_that_are_not_of_this_log(told: Told) -> None:
    for change in ("root", "size", "log's line", "none", "order", "twice", "proof", "alone", "empty", "time"):
        doc = told.doc()
        first, second = doc["witnessed"]
        text, lines = first["checkpoint"].split("\n\n")
        if change in (
            "root",
            "size",
        ):  # with both stolen keys; what people saw still fits
            size, root = int(text.splitlines()[1]), b64decode(text.splitlines()[2])
            size, root = (size + 1, root) if change == "size" else (size, bytes(32))
            signed = signed_by(LOG_KEY, size, root)
            line = cosign(note.parse(signed).text, WATCHERS[0], key_of(WATCHERS[0]), 1).line()
            first["checkpoint"] = signed.decode() + line
        elif change == "log's line":
            first["checkpoint"] = text + "\n\n" + "\n".join(lines.splitlines()[1:]) + "\n"
        elif change == "none":
            first["checkpoint"] = text + "\n\n" + lines.splitlines()[0] + "\n"
        elif change == "order":
            doc["witnessed"] = [second, first]
        elif change == "twice":
            doc["witnessed"] = [first, first, second]
        elif change == "proof":
            first["proof"] = second["proof"]
        elif change == "alone":
            first["checkpoint"] = text + "\n"
        elif change == "empty":
            doc["witnessed"] = []
        else:
            own = note.parse(first["checkpoint"].encode())
            raw = own.signatures[1].signature
            late = replace(own.signatures[1], signature=raw[:7] + bytes([raw[7] ^ 1]) + raw[8:])
            first["checkpoint"] = replace(own, signatures=(own.signatures[0], late)).encode().decode()
        ours, theirs = refused(doc, told.pin)
        assert "witness" in ours + theirs or "bundle" in ours + theirs, change


@pytest.mark.parametrize("wrong", [b"", b"{}\n", b"[]\n", b'"text"\n', b"null\n", b"\xff", b"[" * 100_000])
def test_what_is_no_bundle(told: Told, wrong: bytes) -> None:
    refused(wrong, told.pin)


def test_members_of_other_kinds(told: Told) -> None:
    for name in ("checkpoint", "entries", "format", "heads", "request", "witnessed"):
        values: list[Any] = [True, 3, "x", [], {}, [1], [[]], [{}], {"a": 1}]
        for value in values:
            doc = told.doc()
            if value == doc[name]:
                continue
            doc[name] = value
            refused(doc, told.pin)


# -- recordings -------------------------------------------------------------------------------------------------------
def test_a_recordings_file_dropped_swapped_edited_cut(told: Told, tmp_path: Path) -> None:
    whole, tape = told.tape.read_bytes(), tmp_path / "ses.screen"
    header = 8 + int.from_bytes(whole[4:8], "big")
    chunks, place = [], header
    while place < len(whole):
        end = place + 45 + int.from_bytes(whole[place : place + 4], "big") + 32
        chunks.append(whole[place:end])
        place = end
    start = whole[:header]
    edited = bytearray(whole)
    edited[header + 60] ^= 1
    for data in (
        start + b"".join(chunks[1:]),
        start + b"".join([chunks[1], chunks[0], *chunks[2:]]),
        bytes(edited),
        start + b"".join(chunks[:-1]),
        start + b"".join(chunks[:3]),
        whole[:-1],
        whole + b"x",
        whole + chunks[-1],
        whole.replace(b"ses_one", b"ses_two"),
        start,
        b"BGR1",
        b"",
    ):
        tape.write_bytes(data)
        refused(told.data, told.pin, tape)
    tape.write_bytes(whole)
    assert judged(told.data, told.pin, tape) == ("", "")
    refused(told.data, told.pin, tmp_path / "none")


def test_a_recording_is_played_with_its_key(told: Told, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key, cast = tmp_path / "key", tmp_path / "out.cast"
    key.write_text(KEY.hex() + "\n")
    words = ["evidence", "play", str(told.tape), "--key-file", str(key), "-o", str(cast)]
    assert main(words) == 0
    head, *events = cast.read_text().splitlines()
    assert json.loads(head)["version"] == 3
    shown = [text for _, kind, text in map(json.loads, events) if kind == "o"]
    assert "".join(shown) == "hello 0hello 1hello 2hello 3hello 4"
    key.write_text((b"x" * 32).hex())
    words[-1] = str(tmp_path / "other.cast")
    assert main(words) == 7
    assert "was not sealed by this recording's key" in capsys.readouterr().err
    key.write_text("none")
    assert main(words) == 2
    assert not (tmp_path / "other.cast").exists()


# -- the standalone verifier, as an auditor runs it -------------------------------------------------------------------
def isolated(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Python without a path to anything but the standard library and `cryptography` (with what it is built on)."""
    import cryptography

    site = folder / "site"
    if not site.exists():
        site.mkdir()
        for path in Path(cryptography.__file__).parents[1].iterdir():
            if path.name.partition(".")[0] in {"cryptography", "cffi", "_cffi_backend", "pycparser"}:
                (site / path.name).symlink_to(path)
        (folder / "verify_bundle.py").write_bytes(Path(standalone.__file__).read_bytes())
    start = f"import sys; sys.path.append({str(site)!r}); sys.argv = ['verify_bundle.py', *{list(words)!r}]; "
    start += "import runpy; runpy.run_path('verify_bundle.py', run_name='__main__')"
    command = [sys.executable, "-I", "-S", "-c", start]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_it_runs_where_no_breakglass_is(told: Told, tmp_path: Path) -> None:
    (tmp_path / "evidence.json").write_bytes(told.data)
    (tmp_path / "tape").write_bytes(told.tape.read_bytes())
    words = ["evidence.json", "--roster-hash", told.pin, "--recording", "tape"]
    ran = isolated(tmp_path, *words)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "verified"
    assert json.loads(isolated(tmp_path, *words, "--json").stdout)["checked"] == 1
    doc = told.doc()
    reworded(doc)
    (tmp_path / "evidence.json").write_bytes(canonical.write(doc))
    ran = isolated(tmp_path, *words)
    assert ran.returncode == 7
    assert ran.stdout.startswith("BAD entry ")
    assert isolated(tmp_path, "evidence.json", "--roster-hash", "x").returncode == 2
    assert "breakglass" not in "".join(
        line for line in Path(standalone.__file__).read_text().splitlines() if line.startswith(("import", "from"))
    )


def test_stock_ssh_keygen_verifies_the_statements(told: Told, tmp_path: Path) -> None:
    roster: Doc = {}
    checked = 0
    for one in told.doc()["entries"]:
        data = json.loads(one["leaf"])["data"]
        if "document" in data:
            roster = json.loads(data["document"])
        for name in [name for name in data if name.startswith("statement") and name != "statements"]:
            text, signature = data[name], data[name.replace("statement", "signature")]
            person = text.partition("\nperson: ")[2].partition("\n")[0]
            public = roster["people"][person]["keys"][0]["public"]
            (tmp_path / "allowed").write_text(f'{person} namespaces="breakglass" {public}\n')
            (tmp_path / "sig").write_text(signature)
            command = ["ssh-keygen", "-Y", "verify", "-f", "allowed", "-I", person, "-n", "breakglass", "-s", "sig"]
            done = subprocess.run(
                command, cwd=tmp_path, input=text.encode(), capture_output=True, timeout=20, check=False
            )
            assert done.returncode == 0, done.stderr
            checked += 1
    assert checked == 9


# -- mutations --------------------------------------------------------------------------------------------------------
def mutant(data: bytes, chance: random.Random) -> bytes:
    """One byte changed, put in, taken out, or a piece doubled."""
    at, how = chance.randrange(len(data)), chance.randrange(5)
    if how == 0:
        return data[:at] + data[at + 1 :]
    if how == 1:
        return data[:at] + bytes([chance.randrange(256)]) + data[at:]
    if how == 2:
        end = min(len(data), at + chance.randrange(1, 400))
        return data[:end] + data[at:end] + data[end:]
    return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :]


def mutants(data: bytes, count: int, seed: int) -> list[bytes]:
    chance = random.Random(seed)
    found = (mutant(data, chance) for _ in range(count * 2))
    return [one for one in found if one != data][:count]


@pytest.mark.parametrize("count", [200, pytest.param(7000, marks=pytest.mark.slow)])
def test_every_mutation_of_a_bundle_is_refused(told: Told, count: int) -> None:
    taken = [one for one in mutants(told.data, count, count) if verify(one, pin=told.pin).ok]
    assert not taken
    taken = [one for one in mutants(told.data, count, count + 1) if standalone.run(one, told.pin)[0]]
    assert not taken


@pytest.mark.parametrize("count", [100, pytest.param(3000, marks=pytest.mark.slow)])
def test_every_mutation_of_exported_tiles_is_refused(told: Told, tmp_path: Path, count: int) -> None:
    """Judged by our verifier, and by a reader that shares no code with the writer."""
    export_tiles(told.url, tmp_path, pin=told.pin)
    key = vkey(told.url, pin=told.pin)
    assert read_export(tmp_path, key) == told.leaves
    assert verify_tiles(tmp_path, pin=told.pin).ok
    files = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    chance, tried = random.Random(count), 0
    while tried < count:
        path = chance.choice(files)
        data = path.read_bytes()
        if (changed := mutant(data, chance)) == data:
            continue
        path.write_bytes(changed)
        assert not verify_tiles(tmp_path, pin=told.pin).ok, path.name
        try:
            standalone.open_note((tmp_path / "checkpoint").read_bytes().decode(), key)
            read_export(tmp_path, key)
        except Exception:  # noqa: S110 (it is a plain reader: whatever it says, it does not take it)
            pass
        else:
            pytest.fail(f"{path.name}: a mutation was taken")
        path.write_bytes(data)
        tried += 1


@pytest.mark.nightly
def test_every_bit_of_a_bundle_counts(told: Told) -> None:
    for n in range(0, len(told.data), 5):
        byte = told.data[n]
        one = told.data[:n] + bytes([byte ^ 1 << n % 8]) + told.data[n + 1 :]
        assert not verify(one, pin=told.pin).ok, n
        assert not standalone.run(one, told.pin)[0], n


def test_base64_is_read_in_one_form_only() -> None:
    assert standalone.b64("AA==") == b64decode("AA==")
    for text in ("AB==", "AA=", "AA", "AA==\n", "A A==", "é"):
        with pytest.raises(standalone.Bad):
            standalone.b64(text)
