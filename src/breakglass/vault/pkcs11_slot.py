"""The `pkcs11` slot: what opens it never leaves a hardware security module.

    token's AES key ─ AES-CBC, in the token ─▶ a random key ─ AES-256-GCM, here, bound to the slot ─▶ root key
      (never extractable)                       (`sealed_key`)                                       (`wrapped`)

The token only ever turns 32 random bytes, so the maker's library is never shown the root key, and the mechanism is the
one that every token has (CKM_AES_CBC; GCM differs between makers in who chooses the nonce). That it has no integrity
of its own costs nothing: a changed `iv` or `sealed_key` gives another key, and that opens no box.
"""

from dataclasses import dataclass

from breakglass.model.secret import Secret
from breakglass.vault.box import KEY_BYTES, close_box, open_box
from breakglass.vault.slot import bound, changed

KIND = "pkcs11"
IV_BYTES = 16
SEALED_BYTES = KEY_BYTES
"""Two whole blocks: no padding, so nothing about padding to betray."""
LABEL_MAX = 32
"""Characters of a token's label (PKCS #11 v2.40, CK_TOKEN_INFO); ours for a key's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKey:
    """Which AES key of which token, by their labels."""

    token: str
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pkcs11Slot:
    at: TokenKey
    iv: bytes
    sealed_key: bytes
    wrapped: bytes


def make_pkcs11_slot(
    root: Secret, key: Secret, at: TokenKey, iv: bytes, sealed_key: bytes, *, deployment: str
) -> Pkcs11Slot:
    """The root key under `key`, which the token has turned into `sealed_key`."""
    wrapped = close_box(key, root, _bound(at, iv, sealed_key, deployment))
    return Pkcs11Slot(at=at, iv=iv, sealed_key=sealed_key, wrapped=wrapped)


def open_pkcs11_slot(slot: Pkcs11Slot, key: Secret, *, deployment: str) -> Secret:
    """The root key; `key` is what the token makes of `sealed_key`. Raises `Tampered`, also for another token's key."""
    return open_box(key, slot.wrapped, _bound(slot.at, slot.iv, slot.sealed_key, deployment), refusal=changed)


def is_label(text: object) -> bool:
    """Whether a token or a key can be called so, as we write it down."""
    return isinstance(text, str) and 0 < len(text) <= LABEL_MAX and text.isascii() and text.isprintable()


def _bound(at: TokenKey, iv: bytes, sealed_key: bytes, deployment: str) -> bytes:
    return bound(KIND, deployment, at.token, at.key, iv, sealed_key)
