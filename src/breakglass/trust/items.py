"""The custody items of a roster: the estate's part `custody`, which most estates do not have."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from breakglass.model.custody import Item, ItemId
from breakglass.model.target import AccountId
from breakglass.trust.reading import Obj

OUT_HOURS_MAX, INSPECT_DAYS_MAX = 31 * 24, 366


def read(obj: Obj, accounts: Collection[str]) -> Mapping[str, Item]:
    """Raises `Malformed`, naming the place."""
    found = {}
    for id, one in obj.members("itm"):
        account = one.one_of("account", tuple(sorted(accounts))) if "account" in one.value else None
        found[id] = Item(
            id=ItemId(id),
            name=one.text("name", longest=120),
            opens=one.text("opens", longest=500),
            place=one.text("place", longest=200),
            account=AccountId(account) if account else None,
            out_for=timedelta(hours=one.number("out_hours", 24, least=1, most=OUT_HOURS_MAX)),
            inspect_every=timedelta(days=one.number("inspect_days", 90, least=1, most=INSPECT_DAYS_MAX)),
        )
        one.done()
    return found
