"""The vault's keys: everything hangs on the root key, and `keys.json` holds nothing that opens without it.

    root key ─┬─ HKDF "state"  ▶ the MAC of state.json
              ├─ HKDF "backup" ▶ an X25519 key that opens backups; its public half stands here
              └─ HKDF "wrap"   ▶ wraps  kek 1, kek 2 …   log (Ed25519)   grant (Ed25519)   recording (X25519)

Public halves stand beside in clear, so that a sealed vault can name them; opening recomputes and compares them.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from breakglass.codec import note
from breakglass.errors import Tampered
from breakglass.model.secret import Secret
from breakglass.trust import next_log
from breakglass.vault import recording_key
from breakglass.vault.backup_box import public_of
from breakglass.vault.box import KEY_BYTES, bind, random_key
from breakglass.vault.envelope import Kek, unwrap_key, wrap_key
from breakglass.vault.files import read_file

FILE = "keys.json"
FORMAT = 1
_NAMES = ("log", "grant", "recording")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKeys:
    """What the roster must name: signed-note verifier keys of log and grants, base64 of the recordings' X25519 key."""

    log: str
    grant: str
    recording: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysText:
    """`keys.json` as read: nothing in it is believed before `open_keys`."""

    deployment: str
    origin: str
    public: PublicKeys
    wrapped: Mapping[str, bytes]
    """Label (`log`, `grant`, `recording`, `kek 1` …) -> the wrapped key."""
    backup: str
    """Base64 of the X25519 key to which backups are encrypted."""
    key_file: str
    """Where the seal's `file` slot looks for its key; empty without that slot."""


class NoteKey:
    """An Ed25519 key that signs notes (C2SP signed-note) under a name."""

    def __init__(self, name: str, private: Secret) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(private.reveal())
        public = self._key.public_key()
        self.vkey = note.vkey(name, public)
        self._id = note.key_id(name, note.ED25519, public.public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """A note of `text`, which ends in a line feed and holds no control characters.

        What `note.sign` gives, without its reading back: that costs as much as the signature, and the texts are ours.
        """
        data = text.encode()
        line = note.Signature(name=self.name, key_id=self._id, signature=self._key.sign(data)).line()
        return data + b"\n" + line.encode()


class Keyring:
    """The open keys, and how to forget them."""

    def __init__(
        self,
        origin: str,
        private: Mapping[str, Secret],
        keks: dict[int, Kek],
        state_key: Secret,
        wrapping: Secret,
        backup: str,
    ) -> None:
        self.keks, self.state_key, self.wrapping, self._private = keks, state_key, wrapping, private
        self.backup = b64decode(backup)
        """The X25519 key to which backups and kits are encrypted; what opens them is kept nowhere."""
        self._founded = origin
        self.log = NoteKey(origin, private["log"])
        self.grant = NoteKey(f"{origin}/grant", private["grant"])
        self.recording = private["recording"]
        public = X25519PrivateKey.from_private_bytes(self.recording.reveal()).public_key().public_bytes_raw()
        self.public = PublicKeys(log=self.log.vkey, grant=self.grant.vkey, recording=b64encode(public).decode())

    def sign_log(self, number: int) -> NoteKey:
        """From now on the key signs this log of the deployment, under its name. Returns the key as it signs then."""
        self.log = NoteKey(next_log.origin_of(self._founded, number), self._private["log"])
        return self.log

    @property
    def kek(self) -> Kek:
        """The one that new secrets are sealed under."""
        return self.keks[max(self.keks)]

    def wipe(self) -> None:
        for secret in (
            *self._private.values(),
            *(kek.key for kek in self.keks.values()),
            self.state_key,
            self.wrapping,
        ):
            secret.wipe()


def make_keys(root: Secret, deployment: str, origin: str, key_file: str) -> tuple[bytes, Keyring]:
    """Fresh keys: the content of `keys.json`, and the keys open."""
    private = {
        "log": Secret(Ed25519PrivateKey.generate().private_bytes_raw()),
        "grant": Secret(Ed25519PrivateKey.generate().private_bytes_raw()),
        "recording": recording_key.generate()[0],
    }
    keks = {1: Kek(id=1, key=random_key())}
    wrapping = derive(root, deployment, "wrap")
    backup = _backup_key(root, deployment)
    keyring = Keyring(origin, private, keks, derive(root, deployment, "state"), wrapping, backup)
    wrapped = {name: wrap_key(key, wrapping, name) for name, key in private.items()}
    text = KeysText(
        deployment=deployment,
        origin=origin,
        public=keyring.public,
        wrapped=wrapped | {kek_label(id): wrap_key(kek.key, wrapping, kek_label(id)) for id, kek in keks.items()},
        backup=backup,
        key_file=key_file,
    )
    return to_json(text), keyring


def to_json(text: KeysText) -> bytes:
    """The content of `keys.json`."""
    value = {
        "format": FORMAT,
        "deployment": text.deployment,
        "origin": text.origin,
        "backup": text.backup,
        "public": {name: getattr(text.public, name) for name in _NAMES},
        "wrapped": {label: blob.hex() for label, blob in text.wrapped.items()},
        "key_file": text.key_file,
    }
    return json.dumps(value, indent=1).encode() + b"\n"


def read_keys(folder: Path) -> KeysText:
    """Raises `Tampered` for another shape."""
    try:
        value: dict[str, Any] = json.loads(read_file(folder / FILE))
        found = KeysText(
            deployment=value["deployment"],
            origin=value["origin"],
            public=PublicKeys(**value["public"]),
            wrapped={label: bytes.fromhex(one) for label, one in value["wrapped"].items()},
            backup=value["backup"],
            key_file=value["key_file"],
        )
        texts = (
            found.deployment,
            found.origin,
            found.key_file,
            found.backup,
            *(getattr(found.public, name) for name in _NAMES),
        )
        keks = [_kek_number(label) for label in found.wrapped if label not in _NAMES]
        if value["format"] != FORMAT or not all(isinstance(one, str) for one in texts) or not keks:
            raise ValueError
        if not set(_NAMES) <= found.wrapped.keys():
            raise ValueError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _tampered("it has another shape") from None
    return found


def open_keys(root: Secret, found: KeysText) -> Keyring:
    """Raises `Tampered` when a key does not open, or a public half is not that of its private key."""
    opened: dict[str, Secret] = {}
    wrapping = derive(root, found.deployment, "wrap")
    try:
        for label, blob in found.wrapped.items():
            opened[label] = unwrap_key(blob, wrapping, label)
        keks = {_kek_number(label): label for label in opened if label not in _NAMES}
        keyring = Keyring(
            found.origin,
            {name: opened[name] for name in _NAMES},
            {id: Kek(id=id, key=opened[label]) for id, label in keks.items()},
            derive(root, found.deployment, "state"),
            wrapping,
            backup := _backup_key(root, found.deployment),
        )
        if keyring.public != found.public or found.backup != backup:
            keyring.wipe()
            raise _tampered("a public key is not that of its private key")
    except BaseException:
        for secret in (*opened.values(), wrapping):
            secret.wipe()
        raise
    return keyring


def derive(root: Secret, deployment: str, label: str) -> Secret:
    """HKDF-SHA-256 (RFC 5869) of the root key, for one use in one deployment."""
    kdf = HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=bind("breakglass vault key", deployment, label))
    return Secret(kdf.derive(root.reveal()))


def _backup_key(root: Secret, deployment: str) -> str:
    with derive(root, deployment, "backup") as private:
        return b64encode(public_of(private)).decode()


def kek_label(number: int) -> str:
    return f"kek {number}"


def _kek_number(label: str) -> int:
    word, _, number = label.partition(" ")
    if word != "kek" or not number.isascii() or not number.isdigit() or number.startswith("0"):
        raise ValueError(label)
    return int(number)


def _tampered(why: str) -> Tampered:
    return Tampered(
        f"The vault's {FILE} was changed, or belongs to another vault: {why}.",
        what_to_do="Stop. Restore the vault folder from a backup; call the custodians and the auditors.",
    )
