"""The open vault: all that exists only between unsealing and sealing, and how it is written down and wiped."""

import time
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from breakglass.codec import note
from breakglass.errors import BreakglassError, NotEntitled, Replayed, Tampered, Unavailable
from breakglass.model.secret import Secret
from breakglass.trust import override
from breakglass.trust.chain import Chain
from breakglass.trust.grant import Token, open_token
from breakglass.trust.statement import Statement
from breakglass.vault import keys
from breakglass.vault.clock import ClockWentBack, Instants, Wall
from breakglass.vault.continuing import NextLog
from breakglass.vault.evidence import RELEASE, Entry, Evidence, must_be_witnessed, prove
from breakglass.vault.judge import LogView
from breakglass.vault.keys import Keyring, KeysText
from breakglass.vault.line import Line
from breakglass.vault.state import State, StateFile

TOKEN_MAX = 20_000


class RosterNotLoaded(Unavailable):
    """The vault has not been shown the roster since it was opened."""

    code = "roster_not_loaded"


@dataclass(slots=True, kw_only=True)
class Opened:
    keyring: Keyring
    file: StateFile
    state: State
    """What is on disk."""
    instants: Instants
    line: Line
    chain: Chain | None = None
    frozen_at: int | None = None
    """Entries of the log when the clock was found to have gone back; None while it runs."""
    unwitnessed_until: datetime | None = None
    """Until then releases go on without the witnesses. The node brings the custodians' word again after a start."""
    written_at: float = 0.0
    """Monotonic seconds of the last write."""

    @classmethod
    def unlock(cls, root: Secret, folder: Path, text: KeysText, seal_hash: str, wall: Wall) -> "Opened":
        """Open keys and state with the root key; `seal_hash` is that of seal.json as it was read.

        Raises `Tampered`, `Unavailable`; then nothing is left open.
        """
        keyring = keys.open_keys(root, text)
        try:
            file = StateFile(folder, keyring.state_key)
            state = file.read()
            ours = (state.deployment, state.origin) == (text.deployment, text.origin)
            if not (ours and state.knows_seal(seal_hash)):
                raise Tampered(
                    "The vault's seal.json, keys.json and state.json do not belong together, or one was changed.",
                    what_to_do="Restore the whole vault folder from one backup; call the custodians and the auditors.",
                )
        except BaseException:
            keyring.wipe()
            raise
        line = Line(state.mark, keyring.sign_log(state.log))
        return cls(keyring=keyring, file=file, state=state, instants=Instants(wall, state.latest), line=line)

    def loaded(self) -> Chain:
        """Raises `RosterNotLoaded`."""
        if self.chain is None:
            raise RosterNotLoaded(
                "The vault has not seen the roster since it was opened.",
                what_to_do="Wait a moment: the node loads it. If it stays so, look at the node's log.",
            )
        return self.chain

    def now(self) -> datetime:
        """Raises `ClockWentBack` while frozen."""
        try:
            now = self.instants.now()
        except ClockWentBack:
            if self.frozen_at is None:
                self.frozen_at = self.line.mark.size
            raise
        self.frozen_at = None
        return now

    def runs(self) -> bool:
        """False while the clock is frozen."""
        try:
            self.now()
        except ClockWentBack:
            return False
        return True

    def commit(self, state: State, *, relied_on: int = 0, latest: datetime | None = None) -> None:
        """Make `state` durable, then adopt it. Raises `Unavailable`; then nothing has changed.

        `relied_on` is the size of the head that this change believes in: from now on it can't be dropped. `latest` puts
        the latest instant back; without it, it only grows.
        """
        latest = latest or self.instants.latest
        state = replace(state.tidied(latest), latest=latest, mark=self.line.mark_with(relied_on))
        self.file.write(state)
        self.state, self.instants.latest = state, latest
        self.line.confirm(self.state.mark.size, bytes.fromhex(self.state.mark.root))
        self.written_at = time.monotonic()

    def continue_as(self, wanted: NextLog) -> None:
        """Go on with the next log. Raises `Unavailable`; then nothing has changed.

        Every grant is over. What was used up or replaced in the log before is told by entries that may have other
        places in this one: nothing that lies before its beginning serves a release, so none of it is needed."""
        known, latest = self.line.mark, self.instants.latest
        body = note.Checkpoint(origin=self.keyring.log.name, size=known.size, root=bytes.fromhex(known.root)).body()
        state = replace(
            self.state.tidied(latest),
            latest=latest,
            log=wanted.number,
            log_since=wanted.start.size,
            log_before=self.keyring.log.sign(body).decode(),
            mark=wanted.start,
            grants={id: replace(one, voided=True) for id, one in self.state.grants.items()},
            used={},
            floor=wanted.start.size,
            retired={},
        )
        self.file.write(state)
        self.state = state
        self.line = Line(state.mark, self.keyring.sign_log(state.log))
        self.unwitnessed_until = None
        self.written_at = time.monotonic()

    def entry(self, evidence: Evidence, kind: str, about: str) -> Entry:
        """The proven log entry. Raises `NotEntitled`, `Tampered`."""
        return prove(evidence, self.line, self.keyring.log, kind=kind, about=about)

    def release(self, evidence: Evidence, about: str, now: datetime) -> Entry:
        """The proven entry of a release that is to happen now: fresh, and witnessed where the roster asks for it and
        custodians don't let it go on without. Raises also `NotWitnessed`."""
        entry = self.entry(evidence, RELEASE, about)
        entry.must_be_fresh(now)
        if self.unwitnessed_until is None or not override.holds(self.unwitnessed_until, now):
            must_be_witnessed(evidence, entry, self.keyring.log, self.loaded().head.witnesses)
        return entry

    def with_used(self, entry: Entry) -> State:
        """The state once this entry served its release. Raises `Replayed` when it did before."""
        if entry.index < self.state.floor or entry.index in self.state.used:
            raise Replayed(
                "This log entry has served a release before.", what_to_do="Try again from the start.", about=entry.about
            )
        return replace(self.state, used={**self.state.used, entry.index: entry.at})

    def must_be_new(self, statements: tuple[Statement, ...]) -> None:
        """Raises `Replayed` for a statement that was used before."""
        for statement in statements:
            if statement.nonce in self.state.nonces:
                raise Replayed(
                    "This statement was used before.",
                    what_to_do="Get a fresh statement and sign that one.",
                    about=statement.subject,
                )

    def own_token(self, text: str) -> Token:
        """Raises `NotEntitled` unless this vault signed it."""
        try:
            return open_token(text[:TOKEN_MAX], self.keyring.grant.vkey)
        except BreakglassError:
            raise NotEntitled("This is not a grant of this vault.", what_to_do="Make a new request.") from None

    def log_view(self, size: int = 0) -> LogView:
        return LogView(size=max(self.line.mark.size, size), root_at=self.line.root_at, since=self.state.log_since)
