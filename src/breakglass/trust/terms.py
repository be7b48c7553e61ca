"""The terms of an approval: everything that decides what is opened. Any difference at release voids it.

They are drawn up from the signed roster and from what the requester asked; the approver signs them line by line.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from breakglass.codec import instant
from breakglass.model.ids import UserId
from breakglass.model.policy import Lane
from breakglass.model.request import AccessRequest
from breakglass.model.target import AccountId, Endpoint, Protocol
from breakglass.trust.roster import Roster

DIRECT = "direct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    requester: UserId
    requester_key: str
    target: str
    account: AccountId
    username: str
    endpoint: Endpoint
    condition: str
    reason: str
    duration: timedelta
    lane: Lane
    permissions: str
    recording: str
    policy: str
    """Hex SHA-256 of the policy as the roster has it."""

    def facts(self) -> dict[str, str]:
        """As lines of a statement, in any order: the statement's kind orders them."""
        return {
            "requester": self.requester,
            "requester-key": self.requester_key,
            "target": self.target,
            "account": self.account,
            "username": self.username,
            "endpoint": str(self.endpoint),
            "host-key": self.endpoint.host_key,
            "connector": self.endpoint.connector or DIRECT,
            "condition": self.condition,
            "reason": self.reason,
            "duration": instant.write_span(self.duration),
            "lane": self.lane.value,
            "permissions": self.permissions,
            "recording": self.recording,
            "policy": self.policy,
        }


def endpoint_of(facts: Mapping[str, str]) -> Endpoint:
    """The endpoint that a statement or grant names in its lines."""
    protocol, _, rest = facts["endpoint"].partition("://")
    host, _, port = rest.rpartition(":")
    connector = "" if facts["connector"] == DIRECT else facts["connector"]
    return Endpoint(
        protocol=Protocol(protocol), host=host, port=int(port), host_key=facts["host-key"], connector=connector
    )


def draw_up(request: AccessRequest, roster: Roster) -> Terms:
    """The terms of this request under this roster. Raises `NotFound` when the roster has no such account any more."""
    return terms(
        roster,
        requester=request.by,
        key=request.key,
        account=request.account,
        condition=request.condition,
        reason=request.reason,
        duration=request.access_for,
    )


def terms(
    roster: Roster, *, requester: UserId, key: str, account: str, condition: str, reason: str, duration: timedelta
) -> Terms:
    found = roster.account(account)
    policy = roster.policy_of(found)
    return Terms(
        requester=requester,
        requester_key=key,
        target=roster.target(found.target).name,
        account=found.id,
        username=found.username,
        endpoint=roster.endpoint_of(found),
        condition=roster.condition(condition).id,
        reason=reason,
        duration=duration,
        lane=Lane.DUAL_CONTROL,
        permissions=" ".join(sorted(policy.permissions)),
        recording=policy.recording.value,
        policy=roster.policy_hashes[policy.id],
    )
