"""Cosignatures (C2SP tlog-cosignature, Ed25519 `cosignature/v1`) and what asks a witness for one (C2SP tlog-witness).

    cosignature/v1 ⏎                      — witness name base64(key id | time, 8 bytes | signature) ⏎
    time 1679315147 ⏎                                          ▲
    the checkpoint's text                 signed by ───────────┘

A witness's key stands in texts as its vkey, like a log's (note.py), with type 0x04. Its signature does not commit
to the witness's name, so one key serves one witness only.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from breakglass.codec import note
from breakglass.codec.sshwire import malformed, strict_base64
from breakglass.errors import BadSignature

COSIGNATURE: Final = 0x04
PROOF_MAX: Final = 63
"""Lines of a consistency proof in one request."""
TIME_MAX: Final = 2**63 - 1
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_OLD = re.compile(r"old (0|[1-9][0-9]{0,17})")
_LENGTH = 8 + 64


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessKey:
    name: str
    public: bytes
    """The 32 bytes of an Ed25519 public key."""

    @property
    def key_id(self) -> bytes:
        return note.key_id(self.name, COSIGNATURE, self.public)

    def text(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([COSIGNATURE]) + self.public).decode()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cosigned:
    """What one witness vouches for: that it saw the log at this head, at that time, and nothing larger before."""

    witness: WitnessKey
    time: int
    """Seconds since the Epoch, by the witness's clock."""
    line: note.Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class AddCheckpoint:
    """The body of `POST <prefix>/add-checkpoint`."""

    old: int
    proof: tuple[bytes, ...]
    """The consistency proof from `old` (RFC 6962, 2.1.2): hashes of 32 bytes."""
    checkpoint: bytes
    """The signed note."""

    def encode(self) -> bytes:
        """The exact bytes. Raises `Malformed` where `parse_add_checkpoint` would."""
        lines = [f"old {self.old}", *(b64encode(one).decode() for one in self.proof), "", ""]
        data = "\n".join(lines).encode() + self.checkpoint
        if parse_add_checkpoint(data) != self:
            raise malformed("request", "would not be read back as it is written")
        return data


def parse_witness_key(text: str) -> WitnessKey:
    """Raises `Malformed` unless `text` is the vkey of an Ed25519 witness, exactly as `WitnessKey.text` gives it."""
    shape = _VKEY.fullmatch(text)
    raw = strict_base64(shape[3], "witness's key") if shape else b""
    if not shape or len(raw) != 33 or raw[0] != COSIGNATURE:
        raise malformed("witness's key", "is not `name+id+base64` of an Ed25519 cosignature key (type 0x04)")
    # A log's vkey of the same name holds the name to the same rules.
    name = note.parse_vkey(note.VerifierKey(name=shape[1], public=raw[1:]).text()).name
    key = WitnessKey(name=name, public=raw[1:])
    if key.text() != text:
        raise malformed("witness's key", "has an id that is not its own")
    return key


def cosign(text: str, name: str, key: Ed25519PrivateKey, time: int) -> note.Signature:
    """A witness's line under a checkpoint's text. `time` is seconds since the Epoch."""
    public = key.public_key().public_bytes_raw()
    signature = time.to_bytes(8, "big") + key.sign(_message(text, time))
    return note.Signature(name=name, key_id=note.key_id(name, COSIGNATURE, public), signature=signature)


def cosigned(checkpoint: note.Note, witnesses: Iterable[WitnessKey]) -> Sequence[Cosigned]:
    """Who of `witnesses` has cosigned this checkpoint: one for each, in their order, the first line of each.

    Lines by others are ignored. Raises `BadSignature` where a line claims to be by one of them and does not hold.
    """
    found = []
    for witness in witnesses:
        lines = [one for one in checkpoint.signatures if (one.name, one.key_id) == (witness.name, witness.key_id)]
        times = [_time_of(checkpoint.text, witness, line) for line in lines]
        if lines:
            found.append(Cosigned(witness=witness, time=times[0], line=lines[0]))
    return found


def parse_lines(data: bytes, checkpoint: bytes) -> note.Note:
    """A witness's answer, put below the checkpoint that it was asked about. Raises `Malformed`."""
    below = note.parse(checkpoint + data)
    if below.text != note.parse(checkpoint).text:
        raise malformed("answer", "is not only signature lines")
    return below


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """Raises `Malformed`. The note in it is taken apart by `note.parse`, later."""
    head, blank, checkpoint = data.partition(b"\n\n")
    try:
        first, *hashes = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise malformed("request", "has a line that is not ASCII") from None
    old = _OLD.fullmatch(first)
    if not blank or not old:
        raise malformed("request", "does not begin with `old <size>`, a proof and an empty line")
    if len(hashes) > PROOF_MAX:
        raise malformed("request", f"has more than {PROOF_MAX} lines of proof")
    proof = tuple(strict_base64(one, "proof") for one in hashes)
    if any(len(one) != 32 for one in proof):
        raise malformed("proof", "holds a hash that is not 32 bytes long")
    return AddCheckpoint(old=int(old[1]), proof=proof, checkpoint=checkpoint)


def _time_of(text: str, witness: WitnessKey, line: note.Signature) -> int:
    time = int.from_bytes(line.signature[:8], "big")
    try:
        if len(line.signature) != _LENGTH or time > TIME_MAX:
            raise InvalidSignature
        Ed25519PublicKey.from_public_bytes(witness.public).verify(line.signature[8:], _message(text, time))
    except (InvalidSignature, ValueError):
        raise BadSignature(
            f"The cosignature of {witness.name} does not fit the checkpoint.",
            what_to_do="Ask the witness again. If it stays like this, keep the checkpoint, and call the auditors.",
            about=witness.name,
        ) from None
    return time


def _message(text: str, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{text}".encode()
