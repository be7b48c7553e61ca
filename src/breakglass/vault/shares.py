"""Shamir's secret sharing of one 32-byte key: any k of n shares make it again, k - 1 tell nothing at all.

    secret ──split──▶ share 1 … share n   (to the custodians)
                 └──▶ PublicSet            (stored openly: commitments, digest)

Each share's commitment stands in the public part, so a wrong share is *named* before anything is combined; a digest of
the secret proves the combination. Both are salted hashes of 256 random bits: nobody finds the bits from them, which is
why only a random key may be shared, never a password.
The shares are those of SLIP-0039 (one group, no passphrase): `shamir` has the arithmetic, `share_text` the words.
"""

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from breakglass.codec import slip39
from breakglass.errors import Malformed, Refused, Tampered
from breakglass.model.secret import Secret
from breakglass.vault import shamir
from breakglass.vault.box import KEY_BYTES, bind

MAX_SHARES = 16
SET_ID_BITS = 15
SALT_BYTES = 16
_DIGEST_BYTES = 32


class WrongShare(Refused):
    """A share that is not the one given out under its number; `index` names it."""

    code = "wrong_share"

    @property
    def index(self) -> int:
        return int(self.about)


class NotEnoughShares(Refused):
    code = "not_enough_shares"


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One custodian's part: `index` is 1..n (the format's member number + 1), `value` 32 bytes. It knows its set, so
    shares are never mixed up."""

    set_id: int
    index: int
    k: int
    value: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Salted:
    """A public SHA-256 over a domain, a random salt and what is committed to."""

    salt: bytes
    digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSet:
    """What everybody may know of a set of shares; `commitments[i]` belongs to share i + 1. `set_id`: 15 bits."""

    set_id: int
    k: int
    n: int
    commitments: tuple[Salted, ...]
    digest: Salted

    def __post_init__(self) -> None:
        sizes = {(len(one.salt), len(one.digest)) for one in (*self.commitments, self.digest)}
        if (
            not 0 <= self.set_id < 1 << SET_ID_BITS
            or len(self.commitments) != self.n
            or sizes != {(SALT_BYTES, _DIGEST_BYTES)}
        ):
            raise ValueError("not the public part of a set of shares")
        if (self.k, self.n) != (1, 1):
            _check_numbers(self.k, self.n)

    def canonical(self) -> bytes:
        """All of it as bytes, for what is bound to it."""
        hashes = (part for one in (*self.commitments, self.digest) for part in (one.salt, one.digest))
        return bind("breakglass shares", self.set_id, self.k, self.n, *hashes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareSet:
    """What `split` gives: the shares to hand out and forget, and the public part to keep."""

    shares: tuple[Share, ...]
    public: PublicSet


def split(secret: Secret, k: int, n: int, *, alone: bool = False) -> ShareSet:
    """Share a random 32-byte secret: any `k` of `n` combine, 2 <= k <= n <= 16.

    One of one is no sharing; `alone=True` allows it, for a demonstration. `ValueError` for other numbers or lengths.
    """
    if not (alone and (k, n) == (1, 1)):
        _check_numbers(k, n)
    if len(secret) != KEY_BYTES:
        raise ValueError("only a 32-byte key is shared")
    set_id = secrets.randbelow(1 << SET_ID_BITS)
    values = shamir.share(shamir.encrypt(secret.reveal(), set_id), k, n)
    shares = tuple(Share(set_id=set_id, index=index, k=k, value=Secret(value)) for index, value in enumerate(values, 1))
    commitments = tuple(_salted(_share_domain(share), share.value, os.urandom(SALT_BYTES)) for share in shares)
    digest = _salted(_secret_domain(set_id), secret, os.urandom(SALT_BYTES))
    public = PublicSet(set_id=set_id, k=k, n=n, commitments=commitments, digest=digest)
    return ShareSet(shares=shares, public=public)


def check(share: Share, public: PublicSet) -> None:
    """Raises `WrongShare` unless it is exactly the share that was given out: callable as each one arrives."""
    if share.set_id != public.set_id:
        raise WrongShare(
            f"Share {share.index} belongs to another set of shares.",
            what_to_do=f"Look for one that begins with “{set_name(public.set_id)}”: those from before a rekey, and of "
            "other deployments, do not count here.",
            about=str(share.index),
        )
    fits = share.k == public.k and 1 <= share.index <= public.n and len(share.value) == KEY_BYTES
    if fits:
        expected = public.commitments[share.index - 1]
        fits = hmac.compare_digest(_salted(_share_domain(share), share.value, expected.salt).digest, expected.digest)
    if not fits:
        raise WrongShare(
            f"Share {share.index} is not the one that was given out under this number.",
            what_to_do="Enter it again from its original; if it is still wrong, go on with another custodian's share "
            "and tell the auditors.",
            about=str(share.index),
        )


def combine(shares: Iterable[Share], public: PublicSet) -> Secret:
    """The secret again, from any k right shares; the same share given twice counts once.

    Raises `WrongShare` (the first wrong one, before combining), `NotEnoughShares`, and `Tampered` when right shares
    do not make the secret of the digest, i.e. the public part was changed.
    """
    by_index: dict[int, Share] = {}
    for share in shares:
        check(share, public)
        by_index[share.index] = share
    if len(by_index) < public.k:
        missing = public.k - len(by_index)
        raise NotEnoughShares(
            f"{len(by_index)} of {public.k} needed shares are here.",
            what_to_do=f"{missing} more custodian{'s' if missing > 1 else ''} must enter a share.",
        )
    chosen = [by_index[index] for index in sorted(by_index)[: public.k]]
    try:
        sealed = Secret(shamir.recover({share.index - 1: share.value.reveal() for share in chosen}))
    except shamir.DoesNotFit:
        raise _changed() from None
    with sealed:
        secret = Secret(shamir.decrypt(sealed.reveal(), public.set_id))
    found = _salted(_secret_domain(public.set_id), secret, public.digest.salt)
    if not hmac.compare_digest(found.digest, public.digest.digest):
        secret.wipe()
        raise _changed()
    return secret


def set_name(set_id: int) -> str:
    """The two words with which every share of the set begins: they tell apart the shares of several sets."""
    return slip39.start(set_id)


def must_be_possible(k: int, n: int, *, alone: bool = False) -> None:
    """Raises `Malformed` for numbers that people can't choose; `alone` as in `split`."""
    if not (2 <= k <= n <= MAX_SHARES or (alone and (k, n) == (1, 1))):
        raise Malformed(f"{k} of {n} shares can't be made.", what_to_do=f"Choose 2 <= k <= n <= {MAX_SHARES}.")


def _check_numbers(k: int, n: int) -> None:
    if not 2 <= k <= n <= MAX_SHARES:
        raise ValueError(f"shares need 2 <= k <= n <= {MAX_SHARES}")


def _share_domain(share: Share) -> bytes:
    return bind("breakglass share", share.set_id, share.index, share.k)


def _secret_domain(set_id: int) -> bytes:
    return bind("breakglass shared secret", set_id)


def _salted(domain: bytes, value: Secret, salt: bytes) -> Salted:
    return Salted(salt=salt, digest=hashlib.sha256(bind(domain, salt, value.reveal())).digest())


def _changed() -> Tampered:
    return Tampered(
        "Right shares did not make the right key: the stored public part of the shares was changed.",
        what_to_do="Restore the seal file from a backup; call the custodians and the auditors.",
    )
