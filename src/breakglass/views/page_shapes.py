"""Shapes that only pages show, made of those that everybody sees."""

from dataclasses import dataclass
from datetime import datetime

from breakglass.views import custody_shapes, estate_shapes, shapes


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountPage:
    """One account with everything that happened with its credential."""

    account: estate_shapes.Account
    place: shapes.Place
    since: datetime | None
    """Since when its credential stands where it does (`account.credential`); None where nobody knows."""
    versions: int
    """Of its credential: all of them are kept."""
    policy: str
    """In words."""
    rotations: tuple[shapes.Rotation, ...]
    requests: tuple[shapes.Request, ...]
    """The newest; whoever is only a requester sees their own."""
    review: shapes.Review | None
    """One that is owed: until it is signed nobody can ask."""
    items: tuple[custody_shapes.Item, ...]
    """What lies in safes for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """What one person gains and loses by a change of the estate, in words."""

    who: shapes.Who
    gains: tuple[str, ...]
    loses: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalPage:
    proposal: shapes.Proposal
    gains: tuple[Gain, ...]
    diff: tuple[str, ...]
    """Lines of the estate as a file, in unified form (`+`, `-`, `@@`)."""
    may_sign: bool
    """Whether the signature of whoever asks would count, and is not there yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """Password changes that were asked for together."""

    at: datetime
    accounts: int
    done: int
