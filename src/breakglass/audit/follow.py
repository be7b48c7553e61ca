"""What the log decides: from its facts, the rows that the tables must hold. The writer's rules from the other side.

    request.made ▶ request      request.approval ▶ approval      grant.opened ▶ grant      review.opened ▶ review   …

Each fact also has to be possible where it stands: a request that was denied is not approved later, and a grant is not
opened before its request is approved and a checkpoint covers that. Only columns that follow from the log are listed.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from breakglass.audit.event import Event, in_micros, micros
from breakglass.audit.proofs import Proofs
from breakglass.errors import Tampered
from breakglass.model.change import Moves
from breakglass.model.credential import Credential
from breakglass.model.credential import State as CredentialState
from breakglass.model.dormancy import Dormancy
from breakglass.model.dormancy import State as DormancyState
from breakglass.model.grant import Grant
from breakglass.model.grant import State as GrantState
from breakglass.model.recording import Recording
from breakglass.model.recording import State as RecordingState
from breakglass.model.request import AccessRequest
from breakglass.model.request import State as RequestState
from breakglass.model.review import DUE_AFTER, Review
from breakglass.model.review import State as ReviewState
from breakglass.model.rotation import Rotation
from breakglass.model.rotation import State as RotationState
from breakglass.model.ticket import State as TicketState
from breakglass.model.ticket import Ticket
from breakglass.trust.chain import Chain
from breakglass.trust.grant import open_token
from breakglass.trust.statement import Statement

Rows = dict[str, dict[str, dict[str, Any]]]
"""Table -> id -> column -> value as the database stores it (instants in microseconds, spans in milliseconds)."""
_MICROS, _DUE = 1_000_000, DUE_AFTER // timedelta(microseconds=1)
_REQUEST, _GRANT, _ROTATION = frozenset(RequestState), frozenset(GrantState), frozenset(RotationState)
_CALL = "Keep the log as it is, and call the auditors."


class Follow:
    def __init__(self, *, whole: bool = True) -> None:
        """`whole`: every entry of the log will come by."""
        self._proofs = Proofs(whole=whole)
        self.rows: Rows = {
            name: {}
            for name in (
                "request",
                "approval",
                "grant",
                "session",
                "recording",
                "credential",
                "rotation",
                "dormancy",
                "review",
                "ticket",
            )
        }
        self.heads: dict[str, list[tuple[int, str, int]]] = {}
        """Recording -> its heads in the log, oldest first: (chunks, hex, bytes)."""
        self._other: set[str] = set()
        """Kinds from which no row follows: most entries."""
        self._needs_cover: dict[tuple[str, str], int] = {}
        self._told: dict[str, Callable[[Event, int], None]] = {
            "request.made": self._request_made,
            "session.connecting": self._session_connecting,
            "session.started": self._session_started,
            "session.end_wanted": self._session_end_wanted,
            "session.ended": self._session_ended,
            "recording.head": self._recording,
            "recording.complete": self._recording,
            "recording.truncated": self._recording,
            "recording.lost": self._recording_lost,
            "recording.restored": self._recording_lost,
            "credential.stored": self._credential_stored,
            "credential.previous": self._credential_previous,
            "rotation.owed": self._rotation_owed,
            "rotation.claimed": self._rotation_claimed,
            "rotation.discarded": self._rotation_discarded,
            "rotation.put_off": self._rotation_put_off,
            "rotation.login_tried": lambda event, _at: self._proofs.tried(event),
            "target.looked": lambda event, _at: self._proofs.looked(event),
            "account.not_disabled": self._not_disabled,
            **{f"account.{state}": self._dormancy for state in DormancyState},
            "review.opened": self._review_opened,
            "ticket.opened": self._ticket_opened,
            "ticket.closed": self._ticket_closed,
            "secret.release": self._release,
        }

    def take(self, index: int, event: Event, said: Statement | None, chain: Chain | None, covered: int) -> None:
        """`covered` is the size of the newest checkpoint before this entry. Raises what can't have happened."""
        if event.kind in self._other:
            return
        at = micros(event.at)
        thing, _, verb = event.kind.partition(".")
        if (told := self._told.get(event.kind)) is not None:
            told(event, at)
            if event.kind == "secret.release":
                self._needs_cover["release", event.about] = index
            elif event.kind == "session.started":
                self._must_be_covered("release", event.about, covered, "the release of its secret")
        elif event.kind == "recording.replayed":
            self._must_be_covered("release", event.about.partition("/")[0], covered, "the release of its key")
        elif event.kind == "request.approval":
            self._approval(event, at, said)
        elif thing == "request" and verb in _REQUEST:
            self._move("request", event.about, RequestState(verb), AccessRequest.MOVES)
            self._needs_cover[verb, event.about] = index
        elif event.kind == "grant.opened":
            self._grant_opened(event, chain, covered)
        elif thing == "grant" and verb in _GRANT:
            self._move("grant", event.about, GrantState(verb), Grant.MOVES)
        elif thing == "rotation" and verb in _ROTATION:
            self._rotation_moved(event, RotationState(verb), at)
        elif event.kind == "review.signed":
            self._review_signed(event, at, said)
        else:
            self._other.add(event.kind)

    # -- requests and grants -------------------------------------------------------------------------------------------
    def _request_made(self, event: Event, at: int) -> None:
        row = {
            "by": event.by,
            "key": event.text("key"),
            "account": event.text("account"),
            "condition": event.text("condition"),
            "reason": event.text("reason"),
            "access_for": event.number("seconds") * 1000,
            "asked_at": at,
            "decide_by": _instant(event.text("decide_by")),
            "state": RequestState.PENDING,
        }
        self._new("request", event.about, row)

    def _approval(self, event: Event, at: int, said: Statement | None) -> None:
        self._find("request", event.about)
        row = {
            "request": event.about,
            "statement": event.text("statement"),
            "signature": event.text("signature"),
            "at": at,
        }
        self._new("approval", event.text("approval"), row | ({"by": said.person} if said else {}))

    def _grant_opened(self, event: Event, chain: Chain | None, covered: int) -> None:
        """The row and the entry are only what the vault's signed token says."""
        if chain is None:
            raise Tampered("No roster holds by which the grant could be judged.", what_to_do=_CALL)
        token = open_token(event.text("token"), chain.head.keys.grant)
        version, _, hash = token.roster.partition(" ")
        if token.deployment != chain.head.deployment or str(chain.hashes.get(_number(version))) != hash:
            raise Tampered("The grant's token is of another deployment or roster.", what_to_do=_CALL)
        said = (event.about, event.text("request"), _instant(event.text("ends_at")))
        if said != (token.grant, token.request, in_micros(token.not_after)):
            raise Tampered("The entry says something else than the token that the vault signed.", what_to_do=_CALL)
        request = self._find("request", token.request)
        asked = (request["by"], request["key"], request["account"], request["access_for"])
        given = (
            token.person,
            token.key,
            token.account,
            (token.not_after - token.opened_at) // timedelta(milliseconds=1),
        )
        if request["state"] is not RequestState.APPROVED or asked != given:
            raise Tampered("The grant is not what its request asked for, or nobody approved it.", what_to_do=_CALL)
        row = {
            "request": token.request,
            "to": token.person,
            "key": token.key,
            "account": token.account,
            "token": event.text("token"),
            "opened_at": in_micros(token.opened_at),
            "ends_at": in_micros(token.not_after),
            "state": GrantState.ACTIVE,
        }
        self._new("grant", event.about, row)
        self._must_be_covered(RequestState.APPROVED, token.request, covered, "the approval of its request")

    # -- sessions and recordings ---------------------------------------------------------------------------------------
    def _session_connecting(self, event: Event, at: int) -> None:
        row: dict[str, Any] = {
            "grant": event.text("grant"),
            "by": event.by,
            "account": event.text("account"),
            "recording": event.text("recording"),
            "from_address": event.text("from"),
            "started_at": at,
            "ended_at": None,
            "wanted": "running",
            "state": "connecting",
        }
        self._find("grant", row["grant"])
        self._new("session", event.about, row)
        self._new("recording", row["recording"], {"session": event.about, "state": RecordingState.OPEN, "lost": ""})

    def _session_started(self, event: Event, _at: int) -> None:
        self._find("session", event.about)["state"] = "running"

    def _session_end_wanted(self, event: Event, _at: int) -> None:
        self._find("session", event.about).update(wanted="ended", why=event.text("why"))

    def _session_ended(self, event: Event, at: int) -> None:
        self._find("session", event.about).update(state="ended", wanted="ended", ended_at=at, why=event.text("why"))

    def _recording(self, event: Event, _at: int) -> None:
        chunks, head, size = event.number("chunks"), event.text("head"), event.number("size")
        verb = event.kind.removeprefix("recording.")
        self._move("recording", event.about, RecordingState("open" if verb == "head" else verb), Recording.MOVES)
        self._find("recording", event.about).update(chunks=chunks, head=head, size=size)
        self.heads.setdefault(event.about, []).append((chunks, head, size))

    def _recording_lost(self, event: Event, _at: int) -> None:
        why = event.text("why") if event.kind == "recording.lost" else ""
        self._find("recording", event.about)["lost"] = why

    def _release(self, event: Event, _at: int) -> None:
        event.text("purpose")

    # -- credentials and rotations -------------------------------------------------------------------------------------
    def _credential_stored(self, event: Event, at: int) -> None:
        self._credential(event.about, event, at, CredentialState.CURRENT)
        self._proofs.stored(event.text("account"), event.about)

    def _credential_previous(self, event: Event, _at: int) -> None:
        self._move("credential", event.about, CredentialState.PREVIOUS, Credential.MOVES)

    def _credential(self, id: str, event: Event, at: int, state: CredentialState) -> None:
        row = {"account": event.text("account"), "version": event.number("version"), "made_at": at, "state": state}
        self._new("credential", id, row)

    def _rotation_owed(self, event: Event, at: int) -> None:
        row = {name: event.text(name) for name in ("account", "because", "grant")}
        self._new("rotation", event.about, {**row, "owed_at": at, "candidate": None, "state": RotationState.OWED})

    def _rotation_claimed(self, event: Event, _at: int) -> None:
        self._find("rotation", event.about)["fence"] = event.number("fence")

    def _rotation_discarded(self, event: Event, _at: int) -> None:
        self._move("rotation", event.about, RotationState.OWED, Rotation.MOVES)
        self._find("rotation", event.about)["candidate"] = None
        self._move("credential", event.text("credential"), CredentialState.UNUSED, Credential.MOVES)

    def _rotation_put_off(self, event: Event, _at: int) -> None:
        """It may say to which state it goes back; where it does not, the next fact tells where it stood."""
        row = self._find("rotation", event.about)
        if (to := event.data.get("state")) in _ROTATION:
            self._move("rotation", event.about, RotationState(str(to)), Rotation.MOVES)
        elif row.get("state") is RotationState.APPLYING:
            del row["state"]

    def _rotation_moved(self, event: Event, to: RotationState, at: int) -> None:
        row = self._find("rotation", event.about)
        self._move("rotation", event.about, to, Rotation.MOVES)
        if to is RotationState.STAGED:
            row["candidate"] = event.text("credential")
            self._credential(row["candidate"], event, at, CredentialState.PENDING)
            self._proofs.staged(event.text("account"), row["candidate"])
        elif to is RotationState.REFUSED:
            self._move("credential", row["candidate"], CredentialState.UNUSED, Credential.MOVES)
            row["candidate"] = None
        elif to is RotationState.APPLYING:
            self._proofs.sent(event.about)
        elif to is RotationState.VERIFIED:
            self._proofs.verified(event, row["candidate"])
            row["proof"] = event.data.get("proof", "")
        elif to is RotationState.DONE:
            self._proofs.done(event)
            row.update(done_at=at, remains=event.text("remains"))
            self._move("credential", event.text("credential"), CredentialState.CURRENT, Credential.MOVES)

    def _dormancy(self, event: Event, at: int) -> None:
        to = DormancyState(event.kind.removeprefix("account."))
        self._not_disabled(event, at)
        self._move("dormancy", event.about, to, Dormancy.MOVES)
        self._find("dormancy", event.about)["since"] = at

    def _not_disabled(self, event: Event, at: int) -> None:
        """The first fact makes the row: nothing was known of how the account stands before."""
        self.rows["dormancy"].setdefault(event.about, {"state": DormancyState.ENABLED, "since": at})

    # -- reviews and tickets -------------------------------------------------------------------------------------------
    def _review_opened(self, event: Event, at: int) -> None:
        row = {name: event.text(name) for name in ("grant", "request", "account")}
        self._find("grant", row["grant"])
        more = {"opened_at": at, "due_at": at + _DUE, "by": None, "signed_at": None, "state": ReviewState.OPEN}
        self._new("review", event.about, {**row, **more, "statement": "", "signature": ""})

    def _review_signed(self, event: Event, at: int, said: Statement | None) -> None:
        self._move("review", event.about, ReviewState.SIGNED, Review.MOVES)
        row = self._find("review", event.about)
        row.update(by=event.by, signed_at=at, statement=event.text("statement"), signature=event.text("signature"))
        if said:
            row.update(classification=said.facts["classification"], summary=said.facts["summary"])

    def _ticket_opened(self, event: Event, at: int) -> None:
        self._new("ticket", event.about, {"request": event.text("request"), "opened_at": at, "state": TicketState.OPEN})

    def _ticket_closed(self, event: Event, _at: int) -> None:
        self._move("ticket", event.about, TicketState.CLOSED, Ticket.MOVES)

    # -- the writer's rules --------------------------------------------------------------------------------------------
    def _new(self, table: str, id: str, row: dict[str, Any]) -> None:
        if id in self.rows[table]:
            raise Tampered(f"The {table} {id} was made before.", what_to_do=_CALL)
        self.rows[table][id] = row

    def _find(self, table: str, id: str) -> dict[str, Any]:
        if (row := self.rows[table].get(id)) is None:
            raise Tampered(f"The log has no {table} {id} before this.", what_to_do=_CALL)
        return row

    def _move(self, table: str, id: str, to: StrEnum, moves: Moves) -> None:
        row = self._find(table, id)
        before = row.get("state", to)
        if before != to and to not in moves.get(before, ()):
            raise Tampered(f"The {table} {id} can't go from {before} to {to}.", what_to_do=_CALL)
        row["state"] = to

    def _must_be_covered(self, what: str, id: str, covered: int, words: str) -> None:
        """The vault gives nothing before it signed the log up to there: that checkpoint stands, or was removed."""
        index = self._needs_cover.get((what, id))
        if index is None or covered <= index:
            raise Tampered(f"No checkpoint covers {words}, and the vault gives nothing without one.", what_to_do=_CALL)


def _instant(text: str) -> int:
    try:
        return in_micros(datetime.fromisoformat(text))
    except (ValueError, TypeError):
        raise Tampered(f"{text[:40]!r} is not an instant.", what_to_do=_CALL) from None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1
