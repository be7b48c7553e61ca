"""What people send: pydantic only here, at the edge. Unknown members are refused; each text has its longest length."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from breakglass.codec.lines import clean
from breakglass.errors import Malformed
from breakglass.model.ids import GrantId, RequestId, ReviewId, SessionId, checked
from breakglass.model.review import Classification
from breakglass.model.target import AccountId
from breakglass.vault.shares import MAX_SHARES

# An id of a wrong shape is refused in our own words: `Malformed` passes through pydantic.
RequestIdIn = Annotated[RequestId, AfterValidator(lambda text: checked("req", text))]
GrantIdIn = Annotated[GrantId, AfterValidator(lambda text: checked("grt", text))]
SessionIdIn = Annotated[SessionId, AfterValidator(lambda text: checked("ses", text))]
ReviewIdIn = Annotated[ReviewId, AfterValidator(lambda text: checked("rev", text))]
AccountIdIn = Annotated[AccountId, AfterValidator(lambda text: checked("acc", text))]
ProposalIdIn = Annotated[str, AfterValidator(lambda text: checked("pro", text))]

ShortName = Annotated[str, Field(min_length=1, max_length=60)]
Prose = Annotated[str, Field(max_length=4000)]


def sentence(text: str) -> str:
    """One visible line. Raises `Malformed` when nothing is left of it."""
    cleaned = clean(text)
    if not cleaned or len(cleaned) > 500:
        raise Malformed("The reason must have 1 to 500 characters.", what_to_do="Say in one sentence why.")
    return cleaned


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class SignIn(Body):
    login: ShortName
    text: Annotated[str, Field(max_length=2000)]
    signature: Annotated[str, Field(max_length=20_000)]


class NewRequest(Body):
    id: RequestIdIn | None = None
    """Made by the caller, so that asking again after a lost answer finds the same request."""
    target: ShortName
    account: ShortName | None = None
    condition: ShortName
    reason: Prose
    minutes: Annotated[int, Field(ge=1, le=100_000)]


class Decision(Body):
    kind: Literal["approve", "deny"]
    reason: Annotated[str, Field(max_length=500)] = ""


class RotateMany(Body):
    accounts: Annotated[list[AccountIdIn], Field(min_length=1, max_length=500)]
    because: Literal["demand", "suspicion"] = "demand"


class Signature(Body):
    """`text` is needed only when it was not got here under one's own name (offline approval)."""

    signature: Annotated[str, Field(max_length=20_000)]
    text: Annotated[str, Field(max_length=40_000)] | None = None


class Why(Body):
    why: Annotated[str, AfterValidator(sentence)]


class CredentialIn(Body):
    secret: Annotated[SecretStr, Field(min_length=1, max_length=16_384)]


class Judgement(Body):
    classification: Classification
    summary: Prose


ShareText = Annotated[SecretStr, Field(min_length=1, max_length=1000)]


class Share(Body):
    share: ShareText


class Unseal(Share):
    """`attempt`: as `GET /vault` named it, so that a share never goes to another attempt than its custodian saw."""

    attempt: Annotated[str, Field(max_length=20)] = ""


class Shares(Body):
    shares: Annotated[list[ShareText], Field(min_length=1, max_length=MAX_SHARES)]


class SlotChange(Shares):
    """`shares`: as many of the present ones as open the vault. `key_file`: for `file`; `token`, `key`: for `pkcs11`."""

    act: Literal["add", "replace", "remove"]
    kind: Literal["file", "pkcs11"]
    key_file: Annotated[str, Field(max_length=1000)] = ""
    token: Annotated[str, Field(max_length=32)] = ""
    key: Annotated[str, Field(max_length=32)] = ""


class Rekey(Shares):
    """`shares`: as many of the present ones as open the vault. `to`: a public key (X25519, base64) for each new one."""

    needed: Annotated[int, Field(ge=2, le=MAX_SHARES)]
    to: Annotated[list[Annotated[str, Field(max_length=44)]], Field(min_length=2, max_length=MAX_SHARES)]
