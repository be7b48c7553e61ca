"""A witness's folder: its key, the logs that it knows, and for each the newest checkpoint that it cosigned.

    key              the private key, in the form of Go's sumdb/note with type 0x04; mode 0600
    logs             vkeys of the logs, one a line; `#` begins a comment
    seen/<sha256>    the newest checkpoint of the log whose origin has this hash, with the log's signature

The checkpoint is on the disk, whole, before anybody gets a cosignature of it. Whoever loses this folder has lost the
witness: a key that goes on without its memory would cosign a fork, so it is retired, and never restored from a backup.
"""

import os
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from breakglass.codec import note
from breakglass.codec.cosignature import COSIGNATURE, WitnessKey, parse_witness_key
from breakglass.codec.sshwire import strict_base64
from breakglass.errors import Malformed, NotFound, Tampered, WrongState

_PRIVATE = "PRIVATE+KEY+"


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def make(self, name: str) -> WitnessKey:
        """A new witness. Raises `WrongState` where one is already, `Malformed` for a name with spaces or plus signs."""
        key = Ed25519PrivateKey.generate()
        public = key.public_key()
        witness = WitnessKey(name=note.parse_vkey(note.vkey(name, public)).name, public=public.public_bytes_raw())
        private = b64encode(bytes([COSIGNATURE]) + key.private_bytes_raw()).decode()
        (self.path / "seen").mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        try:
            descriptor = os.open(self.path / "key", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            raise WrongState(
                f"{self.path} is a witness already.", what_to_do="Name another folder, or go on with this one."
            ) from None
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{_PRIVATE}{name}+{witness.key_id.hex()}+{private}\n")
            file.flush()
            os.fsync(file.fileno())
        (self.path / "logs").touch(mode=0o600)
        _sync(self.path)
        return witness

    def key(self) -> tuple[WitnessKey, Ed25519PrivateKey]:
        """Raises `NotFound` without a witness, `Tampered` for a key of another shape."""
        try:
            text = (self.path / "key").read_text().removesuffix("\n")
        except OSError:
            raise NotFound(
                f"There is no witness in {self.path}.", what_to_do="Make one: breakglass witness init"
            ) from None
        try:
            name, id, encoded = text.removeprefix(_PRIVATE).split("+", 2)
            raw = strict_base64(encoded, "key")
            private = Ed25519PrivateKey.from_private_bytes(raw[1:])
            witness = WitnessKey(name=name, public=private.public_key().public_bytes_raw())
            if text[: len(_PRIVATE)] != _PRIVATE or raw[0] != COSIGNATURE or witness.key_id.hex() != id:
                raise ValueError
            return parse_witness_key(witness.text()), private
        except (ValueError, IndexError, Malformed):
            raise Tampered(
                f"The witness's key in {self.path} has another shape.",
                what_to_do="Stop. Retire this witness, and tell whoever's roster names it.",
            ) from None

    def logs(self) -> Mapping[str, str]:
        """Origin -> vkey. Raises `Malformed` for a line that is none."""
        lines = [line.partition("#")[0].strip() for line in (self.path / "logs").read_text().splitlines()]
        return {note.parse_vkey(line).name: line for line in lines if line}

    def know(self, vkey: str) -> str:
        """One more log; its origin. Raises `WrongState` when another key stands for this origin."""
        origin, known = note.parse_vkey(vkey).name, self.logs()
        if known.get(origin, vkey) != vkey:
            raise WrongState(
                f"The log {origin} is known under another key.",
                what_to_do="A log keeps its key for life. Ask its custodians why this one differs.",
            )
        if origin not in known:
            with (self.path / "logs").open("a") as file:
                file.write(vkey + "\n")
                file.flush()
                os.fsync(file.fileno())
        return origin

    def seen(self, origin: str, vkey: str) -> note.Checkpoint | None:
        """The newest head of this log that was cosigned here. Raises `Tampered` when what is kept does not hold."""
        try:
            data = self._file(origin).read_bytes()
        except FileNotFoundError:
            return None
        try:
            return note.parse_checkpoint(note.verify(data, [vkey]).text)
        except Exception:
            raise Tampered(
                f"What this witness remembers of {origin} does not hold.",
                what_to_do="Stop. Keep the folder as it is. Retire this witness; never reset it.",
            ) from None

    def remember(self, origin: str, checkpoint: bytes) -> None:
        """Durably, whole or not at all."""
        path = self._file(origin)
        fresh = path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(checkpoint)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
        _sync(path.parent)

    def _file(self, origin: str) -> Path:
        return self.path / "seen" / sha256(origin.encode()).hexdigest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
