"""Founding a deployment: the vault is made, its custodians sign the first roster, and the log begins with it.

    begin   vault + shares, roster 0 and one statement for each custodian     (HOME/founding/)
              │  each custodian: ssh-keygen -Y sign -n breakglass -f KEY HOME/founding/LOGIN.txt
              ▼
    finish  signatures verified ▶ settings with the roster's hash ▶ the vault pins it ▶ entry 0 of the log

Both are idempotent: what is there is used, nothing is made twice, and a founding that was interrupted goes on.
"""

import asyncio
import secrets
import shutil
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from breakglass import config
from breakglass.app.vault_process import VaultProcess, VaultSigner
from breakglass.audit.log import Log
from breakglass.config import Home, Settings, database_url
from breakglass.errors import BadSignature, BreakglassError, Malformed, NotEntitled, Refused, Sealed, WrongState
from breakglass.flow import roster as flow
from breakglass.flow.consequences import CONSEQUENCES
from breakglass.model.people import SYSTEM, Role
from breakglass.model.secret import Secret
from breakglass.storage import migrate, rosters
from breakglass.storage.store import Store, SystemClock
from breakglass.storage.work import Read
from breakglass.trust import chain as chains
from breakglass.trust import drafting
from breakglass.trust.chain import Version
from breakglass.trust.posture import must_be_usable
from breakglass.trust.roster import Roster, parse
from breakglass.trust.signature import check_signature
from breakglass.trust.statement import Kind, Signed, Statement
from breakglass.trust.tree import EMPTY_ROOT
from breakglass.vault import seal_json
from breakglass.vault.client import VaultClient
from breakglass.vault.making import SEAL_FILE, make

ROSTER_FILE = "roster-0.json"
SIGN_WITHIN_YEARS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    roster: Roster
    shares: tuple[str, ...] = field(repr=False)
    """To be shown once, one to each custodian; empty when the vault was made before."""
    to_sign: Mapping[str, Path]
    """Login of each custodian who has not signed -> the file that they sign."""


def begin(
    home: Home,
    estate: Mapping[str, Any],
    *,
    origin: str,
    k: int,
    n: int,
    key_file: Path | None,
    alone: bool = False,
    keep_shares: Callable[[Sequence[str]], object] = id,
) -> Begun:
    """Make the vault and the founding roster. `keep_shares` is given the shares before anything depends on them; when
    it raises, nothing is left. Raises `WrongState` when this folder was founded before."""
    document = home.founding / ROSTER_FILE
    if begun(home):
        return Begun(roster=parse(document.read_bytes()), shares=(), to_sign=unsigned(home))
    home.make()
    home.founding.mkdir(mode=0o700, exist_ok=True)
    now = datetime.now(UTC).replace(microsecond=0)
    deployment = f"dep_{secrets.token_hex(6)}"
    # The estate is judged with stand-in keys first, so that a mistake in it leaves no vault behind.
    trial = {"log": "-", "grant": "-", "recording": "-"}
    tried = parse(drafting.founding(estate, deployment=deployment, origin=origin, keys=trial, at=now))
    must_be_usable(tried, now)
    _custodians_must_have_ssh_keys(tried)
    made = make(home.vault, deployment, origin, k=k, n=n, key_file=key_file, alone=alone)
    try:
        keep_shares(made.shares)
    except BaseException:
        shutil.rmtree(home.vault, ignore_errors=True)
        if key_file is not None:
            key_file.unlink(missing_ok=True)
        raise
    keys = {"log": made.public.log, "grant": made.public.grant, "recording": made.public.recording}
    data = drafting.founding(estate, deployment=deployment, origin=origin, keys=keys, at=now)
    roster = parse(data)
    for person in roster.people.values():
        if Role.CUSTODIAN in person.roles:
            (home.founding / f"{person.login}.txt").write_text(_statement(roster, person.id, now).text())
    fresh = document.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.replace(document)
    return Begun(roster=roster, shares=made.shares, to_sign=unsigned(home))


def begun(home: Home) -> bool:
    """Whether there is a founding to go on with. Raises `WrongState` when it is done already, or was cut short."""
    if home.settings.exists():
        raise WrongState(f"{home.path} is founded already.", what_to_do="Start it with `breakglass serve`.")
    there = (home.founding / ROSTER_FILE).exists(), home.vault.exists()
    if there[0] != there[1]:
        raise WrongState(
            f"A founding in {home.path} was cut short before anything depended on it.",
            what_to_do=f"Remove {home.vault} and {home.founding} (and the key file), and begin again.",
        )
    return there[0]


def shares_needed(home: Home) -> int:
    """How many shares open the vault that was begun; 0 when a key file does."""
    sealed = seal_json.from_json((home.vault / SEAL_FILE).read_text())
    return 0 if sealed.file is not None else sealed.custodians.public.k


async def finish(home: Home, *, settings: Mapping[str, Any], shares: tuple[str, ...] = ()) -> Settings:
    """Verify the custodians' signatures and begin the log. `shares` unseal a vault that has no local slot.

    Raises `NotEntitled` naming who has not signed, `Sealed` when shares are missing."""
    if home.settings.exists():
        return config.read(home)
    if not (home.founding / ROSTER_FILE).exists():
        raise WrongState("Nothing is founded here yet.", what_to_do="Begin with `breakglass init --estate FILE`.")
    if missing := unsigned(home):
        raise NotEntitled(
            f"These custodians have not signed the founding roster: {', '.join(sorted(missing))}.",
            what_to_do=f"Each runs: {_sign_line(next(iter(missing.values())))}; then run `breakglass init` again.",
        )
    version = _version(home)
    roster = parse(version.document)
    chains.found(version, roster.hash)
    made = Settings(deployment=roster.deployment, origin=roster.origin, roster_pin=roster.hash, **settings)
    vault = VaultProcess(home, made)
    await vault.start()
    store = Store(database_url(home, made), log := Log(VaultSigner(vault.client)), CONSEQUENCES, SystemClock())
    try:
        _unseal(vault.client, shares)
        vault.client.load_roster([version], roster.hash)
        await asyncio.to_thread(migrate.upgrade, store.engine)
        with store.engine.begin() as conn:
            log.open(conn, asyncio.get_running_loop())
        store.start()
        try:
            if not await store.read(_founded):
                await store.run(SYSTEM, flow.found, roster, version)
        finally:
            await asyncio.to_thread(store.stop)
    finally:
        vault.stop()
    config.write(home, made)
    return made


def _unseal(vault: VaultClient, shares: Sequence[str]) -> None:
    """Raises what the vault finds wrong with a share, saying which of those that were entered it is."""
    for number, share in enumerate(shares, 1):
        if not vault.status().sealed:
            break
        try:
            vault.unseal_share(Secret(share.encode()))
        except BreakglassError as error:
            error.message = f"The share that was entered as number {number}: {error.message}"
            raise
    status = vault.status()
    if status.sealed:
        have = f"{len(status.shares.entered)} of {status.shares.k} shares were entered"
        raise Sealed(
            f"The vault is sealed: {have}.{f' {status.problem}' if status.problem else ''}",
            what_to_do="Enter the custodians' shares: `breakglass init` asks for them, or `--share-file` names them.",
        )


def _custodians_must_have_ssh_keys(roster: Roster) -> None:
    """There is no page yet on which a passkey could sign version 0."""
    for person in roster.people.values():
        if Role.CUSTODIAN in person.roles and all(key.passkey for key in person.keys):
            raise Malformed(
                f"The founding custodian {person.name} has no SSH key.",
                what_to_do="Give them one, beside the passkey: the founding roster is signed with `ssh-keygen`.",
            )


def _statement(roster: Roster, person: str, now: datetime) -> Statement:
    return Statement(
        kind=Kind.ROSTER,
        deployment=roster.deployment,
        subject=chains.subject(roster),
        person=person,
        key=next(key.fingerprint for key in roster.people[person].keys if key.passkey is None),
        roster_version=0,
        roster_hash=roster.hash,
        log_size=0,
        log_root=b64encode(EMPTY_ROOT).decode(),
        nonce=secrets.token_hex(16),
        not_after=now.replace(year=now.year + SIGN_WITHIN_YEARS, day=1),
        facts={"next": chains.next_line(roster), "changes": "the founding roster"},
    )


def unsigned(home: Home) -> dict[str, Path]:
    """Login of each custodian who has not signed -> the file that they sign."""
    texts = sorted(home.founding.glob("*.txt"))
    return {path.stem: path for path in texts if not path.with_name(f"{path.name}.sig").exists()}


def _version(home: Home) -> Version:
    document, statements = (home.founding / ROSTER_FILE).read_bytes(), []
    roster = parse(document)
    for path in sorted(home.founding.glob("*.txt")):
        signature = path.with_name(f"{path.name}.sig").read_text(errors="replace")
        signed = Signed(path.read_text(), signature)
        try:
            check_signature(signed, roster)
        except Refused as wrong:
            raise BadSignature(
                f"{path.name}.sig does not hold: {wrong.message}",
                what_to_do=f"Remove it, and {path.stem} signs again: {_sign_line(path)}",
            ) from None
        statements.append(signed)
    return Version(document, tuple(statements))


def _sign_line(path: Path) -> str:
    return f"ssh-keygen -Y sign -n breakglass -f THEIR_KEY {path}"


def _founded(look: Read) -> bool:
    return bool(rosters.versions(look))
