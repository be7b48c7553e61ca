"""Founding a deployment: the vault is made, its custodians sign the first roster, and the log begins with it.

    begin   vault + shares, roster 0 and one statement for each custodian     (HOME/founding/)
              │  each custodian: ssh-keygen -Y sign -n breakglass -f KEY HOME/founding/LOGIN.txt
              ▼
    finish  signatures verified ▶ settings with the roster's hash ▶ the vault pins it ▶ entry 0 of the log

Both are idempotent: what is there is used, nothing is made twice, and a founding that was interrupted goes on.
"""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from breakglass import config
from breakglass.app.vault_process import VaultProcess, VaultSigner
from breakglass.audit.log import Log
from breakglass.config import Home, Settings, database_url
from breakglass.errors import Malformed, NotEntitled, Sealed, WrongState
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
from breakglass.trust.statement import Kind, Signed, Statement
from breakglass.trust.tree import EMPTY_ROOT
from breakglass.vault.making import make

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
    home: Home, estate: Mapping[str, Any], *, origin: str, k: int, n: int, key_file: Path | None, alone: bool = False
) -> Begun:
    """Make the vault and the founding roster. Raises `WrongState` when this folder was founded before."""
    if home.settings.exists():
        raise WrongState(f"{home.path} is founded already.", what_to_do="Start it with `breakglass serve`.")
    home.make()
    home.founding.mkdir(mode=0o700, exist_ok=True)
    document = home.founding / ROSTER_FILE
    if document.exists() and home.vault.exists():
        return Begun(roster=parse(document.read_bytes()), shares=(), to_sign=_unsigned(home))
    now = datetime.now(UTC).replace(microsecond=0)
    deployment = f"dep_{secrets.token_hex(6)}"
    # The estate is judged with stand-in keys first, so that a mistake in it leaves no vault behind.
    trial = {"log": "-", "grant": "-", "recording": "-"}
    must_be_usable(parse(drafting.founding(estate, deployment=deployment, origin=origin, keys=trial, at=now)), now)
    made = make(home.vault, deployment, origin, k=k, n=n, key_file=key_file, alone=alone)
    keys = {"log": made.public.log, "grant": made.public.grant, "recording": made.public.recording}
    data = drafting.founding(estate, deployment=deployment, origin=origin, keys=keys, at=now)
    roster = parse(data)
    for person in roster.people.values():
        if Role.CUSTODIAN in person.roles:
            (home.founding / f"{person.login}.txt").write_text(_statement(roster, person.id, now).text())
    document.write_bytes(data)
    return Begun(roster=roster, shares=made.shares, to_sign=_unsigned(home))


async def finish(home: Home, *, settings: Mapping[str, Any], shares: tuple[str, ...] = ()) -> Settings:
    """Verify the custodians' signatures and begin the log. `shares` unseal a vault that has no local slot.

    Raises `NotEntitled` naming who has not signed, `Sealed` when shares are missing."""
    if home.settings.exists():
        return config.read(home)
    if not (home.founding / ROSTER_FILE).exists():
        raise WrongState("Nothing is founded here yet.", what_to_do="Begin with `breakglass init --estate FILE`.")
    unsigned = _unsigned(home)
    if unsigned:
        raise NotEntitled(
            f"These custodians have not signed the founding roster: {', '.join(sorted(unsigned))}.",
            what_to_do="Each runs: ssh-keygen -Y sign -n breakglass -f THEIR_KEY "
            f"{next(iter(unsigned.values()))}; then run `breakglass init` again.",
        )
    version = _version(home)
    roster = parse(version.document)
    chains.found(version, roster.hash)
    made = Settings(deployment=roster.deployment, origin=roster.origin, roster_pin=roster.hash, **settings)
    vault = VaultProcess(home, made.key_file)
    await vault.start()
    store = Store(database_url(home, made), log := Log(VaultSigner(vault.client)), CONSEQUENCES, SystemClock())
    try:
        for share in shares:
            vault.client.unseal_share(Secret(share.encode()))
        if vault.client.status().sealed:
            raise Sealed(
                "The vault is sealed.", what_to_do="Enter the custodians' shares: `breakglass init` asks for them."
            )
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


def _statement(roster: Roster, person: str, now: datetime) -> Statement:
    return Statement(
        kind=Kind.ROSTER,
        deployment=roster.deployment,
        subject=chains.subject(roster),
        person=person,
        key=roster.people[person].keys[0].fingerprint,
        roster_version=0,
        roster_hash=roster.hash,
        log_size=0,
        log_root=b64encode(EMPTY_ROOT).decode(),
        nonce=secrets.token_hex(16),
        not_after=now.replace(year=now.year + SIGN_WITHIN_YEARS, day=1),
        facts={"next": chains.next_line(roster), "changes": "the founding roster"},
    )


def _unsigned(home: Home) -> dict[str, Path]:
    texts = sorted(home.founding.glob("*.txt"))
    return {path.stem: path for path in texts if not path.with_name(f"{path.name}.sig").exists()}


def _version(home: Home) -> Version:
    statements = []
    for path in sorted(home.founding.glob("*.txt")):
        signature = path.with_name(f"{path.name}.sig").read_text()
        if len(signature) > 20_000:
            raise Malformed(f"{path.name}.sig is no signature.", what_to_do="Sign again with ssh-keygen -Y sign.")
        statements.append(Signed(path.read_text(), signature))
    return Version((home.founding / ROSTER_FILE).read_bytes(), tuple(statements))


def _founded(look: Read) -> bool:
    return bool(rosters.versions(look))
