"""The vault's emergency kits: made for custodians' word alone, of what the roster chooses, to no key but its own.

statements, credentials, the release in the log ─▶ each copy: its own canary inside, encrypted and signed
"""

import json
import secrets
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from breakglass.codec import instant
from breakglass.errors import Forbidden, NotEntitled
from breakglass.model.people import Role
from breakglass.model.secret import Secret
from breakglass.model.target import Account
from breakglass.trust import kit
from breakglass.trust.chain import Chain
from breakglass.trust.roster import Roster
from breakglass.trust.signature import verify
from breakglass.trust.statement import Kind, Signed, Statement
from breakglass.vault import keys, kit_box, passwords
from breakglass.vault.answers import KitCopy
from breakglass.vault.asking import Placed, Purpose
from breakglass.vault.deposits import open_deposited
from breakglass.vault.evidence import Evidence
from breakglass.vault.files import read_file
from breakglass.vault.grants import Grants
from breakglass.vault.judge import APPROVALS_MAX, LogView, must_know_the_log
from breakglass.vault.making import SEAL_FILE

CANARY_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"


class Kits(Grants):
    def make_kit(
        self, statements: Sequence[Signed], stored: Sequence[Placed], evidence: Evidence
    ) -> tuple[KitCopy, ...]:
        """The copies of the kit that custodians signed for. `stored`: the current credential of each of its accounts.

        Raises as `judge_kit`, and `Replayed`, `NotEntitled`, `Tampered`, `Unavailable`."""
        with self._opened() as opened:
            chain, now = opened.loaded(), opened.now()
            subject = kit.subject(chain.head.deployment)
            entry = opened.release(evidence, subject, now)
            found = judge_kit(chain, statements, stored, now=now, log=opened.log_view(entry.size))
            facts = found[0].facts
            entry.must_say(purpose=Purpose.KIT, number=facts["number"], accounts=facts["accounts"])
            opened.must_be_new(tuple(found))
            state = opened.with_used(entry)
            nonces = {**state.nonces, **{one.nonce: one.not_after for one in found}}
            taken = [(chain.head.account(one.account), open_deposited(opened, one)) for one in stored]
            try:
                opened.commit(replace(state, nonces=nonces), relied_on=entry.size)
                public = {"seal": _text(self._folder / SEAL_FILE), "keys": _text(self._folder / keys.FILE)}
                return tuple(
                    _copy(chain.head, taken, facts, number, now, public, opened.keyring.backup, opened.keyring.grant)
                    for number in range(1, int(facts["copies"]) + 1)
                )
            finally:
                for _, secret in taken:
                    secret.wipe()


def judge_kit(
    chain: Chain, statements: Sequence[Signed], stored: Sequence[Placed], *, now: datetime, log: LogView
) -> list[Statement]:
    """The statements, when enough custodians say the same, and it is just what the roster chooses and what is brought.

    Raises as `trust.signature.verify`, and `Forbidden`, `NotEntitled`, `Malformed`, `Tampered`."""
    roster = chain.head
    subject = kit.subject(roster.deployment)
    if not 0 < len(statements) <= APPROVALS_MAX:
        raise _no("The custodians' statements are missing.", subject)
    found = [verify(one, roster, kind=Kind.KIT, subject=subject, now=now, known=chain.hashes) for one in statements]
    for statement in found:
        must_know_the_log(statement, log)
        if Role.CUSTODIAN not in roster.people[statement.person].roles:
            raise Forbidden("Only custodians have kits made.", what_to_do="Ask a custodian.", about=subject)
        if statement.facts != found[0].facts:
            raise _no("The custodians' statements do not say the same.", subject)
    if len({statement.person for statement in found}) < kit.needs(roster, now):
        raise _no("Another custodian must sign the same.", subject)
    facts = found[0].facts
    versions = kit.read_accounts(facts["accounts"])
    if sorted(versions) != kit.chosen(roster):
        raise _no("The roster chooses other accounts for the kit.", subject)
    if {one.account: one.deposited.version for one in stored} != versions or len(stored) != len(versions):
        raise _no("What is brought is not what the custodians signed for.", subject)
    if facts["copies"] not in map(str, range(1, kit.COPIES_MAX + 1)) or not facts["number"].isdecimal():
        raise _no(f"A kit has a number, and 1 to {kit.COPIES_MAX} copies.", subject)
    return found


def _copy(
    roster: Roster,
    taken: Sequence[tuple[Account, Secret]],
    facts: Mapping[str, str],
    number: int,
    now: datetime,
    public: Mapping[str, str],
    backup: bytes,
    signer: keys.NoteKey,
) -> KitCopy:
    canary = f"svc-{''.join(secrets.choice(CANARY_LETTERS) for _ in range(8))}"
    header: dict[str, str | int] = {
        "deployment": roster.deployment,
        "origin": roster.origin,
        "number": int(facts["number"]),
        "copy": number,
        "made_at": instant.write(now.replace(microsecond=0)),
        "due_at": instant.write((now + kit.LASTS).replace(microsecond=0)),
        "roster": f"{roster.version} {roster.hash}",
        **public,
    }
    with passwords.fresh(taken[0][0].password) as tripwire:
        entries = [_account(roster, account, account.username, secret) for account, secret in taken]
        entries.append(_account(roster, taken[0][0], canary, tripwire))
    entries.sort(key=lambda one: (one["target"], one["username"]))
    conditions = roster.conditions.values()
    content = {
        "accounts": entries,
        "playbooks": [{"title": one.title, "playbook": one.playbook} for one in conditions],
        "people": [{"name": one.name, "department": one.department} for one in roster.people.values()],
    }
    text = Secret(bytearray(json.dumps(content, ensure_ascii=False).encode()))
    return KitCopy(number=number, canary=canary, data=kit_box.write(header, text, backup, signer))


def _account(roster: Roster, account: Account, username: str, secret: Secret) -> dict[str, str | int]:
    """One login as the kit tells it. (The canary is a login like the others: who reads the stick can't tell.)"""
    target, endpoint = roster.target(account.target), roster.endpoint_of(account)
    return {
        "target": target.name,
        "environment": target.environment.value,
        "protocol": endpoint.protocol.value,
        "host": endpoint.host,
        "port": endpoint.port,
        "host_key": endpoint.host_key,
        "username": username,
        "scenario": account.scenario,
        "kind": account.secret.value,
        "secret": b64encode(secret.reveal()).decode(),
    }


def _text(path: Path) -> str:
    return read_file(path).decode()


def _no(message: str, about: str) -> NotEntitled:
    return NotEntitled(message, what_to_do="Two custodians sign the same fresh statement.", about=about)
