"""A share as people write, read out and type it: 33 words of SLIP-0039, of which the first two name the set.

    testify swimming academic acid column loyalty smear include exotic bedroom …

One group, no passphrase, exponent 0: what other people's tools make of k such texts is the key that opens the slot.
A text cannot be wiped from memory: show it once and let it go.
"""

from breakglass.codec import slip39
from breakglass.codec.slip39 import Mnemonic, unknown, words_of
from breakglass.errors import Malformed
from breakglass.model.secret import Secret
from breakglass.vault.box import KEY_BYTES
from breakglass.vault.shares import Share

__all__ = ["WORDS", "decode", "encode", "normal", "unknown", "words_of"]
WORDS = 33


def encode(share: Share) -> str:
    """The share's words, a space between them."""
    return slip39.encode(_mnemonic(share.set_id, share.index, share.k, share.value.reveal()))


def decode(text: str) -> Share:
    """The share of a text as typed: capitals, line ends and numbers before the words don't matter, and four letters of
    a word are enough. Raises `Malformed` that names the place of an error, never a word."""
    found = slip39.decode(text, length=WORDS)
    index, k = found.member + 1, found.members_needed
    if found != _mnemonic(found.identifier, index, k, found.value) or len(found.value) != KEY_BYTES:
        raise Malformed(
            "These words are a share, but none of Breakglass's.", what_to_do="Look for the paper of this deployment."
        )
    return Share(set_id=found.identifier, index=index, k=k, value=Secret(found.value))


def normal(text: str) -> str:
    """The share as `encode` writes it. Raises as `decode`."""
    share = decode(text)
    with share.value:
        return encode(share)


def _mnemonic(set_id: int, index: int, k: int, value: bytes) -> Mnemonic:
    return Mnemonic(
        identifier=set_id,
        extendable=False,
        exponent=0,
        group=0,
        groups_needed=1,
        groups=1,
        member=index - 1,
        members_needed=k,
        value=value,
    )
