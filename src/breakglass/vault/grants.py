"""The vault's grants: given to a quorum of approvals, adopted from other nodes' vaults, ended.

open_grant ──▶ Given ◀── adopt_grants          void_grant, the end of its time: nothing is released for it any more
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from breakglass.errors import Expired, NotEntitled, Refused, Tampered, TooMany
from breakglass.model.ids import GrantId, RequestId, checked, grant_of
from breakglass.trust.chain import Chain
from breakglass.trust.statement import Signed
from breakglass.vault import judge
from breakglass.vault.asking import Elsewhere
from breakglass.vault.evidence import APPROVED, OPENED, Evidence
from breakglass.vault.opened import Opened
from breakglass.vault.slots import Slots
from breakglass.vault.state import PEOPLE_KEPT_FOR, Given, State

VOIDED_MAX = 10_000


class Grants(Slots):
    def open_grant(self, grant: str, request: str, approvals: Sequence[Signed], evidence: Evidence) -> str:
        """The grant's token, for a quorum of approvals and the log entry that the request is approved.

        A request gets one grant, ever: asked again it gets the same token. The grant's id follows from the request's
        (`grant_of`), so that two vaults of one deployment give the same grant, and ending it ends it at both. Raises as
        `judge.judge_grant` and `prove`, `Expired` and `NotEntitled` for a request whose grant is over or was voided.
        """
        grant, request = GrantId(checked("grt", grant)), RequestId(checked("req", request))
        with self._opened() as opened:
            chain, now, state = opened.loaded(), opened.now(), opened.state
            if (known := state.by_request(request)) is not None:
                return live(known[0], known[1], now).token
            if request in state.spent:
                raise Expired("This request's grant is over.", what_to_do="Make a new request.", about=request)
            if grant != grant_of(request) or grant in state.voided or grant in state.grants:
                raise NotEntitled("This grant was ended, or is another request's.", what_to_do="Make a new request.")
            entry = opened.entry(evidence, APPROVED, request)
            verdict = judge.judge_grant(
                chain, approvals, request=request, grant=grant, now=now, log=opened.log_view(entry.size)
            )
            token = opened.keyring.grant.sign(verdict.token.text()).decode()
            given = Given(
                request=request,
                account=verdict.token.account,
                requester=verdict.token.person,
                approvers=verdict.approvers,
                opened_at=verdict.token.opened_at,
                not_after=verdict.token.not_after,
                token=token,
                terms=verdict.terms,
            )
            opened.commit(replace(state, grants={**state.grants, grant: given}), relied_on=entry.size)
            return token

    def unknown_grants(self, tokens: Sequence[str]) -> tuple[str, ...]:
        """Those of these tokens that this vault neither gave nor adopted."""
        with self._opened() as opened:
            known = {one.token for one in opened.state.grants.values()}
            return tuple(token for token in tokens if token not in known)

    def adopt_grants(self, grants: Sequence[Elsewhere]) -> tuple[str, ...]:
        """Know grants that other nodes' vaults of this deployment gave: their tokens, which nobody signs without the
        deployment's grant key, the approvals that carried them, and the log entries that they were opened.

        Again and again is fine. Returns for each why it was not adopted, in words; empty when this vault knows it now.
        """
        with self._opened() as opened:
            chain, now, state = opened.loaded(), opened.now(), opened.state
            size, told = 0, []
            for one in grants:
                try:
                    given, size = _given_elsewhere(opened, chain, now, state, one), max(size, one.entry.size)
                    state = replace(state, grants={**state.grants, grant_of(RequestId(given.request)): given})
                    told.append("")
                except (Refused, Tampered) as refusal:
                    told.append(refusal.message)
            if state is not opened.state:
                opened.commit(state, relied_on=size)
            return tuple(told)

    def void_grant(self, grant: str) -> None:
        """Nothing is released for this grant any more. Again and again is fine, and also before it was opened."""
        checked("grt", grant)
        with self._opened() as opened:
            state, given = opened.state, opened.state.grants.get(grant)
            if given is not None:
                if not given.voided:
                    opened.commit(replace(state, grants={**state.grants, grant: replace(given, voided=True)}))
            elif grant not in state.voided:
                if len(state.voided) >= VOIDED_MAX:
                    raise TooMany(
                        "Too many unknown grants were voided.", what_to_do="Call the auditors: this is no accident."
                    )
                opened.runs()  # so that the latest instant is this one; also while it is frozen, a grant can be ended
                until = opened.instants.latest + PEOPLE_KEPT_FOR
                opened.commit(replace(state, voided={**state.voided, grant: until}))


def live(id: str, given: Given, now: datetime) -> Given:
    """The grant, unless it was voided or is over."""
    if given.voided:
        raise not_entitled("This grant was ended.", id)
    if now >= given.not_after or not given.token:
        raise Expired("This grant's time is over.", what_to_do="Make a new request.", about=id)
    return given


def _given_elsewhere(opened: Opened, chain: Chain, now: datetime, state: State, one: Elsewhere) -> Given:
    """Raises `NotEntitled`, `Expired`, and as `judge.judge_given` and `prove`."""
    said = opened.own_token(one.token)
    known = state.grants.get(said.grant)
    if known is not None and known.token == one.token:
        return known
    if said.grant in state.voided or said.grant != grant_of(said.request) or (known and known.voided):
        raise not_entitled("This grant was ended.", said.grant)
    if said.request in state.spent or now >= said.not_after or (known and not known.token):
        raise Expired("This grant's time is over.", what_to_do="Make a new request.", about=said.grant)
    entry = opened.entry(one.entry, OPENED, said.grant)
    if entry.index < state.log_since:
        raise not_entitled("This grant was opened in the log before this one.", said.grant)
    entry.must_say(request=said.request, token=one.token)
    verdict = judge.judge_given(chain, said, one.approvals)
    # One that this vault gave itself was never put down: the one in the log is the request's.
    return Given(
        request=said.request,
        account=said.account,
        requester=said.person,
        approvers=verdict.approvers,
        opened_at=said.opened_at,
        not_after=said.not_after,
        token=one.token,
        terms=verdict.terms,
        sessions=known.sessions if known else (),
    )


def not_entitled(message: str, about: str, what_to_do: str = "Make a new request.") -> NotEntitled:
    return NotEntitled(message, what_to_do=what_to_do, about=about)
