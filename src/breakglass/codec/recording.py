"""The container of a recording: sealed chunks in a chain, written once from front to back by `Sealer`.

    header │ chunk 0 │ chunk 1 │ … │ END chunk

    header  "BGR1" | length u32 | session | stream | created_at u64 (ms) | wrapped key     (the three: length u16 first)
    chunk   size u32 | kind u8 | seq u64 | prev 32 | AEAD(frames; aad = session, stream and all before it) | SHA-256 32

`prev` is the hash at the end of the chunk before it, for chunk 0 the hash of the header, and a chunk's hash covers all
of it: who holds the head (number, hash) of a recording finds any dropped, swapped, edited or cut chunk *without* a key.
Because its own hash closes each chunk, a torn last write is also found without one: after a crash the node, which can't
read its recordings back, still knows where to truncate. With the key each chunk must also carry a right tag
(AES-256-GCM). The key belongs to one stream of one session and to one `Sealer`: the nonce is `seq`.
Reading is `recording_reader`.
"""

import hashlib
import struct
from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from breakglass.codec import frames
from breakglass.codec.frames import Kind

MAGIC = b"BGR1"
CHUNK_HEAD = struct.Struct(">IBQ32s")
HASH_BYTES = 32
TAG_BYTES = 16
CHUNK_BYTES = (1 << 16) + 2 * frames.HEAD.size  # two full SSH packets of 32 KiB with their heads
MAX_CHUNK = frames.MAX_FRAME + frames.HEAD.size + TAG_BYTES
MAX_HEADER = 1 << 16

_U16, _U32, _U64 = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">Q")


class ChunkKind(IntEnum):
    DATA = 1
    END = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """`stream` tells apart what is sealed to different people: `screen`, `keys`. The key as `vault` wrapped it."""

    session: str
    stream: str
    created_at_ms: int
    wrapped_key: bytes

    def pack(self) -> bytes:
        """`ValueError` above 64 KiB."""
        body = b"".join(
            (
                _sized(self.session.encode()),
                _sized(self.stream.encode()),
                _U64.pack(self.created_at_ms),
                _sized(self.wrapped_key),
            )
        )
        if len(body) > MAX_HEADER:
            raise ValueError("the header is too long")
        return MAGIC + _U32.pack(len(body)) + body

    def context(self) -> bytes:
        """The part of a chunk's additional data that is the same for all of them."""
        return b"breakglass recording 1" + _sized(self.session.encode()) + _sized(self.stream.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """How far a recording goes: `seq` chunks, `hash` of the last one (of the header for none), `bytes` in all."""

    seq: int
    hash: bytes
    bytes: int
    ended: bool


class Sealer:
    """Seals frames into chunks. Write `header`, then what `chunk` and `end` return, to the end of the file, in order.

    Frames wait in memory until `chunk` is called: call it while `ready`, and at the latest every 250 ms until it
    returns nothing. Nothing is copied until then. There is no going on after a crash: the key is gone, and has to be.
    """

    def __init__(self, header: Header, key: bytes | bytearray, *, chunk_bytes: int = CHUNK_BYTES) -> None:
        """`key`: 32 fresh random bytes for this recording alone. `chunk_bytes`: payload of a chunk, 1 byte..16 MiB."""
        if len(key) != 32:
            raise ValueError("the key of a recording is 32 bytes")
        if not 1 <= chunk_bytes <= frames.MAX_FRAME:
            raise ValueError("a chunk holds up to 16 MiB")
        self.header = header.pack()
        self._context = header.context()
        self._cipher = AESGCM(key)
        self._limit = chunk_bytes
        self._full: deque[list[bytes]] = deque()
        self._open: list[bytes] = []
        self._open_bytes = 0
        self._seq = 0
        self._hash = hashlib.sha256(self.header).digest()
        self._bytes = len(self.header)
        self._ended = False

    @property
    def head(self) -> Head:
        """How far the chunks go that were handed out: what the signed heads in the log say."""
        return Head(seq=self._seq, hash=self._hash, bytes=self._bytes, ended=self._ended)

    @property
    def ready(self) -> bool:
        """A full chunk waits."""
        return bool(self._full) or self._open_bytes >= self._limit

    def frame(self, at_us: int, kind: Kind, channel: int, data: bytes | bytearray | memoryview) -> None:
        """Take one frame. One longer than a chunk makes a chunk of its own. `ValueError` above 16 MiB, after `end`."""
        # What can still change under us is copied; bytes are only referred to.
        held = data if type(data) is bytes else bytes(data)
        size = len(held)
        if self._ended or size > frames.MAX_FRAME:
            raise ValueError("the recording has ended" if self._ended else "a frame holds up to 16 MiB")
        head = frames.HEAD.pack(at_us, kind, channel, size)
        size += frames.HEAD.size
        if self._open and self._open_bytes + size > self._limit:
            self._full.append(self._open)
            self._open, self._open_bytes = [], 0
        self._open.append(head)
        self._open.append(held)
        self._open_bytes += size

    def chunk(self) -> bytes | None:
        """Seal the oldest frames that wait, as many as one chunk takes; None when none waits."""
        if self._full:
            return self._sealed(self._full.popleft(), ChunkKind.DATA)
        if not self._open:
            return None
        parts, self._open, self._open_bytes = self._open, [], 0
        return self._sealed(parts, ChunkKind.DATA)

    def end(self, at_us: int, reason: str) -> bytes:
        """Seal all that waits and the END chunk with its reason; nothing can follow it."""
        self.frame(at_us, Kind.END, 0, reason.encode())
        out = []
        while self._full:
            out.append(self._sealed(self._full.popleft(), ChunkKind.DATA))
        parts, self._open, self._open_bytes = self._open, [], 0
        out.append(self._sealed(parts, ChunkKind.END))
        self._ended = True
        return b"".join(out)

    def _sealed(self, parts: list[bytes], kind: ChunkKind) -> bytes:
        payload = b"".join(parts)
        head = CHUNK_HEAD.pack(len(payload) + TAG_BYTES, kind, self._seq, self._hash)
        body = self._cipher.encrypt(nonce(self._seq), payload, self._context + head)
        digest = hashlib.sha256(head)
        digest.update(body)
        self._hash = digest.digest()
        self._seq += 1
        chunk = b"".join((head, body, self._hash))
        self._bytes += len(chunk)
        return chunk


def nonce(seq: int) -> bytes:
    """A counter: safe as no key is ever used by two sealers, and it can't repeat by bad luck as random ones could."""
    return seq.to_bytes(12, "big")


def _sized(raw: bytes) -> bytes:
    if len(raw) > 0xFFFF:
        raise ValueError("too long for a header")
    return _U16.pack(len(raw)) + raw
