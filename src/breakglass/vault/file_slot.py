"""The `file` slot: the root key under the key of a `KeyFile`, so that the vault starts without people."""

import hashlib
import hmac
from dataclasses import dataclass

from breakglass.errors import Refused
from breakglass.model.secret import Secret
from breakglass.vault.box import bind, close_box, open_box
from breakglass.vault.slot import bound, changed

KIND = "file"
NAME_BYTES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSlot:
    """`key_name` is a public fingerprint: it tells a wrong key file from a changed slot."""

    key_name: bytes
    wrapped: bytes
    path: str = ""
    """Where the key file lies, if the slot was made later than the vault; else keys.json or the settings say it."""


def make_file_slot(root: Secret, key: Secret, *, deployment: str, path: str = "") -> FileSlot:
    """The root key under the key of a `KeyFile`."""
    name = _key_name(key, deployment)
    return FileSlot(key_name=name, wrapped=close_box(key, root, _bound(name, path, deployment)), path=path)


def open_file_slot(slot: FileSlot, key: Secret, *, deployment: str) -> Secret:
    """The root key. Raises `Refused` for another file's key, `Tampered` for a changed slot."""
    if not hmac.compare_digest(_key_name(key, deployment), slot.key_name):
        raise Refused(
            "The key file belongs to another seal.",
            what_to_do="Point to the key file of this deployment, or unseal with the custodians' shares.",
            about=deployment,
        )
    return open_box(key, slot.wrapped, _bound(slot.key_name, slot.path, deployment), refusal=changed)


def _bound(key_name: bytes, path: str, deployment: str) -> bytes:
    return bound(KIND, deployment, key_name, *([path] if path else []))


def _key_name(key: Secret, deployment: str) -> bytes:
    return hashlib.sha256(bind("breakglass file key", deployment, key.reveal())).digest()[:NAME_BYTES]
