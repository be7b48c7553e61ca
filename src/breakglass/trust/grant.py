"""A grant token: the vault's own word, in a form that the gateway can check, also one that is cut off from everything.

A signed note (C2SP signed-note, key name `<origin>/grant`) over lines of text. `not-after` and `key` are what the
gateway enforces; `endpoint` is where a secret may be released to, and nowhere else.
"""

from dataclasses import dataclass
from datetime import datetime

from breakglass.codec import instant, lines, note
from breakglass.errors import BadSignature, Malformed, NotEntitled
from breakglass.model.ids import GrantId, RequestId, UserId
from breakglass.model.target import AccountId, Endpoint
from breakglass.trust.terms import DIRECT, endpoint_of

TITLE = "breakglass-grant-v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    deployment: str
    grant: GrantId
    request: RequestId
    person: UserId
    key: str
    account: AccountId
    username: str
    endpoint: Endpoint
    permissions: str
    recording: str
    roster: str
    """`version hash` of the roster under which it was given."""
    opened_at: datetime
    not_after: datetime

    def text(self) -> str:
        return lines.write(
            TITLE,
            [
                ("deployment", self.deployment),
                ("grant", self.grant),
                ("request", self.request),
                ("person", self.person),
                ("key", self.key),
                ("account", self.account),
                ("username", self.username),
                ("endpoint", str(self.endpoint)),
                ("host-key", self.endpoint.host_key),
                ("connector", self.endpoint.connector or DIRECT),
                ("permissions", self.permissions),
                ("recording", self.recording),
                ("roster", self.roster),
                ("opened-at", instant.write(self.opened_at)),
                ("not-after", instant.write(self.not_after)),
            ],
        )


def open_token(token: str, vkey: str) -> Token:
    """The token's content when the vault's grant key signed it. Raises `NotEntitled` otherwise."""
    try:
        text = note.verify(token.encode(), [vkey]).text
        facts = dict(lines.read(text, TITLE))
        found = Token(
            deployment=facts["deployment"],
            grant=GrantId(facts["grant"]),
            request=RequestId(facts["request"]),
            person=UserId(facts["person"]),
            key=facts["key"],
            account=AccountId(facts["account"]),
            username=facts["username"],
            endpoint=endpoint_of(facts),
            permissions=facts["permissions"],
            recording=facts["recording"],
            roster=facts["roster"],
            opened_at=instant.read(facts["opened-at"]),
            not_after=instant.read(facts["not-after"]),
        )
        if found.text() != text:
            raise Malformed("The grant has other lines.", what_to_do="Make a new request.")
    except (KeyError, ValueError, Malformed, BadSignature) as wrong:
        raise NotEntitled("This is not a grant of this vault.", what_to_do="Make a new request.") from wrong
    return found
