"""The emergency kit: chosen accounts on a stick in a safe, for the day on which the platform itself is gone.

The roster chooses the accounts (`kit`), custodians sign for each kit, and only k of their shares open it. It names what
it holds by account and version, so everybody sees whether a kit is still good.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from breakglass.errors import Malformed
from breakglass.model.target import AccountId
from breakglass.trust import clock
from breakglass.trust.roster import Roster

LASTS = timedelta(days=90)
"""So long after it was issued a kit is due again."""
ACCOUNTS_MAX, COPIES_MAX = 40, 9
_ACCOUNTS = re.compile(r"acc_[0-9a-z.-]+:[1-9][0-9]{0,8}(?: acc_[0-9a-z.-]+:[1-9][0-9]{0,8})*")


def subject(deployment: str) -> str:
    """The subject of statements, releases and entries about kits."""
    return f"{deployment}/kit"


def needs(roster: Roster, now: datetime) -> int:
    """How many custodians must sign for one: two, or the only one that there is."""
    return clock.needs(roster, now)


def chosen(roster: Roster) -> list[AccountId]:
    """The accounts that the roster wants in a kit."""
    return sorted(account.id for account in roster.accounts.values() if account.kit)


def accounts_line(versions: Mapping[AccountId, int]) -> str:
    """`acc_db1-root:5 acc_plc-root:2`, by id. Raises `Malformed` for none, or too many."""
    if not 0 < len(versions) <= ACCOUNTS_MAX:
        raise Malformed(
            f"A kit holds 1 to {ACCOUNTS_MAX} accounts.", what_to_do="Choose them in the estate: `kit: true`."
        )
    return " ".join(f"{account}:{versions[account]}" for account in sorted(versions))


def read_accounts(line: str) -> dict[AccountId, int]:
    """Raises `Malformed` for what `accounts_line` would not write."""
    pairs = [part.partition(":") for part in line.split(" ")] if _ACCOUNTS.fullmatch(line) else []
    found = {AccountId(account): int(version) for account, _, version in pairs}
    if not found or len(found) != len(pairs) or accounts_line(found) != line:
        raise Malformed("The kit's accounts are not named as they must be.", what_to_do="Take the text unchanged.")
    return found
