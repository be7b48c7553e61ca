"""The vault: its calls. (Opening and closing it: `keeper`; grants: `grants`.)

    open ──load_roster──▶ (grants) ──▶ release_session …    sign, catch_up, confirm: the log     mint, store, check

A call judges first (judge, evidence), then writes what it used up, then answers: a crash in between can lose an answer,
never a fact. Nothing is changed in memory before it is durable. Who may do what is in `judge`; here is only the order.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from breakglass.codec import note
from breakglass.errors import Malformed, Tampered, WrongState
from breakglass.model.ids import checked
from breakglass.model.secret import Secret
from breakglass.model.target import Endpoint, SecretKind
from breakglass.trust.chain import Chain, Version
from breakglass.trust.statement import Signed
from breakglass.vault import envelope, judge, kek_rotation, passwords, pinning, recording_key
from breakglass.vault.answers import Released
from breakglass.vault.asking import Deposited, Past, Placed, Purpose
from breakglass.vault.continuing import judge_next_log
from breakglass.vault.deposits import bound, open_deposited
from breakglass.vault.evidence import RELEASE, RETIRED, Entry, Evidence
from breakglass.vault.grants import live, not_entitled
from breakglass.vault.kits import Kits
from breakglass.vault.opened import Opened
from breakglass.vault.overriding import judge_override
from breakglass.vault.state import FOREVER, Retired, State

CREDENTIALS_MAX = 64
SESSIONS_MAX = 10_000
REWRAP_MAX = 200


class Vault(Kits):
    # -- roster and log -----------------------------------------------------------------------------------------------
    def load_roster(self, versions: Sequence[Version], found_pin: str | None = None) -> int:
        """Show the roster: all versions from 0 on, or those that follow the loaded ones. Returns the head's version.

        `found_pin` is version 0's hash, given once, on the first call after `make`. Raises as `pinning.judge_roster`.
        """
        with self._opened() as opened:
            chain, state = pinning.judge_roster(opened, versions, found_pin)
            if state != opened.state:
                opened.commit(state)
            opened.chain = chain
            return chain.head.version

    def sign(self, base: int, hashes: Sequence[bytes], frontier: bytes) -> bytes:
        """See `Line.sign`. Raises `Behind`, `Malformed`, `Tampered`."""
        with self._opened() as opened:
            return opened.line.sign(base, hashes, frontier)

    def catch_up(self, size: int, frontier: bytes, proof: Sequence[bytes]) -> None:
        """See `Line.catch_up`. Raises `Tampered`."""
        with self._opened() as opened:
            opened.line.catch_up(size, frontier, proof)

    def confirm(self, checkpoint: bytes) -> bool:
        """The checkpoint's transaction was committed: see `Line.confirm`. Raises `Malformed` for another text."""
        found = note.parse_checkpoint(note.parse(checkpoint).text)
        with self._opened() as opened:
            return opened.line.confirm(found.size, found.root)

    # -- secrets ------------------------------------------------------------------------------------------------------
    def mint(self, account: str, credential: str, version: int) -> bytes:
        """A fresh random secret of the account's kind, sealed for this place: nobody sees it before its release."""
        with self._opened() as opened:
            found = opened.loaded().head.account(account)
            key = found.secret is SecretKind.SSH_KEY
            with passwords.fresh_key() if key else passwords.fresh(found.password) as secret:
                return envelope.seal(secret, bound(account, credential, version), opened.keyring.kek)

    def store(self, account: str, credential: str, version: int, secret: Secret) -> bytes:
        """Seal a secret that a custodian deposits; it is wiped. Raises `Malformed` for one that no target takes."""
        with secret, self._opened() as opened:
            opened.loaded().head.account(account)
            passwords.must_be_usable(secret)
            return envelope.seal(secret, bound(account, credential, version), opened.keyring.kek)

    def check(self, account: str, deposited: Deposited) -> None:
        """Prove that a stored blob can be read back. Raises `Tampered`."""
        with self._opened() as opened:
            open_deposited(opened, Placed(account=account, deposited=deposited)).wipe()

    def retire_credential(self, credential: str, evidence: Evidence) -> None:
        """Another one took this credential's place, as the log says: it opens no session any more.

        Again and again is fine. Raises `NotEntitled`, `Tampered`."""
        checked("crd", credential)
        with self._opened() as opened:
            entry = opened.entry(evidence, RETIRED, credential)
            account, version = entry.data.get("account"), entry.data.get("version")
            if not isinstance(account, str) or type(version) is not int:
                raise not_entitled("The log entry does not say which version of which account.", credential)
            checked("acc", account)
            held = opened.state.retired.get(account, Retired())
            if version not in held:
                retired = {**opened.state.retired, account: held.with_version(version, entry.index)}
                _use_up(opened, replace(opened.state, retired=retired), entry.size)

    # -- key-encryption keys (kek_rotation) ---------------------------------------------------------------------------
    def rotate_kek(self, statement: Signed) -> int:
        """Make the key-encryption key that a custodian asks for. Returns the number of the newest one.

        Asked again for a key that there is, it changes nothing. Raises as `judge.judge_kek` and `kek_rotation.add`.
        """
        with self._opened() as opened:
            held = opened.keyring.kek.id
            if judge.judge_kek(opened.loaded(), statement, now=opened.now(), held=held, log=opened.log_view()) > held:
                self._keys = kek_rotation.add(self._folder, self._keys, opened.keyring)
            return opened.keyring.kek.id

    def rewrap(self, placed: Sequence[Placed]) -> tuple[bytes, ...]:
        """The same secrets under the newest key; empty bytes for one that is not what the vault sealed there."""
        if len(placed) > REWRAP_MAX:
            raise Malformed(f"A batch has up to {REWRAP_MAX} secrets.", what_to_do="Make smaller batches.")
        with self._opened() as opened:
            places = [(one, bound(one.account, one.deposited.credential, one.deposited.version)) for one in placed]
            return kek_rotation.rewrap(places, opened.keyring)

    def retire_kek(self, kek: int) -> None:
        """No stored secret needs this key any more. Raises as `kek_rotation.retire`."""
        with self._opened() as opened:
            self._keys = kek_rotation.retire(self._folder, self._keys, opened.keyring, kek)

    def release_session(
        self, token: str, endpoint: Endpoint, deposited: Deposited, session: str, evidence: Evidence
    ) -> Released:
        """The login for one session, towards the endpoint that was approved and no other.

        Raises `NotEntitled`, `Expired`, `Replayed`, `Tampered`, `Unavailable`.
        """
        checked("ses", session)
        with self._opened() as opened:
            chain, now, state = opened.loaded(), opened.now(), opened.state
            said = opened.own_token(token)
            given = state.grants.get(said.grant)
            if given is None:
                raise not_entitled("The vault does not know this grant.", said.grant)
            if live(said.grant, given, now).token != token:
                raise not_entitled("The vault gave another token for this grant.", said.grant)
            account = judge.judge_session(chain.head, said, given.terms, endpoint=endpoint, now=now)
            entry = opened.release(evidence, session, now)
            entry.must_say(purpose=Purpose.SESSION, account=account.id, grant=said.grant)
            entry.must_not_contradict(credential=deposited.credential, version=deposited.version)
            _must_not_be_retired(state.retired.get(account.id, Retired()), deposited, entry)
            whose = state.by_session(session)
            if whose not in (None, given) or len(given.sessions) >= SESSIONS_MAX:
                raise not_entitled("This session belongs to another grant, or there are too many.", session)
            used = opened.with_used(entry)
            sessions = given.sessions if whose else (*given.sessions, session)
            grants = {**used.grants, said.grant: replace(given, sessions=sessions)}
            secret = open_deposited(opened, Placed(account=account.id, deposited=deposited))
            with _wiped_on_error(secret):
                _use_up(opened, replace(used, grants=grants), entry.size)
            return Released(username=account.username, secret=secret)

    def release_rotation(
        self,
        rotation: str,
        account: str,
        endpoint: Endpoint,
        deposited: Sequence[Deposited],
        purpose: Purpose,
        evidence: Evidence,
    ) -> tuple[Secret, ...]:
        """The account's secrets for a rotation or a probe, only towards the endpoint that the roster names now.

        Raises `NotEntitled`, `Replayed`, `Tampered`, `Unavailable`.
        """
        checked("rot", rotation)
        if purpose not in (Purpose.ROTATION, Purpose.PROBE) or not 0 < len(deposited) <= CREDENTIALS_MAX:
            raise Malformed(
                "This is not what a rotation asks for.", what_to_do="Ask for 1 to 64 secrets of one account."
            )
        with self._opened() as opened:
            chain, now = opened.loaded(), opened.now()
            found = judge.judge_place(chain.head, account, endpoint)
            entry = opened.release(evidence, rotation, now)
            entry.must_say(purpose=purpose, account=found.id)
            state = opened.with_used(entry)
            secrets: list[Secret] = []
            with _wiped_on_error(secrets):
                secrets.extend(open_deposited(opened, Placed(account=found.id, deposited=one)) for one in deposited)
                _use_up(opened, state, entry.size)
            return tuple(secrets)

    def release_help(self, account: str, endpoint: Endpoint, deposited: Deposited, evidence: Evidence) -> Released:
        """The login of the account that the roster names as this one's helper, towards the endpoint of both.

        Raises `NotEntitled`, `Replayed`, `Tampered`, `WrongState`, `Unavailable`.
        """
        checked("acc", account)
        with self._opened() as opened:
            chain, now = opened.loaded(), opened.now()
            helper = judge.judge_help(chain.head, account, endpoint)
            entry = opened.release(evidence, account, now)
            entry.must_say(purpose=Purpose.HELP, account=helper.id, credential=deposited.credential)
            _must_not_be_retired(opened.state.retired.get(helper.id, Retired()), deposited, entry)
            state = opened.with_used(entry)
            secret = open_deposited(opened, Placed(account=helper.id, deposited=deposited))
            with _wiped_on_error(secret):
                _use_up(opened, state, entry.size)
            return Released(username=helper.username, secret=secret)

    def release_replay(
        self,
        statements: Sequence[Signed],
        session: str,
        stream: str,
        wrapped: bytes,
        evidence: Evidence,
        past: Past | None = None,
    ) -> Secret:
        """The key of one stream of a session's recording. `past` is asked for when the vault has forgotten the session.

        Raises as `judge.judge_replay`, and `Replayed`, `NotEntitled`, `Tampered`, `Unavailable`.
        """
        checked("ses", session)
        with self._opened() as opened:
            chain, now = opened.loaded(), opened.now()
            given = opened.state.by_session(session)
            people, account = (given.people, given.account) if given else _past(opened, chain, session, past)
            entry = opened.release(evidence, session, now)
            entry.must_say(purpose=Purpose.REPLAY, account=account)
            entry.must_not_contradict(stream=stream)
            found = judge.judge_replay(
                chain,
                statements,
                session=session,
                stream=stream,
                people=people,
                now=now,
                log=opened.log_view(entry.size),
            )
            opened.must_be_new(found)
            state = opened.with_used(entry)
            nonces = {**state.nonces, **{one.nonce: one.not_after for one in found}}
            key = recording_key.unwrap(opened.keyring.recording, wrapped, recording_key.recording_info(session, stream))
            with _wiped_on_error(key):
                _use_up(opened, replace(state, nonces=nonces), entry.size)
            return key

    # -- witnesses ----------------------------------------------------------------------------------------------------
    def override(self, statements: Sequence[Signed]) -> datetime:
        """Custodians let releases go on without the witnesses. Returns until when.

        The word is in the statements, so it may be brought again and again. Raises as `judge_override`.
        """
        with self._opened() as opened:
            until = judge_override(opened.loaded(), statements, now=opened.now(), log=opened.log_view())
            opened.unwitnessed_until = until
            return until

    # -- the next log -------------------------------------------------------------------------------------------------
    def next_log(self, statements: Sequence[Signed], proofs: Sequence[Sequence[bytes]]) -> bytes:
        """Go on with the log that custodians sign for, because the one before has lost its end: every grant is over.

        Returns the last head that this vault knew of the log before, signed as ever. Asked again for the log that it
        signs, it changes nothing. Raises as `judge_next_log`, and `NotEntitled` for any but the next one.
        """
        with self._opened() as opened:
            wanted, held = judge_next_log(opened.loaded(), statements, proofs, now=opened.now()), opened.state.log
            if wanted.number == held + 1:
                opened.continue_as(wanted)
            elif wanted.number != held:
                raise not_entitled(f"The vault signs log {held}, not the one before that.", "", "Call the custodians.")
            return opened.state.log_before.encode()

    # -- the clock ----------------------------------------------------------------------------------------------------
    def confirm_clock(self, statements: Sequence[Signed]) -> datetime:
        """Custodians say that the clock is right after it went back. Grants from the time that never was are voided.

        Returns the present instant. While the clock runs it judges and changes nothing: so the node may ask again after
        a crash, and settle a log that is ahead of a vault which never saw the wrong time. Raises as
        `judge.judge_clock`, and `Replayed`.
        """
        with self._opened() as opened:
            chain = opened.loaded()
            if opened.runs():
                judge.judge_clock(chain, statements, wall=opened.instants.wall(), seen=0, log=opened.log_view())
                return opened.now()
            found, wall = judge.judge_clock(
                chain, statements, wall=opened.instants.wall(), seen=opened.frozen_at or 0, log=opened.log_view()
            )
            opened.must_be_new(found)
            state = opened.state
            grants = {id: replace(one, voided=one.voided or one.opened_at > wall) for id, one in state.grants.items()}
            # Their nonces are never forgotten: whoever turns the clock back could otherwise use them again.
            nonces = {**state.nonces, **{one.nonce: FOREVER for one in found}}
            opened.commit(replace(state, grants=grants, nonces=nonces), latest=wall)
            return opened.now()


def _must_not_be_retired(retired: Retired, one: Deposited, entry: Entry) -> None:
    """Raises `Tampered` for a credential that was replaced before this release was noted, and `WrongState` for one that
    was replaced since."""
    if one.version not in retired:
        return
    if entry.index < retired.index:
        raise WrongState("The password was changed meanwhile.", what_to_do="Connect again.", about=entry.about)
    raise Tampered(
        f"Version {one.version} of this credential was replaced, and the database has it as current.",
        what_to_do="Somebody changed rows of the database, or restored an old copy: call custodians and auditors.",
        about=entry.about,
    )


def _use_up(opened: Opened, state: State, size: int) -> None:
    opened.commit(state, relied_on=size)


def _past(opened: Opened, chain: Chain, session: str, past: Past | None) -> tuple[frozenset[str], str]:
    """The people and the account of a session that the state does not know, from what the node can prove."""
    if past is None:
        raise not_entitled(
            "The vault does not know this session any more.", session, "Bring its grant, approvals and log entry."
        )
    token = opened.own_token(past.token)
    entry = opened.entry(past.entry, RELEASE, session)
    entry.must_say(purpose=Purpose.SESSION, account=token.account, grant=token.grant)
    return judge.judge_past(chain, token, past.approvals), token.account


@contextmanager
def _wiped_on_error(held: Secret | list[Secret]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for secret in held if isinstance(held, list) else [held]:
            secret.wipe()
        raise
