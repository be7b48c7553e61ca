"""The roster's witnesses: machines of others that cosign the log's checkpoints, and how many of them a release needs.

    quorum: 2 of w1, w2, w3    a release's entry is under a checkpoint that two of them cosigned, before anything opens
    quorum: 0                  they are asked, and nothing waits for them

A witness is its key; where it answers stands beside it, and whoever answers there needs to have that key.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final

from breakglass.codec.cosignature import WitnessKey, cosigned, parse_witness_key
from breakglass.codec.note import Note
from breakglass.errors import Malformed, NotWitnessed
from breakglass.trust.reading import Obj

KNOWN_MAX: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    key: WitnessKey
    url: str
    """Its submission prefix: `add-checkpoint` follows (C2SP tlog-witness)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witnesses:
    quorum: int = 0
    known: tuple[Witness, ...] = ()

    @property
    def keys(self) -> tuple[WitnessKey, ...]:
        return tuple(one.key for one in self.known)

    def seen_by(self, checkpoints: Iterable[Note]) -> frozenset[str]:
        """Names of those who cosigned any of them. Raises `BadSignature` for a line that claims to be by one of them
        and is not."""
        return frozenset(one.witness.name for each in checkpoints for one in cosigned(each, self.keys))

    def are_enough(self, names: Collection[str]) -> bool:
        """As many as the quorum, and at least one: with a quorum of 0 nobody waits, and nobody's word is none."""
        return len(names) >= max(1, self.quorum)


NOBODY: Final = Witnesses()


def furthest(sizes: Iterable[int], quorum: int) -> int:
    """The size up to which as many as the quorum, and at least one, have cosigned; `sizes`: the largest of each."""
    falling = sorted(sizes, reverse=True)
    return falling[max(1, quorum) - 1] if len(falling) >= max(1, quorum) else 0


def not_witnessed(who: str, about: str) -> NotWitnessed:
    """`who`: how many of how many, like `1 of the 2`."""
    return NotWitnessed(
        f"{who} witnesses that the roster asks for have cosigned the log so far.",
        what_to_do="Try again. If the witnesses can't be reached, custodians let releases go on without them: "
        "`breakglass audit override`.",
        about=about,
    )


def read(obj: Obj) -> Witnesses:
    """Raises `Malformed`."""
    known = tuple(map(_witness, obj.objects("known")))
    names = [one.key.name for one in known]
    public = [one.key.public for one in known]
    if not 0 < len(known) <= KNOWN_MAX or len(set(names)) != len(known) or len(set(public)) != len(known):
        raise Malformed(
            f"{obj.path}.known must name 1 to {KNOWN_MAX} witnesses, each with a name and a key of its own.",
            what_to_do="Correct the document there; leave `witnesses` out where there are none.",
        )
    found = Witnesses(quorum=obj.number("quorum", most=len(known)), known=known)
    obj.done()
    return found


def _witness(one: Obj) -> Witness:
    url = one.text("url", longest=400)
    if not url.startswith(("https://", "http://")) or "?" in url or "#" in url or "@" in url:
        raise Malformed(f"{one.path}.url is {url[:60]!r}.", what_to_do="Write it like https://w1.example.org/.")
    try:
        key = parse_witness_key(one.text("key", longest=400))
    except Malformed as wrong:
        raise Malformed(f"{one.path}.key: {wrong.message}", what_to_do="Take what `witness init` printed.") from None
    one.done()
    return Witness(key=key, url=url)
