"""A roster under which nobody could get in, or change anything any more, is refused before anybody signs it."""

from datetime import datetime

from breakglass.errors import Malformed
from breakglass.model.people import Role
from breakglass.model.policy import in_words, missing
from breakglass.trust.roster import Roster


def must_be_usable(roster: Roster, now: datetime) -> None:
    """Raises `Malformed`, naming the quorum that can't be met or the role that nobody has."""
    groups = roster.groups_of(now)
    active = {id: one for id, one in roster.people.items() if one.active(now)}
    for role in (Role.CUSTODIAN, Role.REQUESTER, Role.AUDITOR):
        if not any(role in one.roles and one.keys for one in active.values()):
            raise Malformed(f"Nobody with a key is {role} in this roster.", what_to_do="Give somebody that role.")
    signers = [id for id, one in active.items() if one.keys]
    if lacking := missing(roster.changes, signers, groups):
        raise Malformed(
            f"Nobody could change this roster: {in_words(lacking)} missing.", what_to_do="Add people or groups."
        )
    approvers = [id for id in signers if Role.APPROVER in active[id].roles]
    for account in roster.accounts.values():
        policy = roster.policy_of(account)
        with_ssh = {id for id in approvers if active[id].has_ssh_key}
        if wanted := policy.lacks(approvers, with_ssh, groups):
            raise Malformed(
                f"Nobody could approve access to {account.id}: {wanted} missing.",
                what_to_do="Add approvers to these groups, or change the policy.",
            )
