"""Signed notes and checkpoints against the published vectors; and nothing else passes."""

from base64 import b64decode, b64encode
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from breakglass.codec import note
from breakglass.codec.note import Checkpoint, Note, Signature, parse_checkpoint, parse_vkey, vkey
from breakglass.errors import BadSignature, Malformed, Refused

# The example key and note of golang.org/x/mod/sumdb/note's documentation, which C2SP signed-note was written from.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_SEED = b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
LINE = "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
NOTE = f"{TEXT}\n{LINE}".encode()

# The example of the C2SP tlog-checkpoint specification.
SOFA = (
    "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
    (
        "— example.com/behind-the-sofa "
        "Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n"
    ),
)


def key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


# -- published vectors ------------------------------------------------------------------------------------------------
def test_the_published_note_opens_and_is_made_byte_for_byte() -> None:
    opened = note.verify(NOTE, [NEUMANN])
    assert opened.text == TEXT
    assert [(one.name, one.key_id.hex()) for one in opened.signatures] == [("PeterNeumann", "c74f20a3")]
    signer = Ed25519PrivateKey.from_private_bytes(NEUMANN_SEED)
    assert note.sign(TEXT, "PeterNeumann", signer) == NOTE
    assert vkey("PeterNeumann", signer.public_key()) == NEUMANN
    assert parse_vkey(NEUMANN).text() == NEUMANN


def test_the_published_key_of_the_go_checksum_database_has_its_id() -> None:
    text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
    assert parse_vkey(text).key_id.hex() == "033de0ae"


def test_the_notes_of_the_specifications_are_read() -> None:
    body, line = SOFA
    read = note.parse(f"{body}\n{line}".encode())
    assert read.encode() == f"{body}\n{line}".encode()
    assert parse_checkpoint(read.text).body() == body
    assert parse_checkpoint(read.text).size == 20852163

    quasimodo = (
        "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n",
        (
            "— quasimodo.example/salvatore "
            "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
        ),
    )
    assert note.parse("\n".join(quasimodo).encode()).text == quasimodo[0]


@given(st.data())
def test_no_part_of_the_published_key_and_no_other_byte_in_it_passes(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(NEUMANN) - 1))
    end = data.draw(st.integers(start, len(NEUMANN) - (start == 0)))
    other = data.draw(st.characters().filter(lambda c: c != NEUMANN[start]))
    for bad in (NEUMANN[start:end], NEUMANN[:start] + other + NEUMANN[start + 1 :]):
        with pytest.raises(Malformed):
            parse_vkey(bad)


def test_keys_of_another_length_or_type_are_refused_though_their_id_fits() -> None:
    public = parse_vkey(NEUMANN).public
    for kind, raw in ((1, public + b"\0"), (1, public[:-1]), (4, public), (101, public)):
        identity = note.key_id("PeterNeumann", kind, raw).hex()
        with pytest.raises(Malformed):
            parse_vkey(f"PeterNeumann+{identity}+{b64encode(bytes([kind]) + raw).decode()}")
    with pytest.raises(Malformed):
        parse_vkey(NEUMANN.replace("c74f20a3", "C74F20A3"))


# -- who signed -------------------------------------------------------------------------------------------------------
def test_lines_of_unknown_keys_are_ignored_and_known_ones_listed_once() -> None:
    ann, bo, eve = key(1), key(2), key(3)
    lines = [note.parse(note.sign(TEXT, name, one)).signatures[0] for name, one in (("a", ann), ("b", bo), ("e", eve))]
    wrong = replace(lines[2], signature=bytes(64))
    data = Note(text=TEXT, signatures=(wrong, lines[0], lines[1], lines[0])).encode()

    opened = note.verify(data, [vkey("b", bo.public_key()), vkey("a", ann.public_key())])

    assert [one.name for one in opened.signatures] == ["a", "b"]
    with pytest.raises(BadSignature, match="signature of e"):
        note.verify(data, [vkey("a", ann.public_key()), vkey("e", eve.public_key())])


def test_a_note_that_no_known_key_signed_is_refused() -> None:
    for keys in ([], [vkey("PeterNeumann", key(1).public_key())], [vkey("other", key(1).public_key())]):
        with pytest.raises(BadSignature, match="No known key"):
            note.verify(NOTE, keys)


def test_a_key_id_that_is_borrowed_makes_the_note_bad() -> None:
    forged = Signature(name="PeterNeumann", key_id=parse_vkey(NEUMANN).key_id, signature=key(1).sign(TEXT.encode()))
    for lines in ((forged,), (note.parse(NOTE).signatures[0], forged)):
        with pytest.raises(BadSignature, match="does not fit"):
            note.verify(Note(text=TEXT, signatures=lines).encode(), [NEUMANN])


@given(st.integers(0, len(NOTE) - 1), st.integers(1, 255))
def test_one_changed_byte_anywhere_is_refused(at: int, other: int) -> None:
    with pytest.raises(Refused):
        note.verify(NOTE[:at] + bytes([NOTE[at] ^ other]) + NOTE[at + 1 :], [NEUMANN])


@given(st.integers(0, len(NOTE) - 1), st.binary(min_size=1, max_size=5))
def test_cut_or_lengthened_notes_are_refused(at: int, more: bytes) -> None:
    for bad in (NOTE[:at], NOTE + more, more + NOTE):
        with pytest.raises(Refused):
            note.verify(bad, [NEUMANN])


# -- the form ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        TEXT.encode(),
        f"{TEXT}\n".encode(),
        f"{TEXT}{LINE}".encode(),
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace("— ".encode(), b"- "),
        NOTE.replace("— ".encode(), "—  ".encode()),
        NOTE.replace(b"PeterNeumann ", b"PeterNeumann  "),
        NOTE.replace(b"PeterNeumann ", "Peter\u00a0Neumann ".encode()),
        NOTE.replace(b"PeterNeumann ", b"Peter+Neumann "),
        NOTE.replace(b"\n", b"\r\n"),
        b"\t" + NOTE,
        b"\xff" + NOTE,
        f"{TEXT}\n— a AAAAAA==\n".encode(),  # an id and no signature
        f"{TEXT}\n— a AAAAAAB=\n".encode(),  # spare bits
        f"{TEXT}\n— a !!!!\n{LINE}".encode(),  # an unknown key's line must still be one
        f"{TEXT}\n{LINE * 101}".encode(),
        b"x" * 1_000_000 + NOTE,
    ],
)
def test_what_is_no_note_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        note.parse(data)


def test_a_hundred_signatures_are_read() -> None:
    assert len(note.parse(f"{TEXT}\n{LINE * 100}".encode()).signatures) == 100
    assert len(note.verify(f"{TEXT}\n{LINE * 100}".encode(), [NEUMANN]).signatures) == 1


LINES_OF_TEXT = st.lists(st.text(st.characters(min_codepoint=0x20, codec="utf-8"), max_size=20), max_size=5)


@given(LINES_OF_TEXT, st.integers(1, 200))
def test_every_text_that_can_be_signed_comes_back(lines: list[str], seed: int) -> None:
    text = "".join(f"{line}\n" for line in lines) or "\n"
    data = note.sign(text, "example.com/log", key(seed))
    assert note.verify(data, [vkey("example.com/log", key(seed).public_key())]).text == text
    assert note.parse(data).encode() == data


@pytest.mark.parametrize("text", ["", "no line end", "a\tb\n", "a\r\n", "a\0\n", "\ud800\n"])
def test_texts_that_cant_be_signed_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        note.sign(text, "example.com/log", key(1))


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\u2003b", "a\nb", "\ud800"])
def test_names_that_cant_stand_in_a_note_are_refused(name: str) -> None:
    with pytest.raises(Malformed):
        note.sign(TEXT, name, key(1))
    with pytest.raises(Malformed):
        vkey(name, key(1).public_key())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_note_or_malformed(data: bytes) -> None:
    for tried in (data, NOTE[:-20] + data, TEXT.encode() + b"\n" + data):
        try:
            read = note.parse(tried)
        except Malformed:
            continue
        assert read.encode() == tried


# -- checkpoints ------------------------------------------------------------------------------------------------------
@given(st.integers(0, 10**18 - 1), st.binary(min_size=32, max_size=32), st.lists(st.just("extension"), max_size=2))
def test_checkpoints_come_back(size: int, root: bytes, extensions: list[str]) -> None:
    one = Checkpoint(origin="example.com/log", size=size, root=root, extensions=tuple(extensions))
    assert parse_checkpoint(one.body()) == one


ROOT = b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        f"o\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"o\n\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n1 \n{ROOT}\n",
        f"o\n٣\n{ROOT}\n",
        f"o\n{'9' * 19}\n{ROOT}\n",
        f"o\n1\n{ROOT[:-1]}\n",
        f"o\n1\n{ROOT}=\n",
        f"o\n1\n{ROOT[:-2]}B=\n",
        f"o\n1\n{b64encode(bytes(31)).decode()}\n",
        f"o\n1\n{b64encode(bytes(33)).decode()}\n",
        f"o\n1\n{ROOT}\n\n",
        f"o\n1\n{ROOT}\n\nextension\n",
        f"o\n1\n{ROOT}\nextension",
    ],
)
def test_what_is_no_checkpoint_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        parse_checkpoint(text)


def test_a_checkpoint_that_would_be_read_otherwise_is_not_written() -> None:
    good = Checkpoint(origin="o", size=1, root=bytes(32))
    for bad in (
        replace(good, origin=""),
        replace(good, origin="o\n1"),
        replace(good, size=-1),
        replace(good, size=10**18),
        replace(good, root=b""),
        replace(good, extensions=("",)),
        replace(good, extensions=("a\nb",)),
    ):
        with pytest.raises(Malformed):
            bad.body()
