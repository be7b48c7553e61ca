"""Reading recordings: the chain without a key (auditors, recovery), the frames with it (replay).

check_chain   whole and unchanged, as far as the given heads say?     no key
scan          how much of it is good?  (after a crash)               no key, or with it
read          the frames, each chunk verified before its first one    key
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from breakglass.codec.frames import Frame, Kind, frames_of
from breakglass.codec.recording import (
    CHUNK_HEAD,
    HASH_BYTES,
    MAGIC,
    MAX_CHUNK,
    MAX_HEADER,
    TAG_BYTES,
    ChunkKind,
    Head,
    Header,
    nonce,
)
from breakglass.errors import Tampered

Data = bytes | bytearray | memoryview
"""What is read; a file of any length as `memoryview(mmap)`."""


class Cut(Tampered):
    """It stops without an END: a crash, or somebody cut it. The heads in the log tell which."""

    code = "recording_cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """`good`: how far all is right; its `bytes` is where to truncate. `why`: what is wrong after it, "" for nothing."""

    good: Head
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    head: Head
    fixed: bytes
    body: memoryview


def read_header(data: Data) -> Header:
    """The header. Raises `Tampered` when it has another shape."""
    return _header(memoryview(data))[0]


def check_chain(data: Data, through: Iterable[Head] = ()) -> Head:
    """Where the chain ends, checked without a key.

    `through` are heads from the log: the recording must pass through each, and end there if it ended there. Without
    them a whole recording that was made up, or cut at a chunk's end, is not noticed. Raises `Tampered` otherwise, also
    for anything after the last whole chunk.
    """
    wanted: dict[int, Head] = {}
    for named in through:
        if wanted.setdefault(named.seq, named) != named:
            raise _broken("the log names two different heads of it", named)
    head = Head(seq=0, hash=b"", bytes=0, ended=False)
    for head in _heads(memoryview(data)):
        expected = wanted.pop(head.seq, head)
        if expected != head:
            raise _broken(f"chunk {head.seq} is not the one that the log names", head)
    if wanted:
        raise _broken(f"it was cut: the log names {max(wanted)} chunks", head)
    return head


def scan(data: Data, key: bytes | bytearray | None = None) -> Scan:
    """The good part of a recording that may be torn. Raises `Tampered` only when not even the header is right.

    Without the key torn and edited chunks are found by their hashes; with it, by their tags too.
    """
    view = memoryview(data)
    header, start = _header(view)
    opener = None if key is None else _Opener(header, key)
    good = _first(view, start)
    try:
        for chunk in _chunks(view, start):
            if opener is not None:
                opener.open(chunk)
            good = chunk.head
    except Tampered as found:
        return Scan(good=good, why=found.message)
    return Scan(good=good, why="" if good.ended else "It stops without an END.")


def read(data: Data, key: bytes | bytearray) -> Iterator[Frame]:
    """All frames in order, the END frame included.

    Raises `Tampered` at the first chunk that is not right, after the frames of those before it, and `Cut` after the
    last frame when there is no END; `Malformed` for a kind of frame that only a newer version knows.
    """
    view = memoryview(data)
    header, start = _header(view)
    opener = _Opener(header, key)
    head = _first(view, start)
    for chunk in _chunks(view, start):
        payload = opener.open(chunk)
        head = chunk.head
        kind = None
        for frame in frames_of(payload):
            kind = frame.kind
            yield frame
        if (kind is Kind.END) is not head.ended:
            raise _broken("an END stands where none may be", head)
    if not head.ended:
        raise Cut(
            f"The recording stops after {head.seq} chunks without an END.",
            what_to_do="Did the node crash? Then the log has a TRUNCATED entry for it. "
            "If not, somebody cut it: call the auditors.",
            about=header.session,
        )


class _Opener:
    def __init__(self, header: Header, key: bytes | bytearray) -> None:
        self._context = header.context()
        self._cipher = AESGCM(key)

    def open(self, chunk: _Chunk) -> bytes:
        try:
            return self._cipher.decrypt(nonce(chunk.head.seq - 1), chunk.body, self._context + chunk.fixed)
        except InvalidTag:
            raise _broken(f"chunk {chunk.head.seq} was not sealed by this recording's key", chunk.head) from None


def _heads(view: memoryview) -> Iterator[Head]:
    _, start = _header(view)
    yield _first(view, start)
    for chunk in _chunks(view, start):
        yield chunk.head


def _first(view: memoryview, start: int) -> Head:
    return Head(seq=0, hash=hashlib.sha256(view[:start]).digest(), bytes=start, ended=False)


def _chunks(view: memoryview, place: int) -> Iterator[_Chunk]:
    """Each chunk from `place` on whose shape, place in the chain and hash are right; `Tampered` at the first other."""
    head = _first(view, place)
    while place < len(view):
        if head.ended:
            raise _broken("something follows its END", head)
        if place + CHUNK_HEAD.size > len(view):
            raise _broken("its last chunk is torn", head)
        fixed = bytes(view[place : place + CHUNK_HEAD.size])
        size, kind, seq, prev = CHUNK_HEAD.unpack(fixed)
        if not TAG_BYTES <= size <= MAX_CHUNK or kind not in (ChunkKind.DATA, ChunkKind.END):
            raise _broken(f"chunk {head.seq + 1} has an impossible head", head)
        if seq != head.seq or prev != head.hash:
            raise _broken(f"chunk {head.seq + 1} does not follow the one before it", head)
        body_end = place + CHUNK_HEAD.size + size
        end = body_end + HASH_BYTES
        if end > len(view):
            raise _broken("its last chunk is torn", head)
        digest = hashlib.sha256(view[place:body_end]).digest()
        if digest != view[body_end:end]:
            raise _broken(f"chunk {head.seq + 1} was changed or half written", head)
        head = Head(seq=seq + 1, hash=digest, bytes=end, ended=kind == ChunkKind.END)
        yield _Chunk(head=head, fixed=fixed, body=view[place + CHUNK_HEAD.size : body_end])
        place = end


def _header(view: memoryview) -> tuple[Header, int]:
    start = len(MAGIC) + 4
    size = int.from_bytes(view[len(MAGIC) : start], "big")
    if len(view) < start or bytes(view[: len(MAGIC)]) != MAGIC or size > MAX_HEADER or len(view) < start + size:
        raise _no_header()
    body, fields, place = bytes(view[start : start + size]), [], 0
    for fixed in (None, None, 8, None):
        if fixed is None:
            fixed = int.from_bytes(body[place : place + 2], "big")
            place += 2
        fields.append(body[place : place + fixed])
        place += fixed
    try:
        header = Header(
            session=fields[0].decode(),
            stream=fields[1].decode(),
            created_at_ms=int.from_bytes(fields[2], "big"),
            wrapped_key=fields[3],
        )
    except UnicodeDecodeError:
        raise _no_header() from None
    # What packs to the same bytes was read rightly: every length is checked at once.
    if header.pack() != bytes(view[: start + size]):
        raise _no_header()
    return header, start + size


def _broken(what: str, head: Head) -> Tampered:
    return Tampered(
        f"The recording is not whole after chunk {head.seq}: {what}.",
        what_to_do="Fetch it again from its store; if it is still so, keep all copies and call the auditors.",
    )


def _no_header() -> Tampered:
    return Tampered(
        "The file does not begin as a recording of this version.",
        what_to_do="Fetch it again from its store; if it is still so, keep all copies and call the auditors.",
    )
