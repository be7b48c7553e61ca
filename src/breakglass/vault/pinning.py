"""The roster, as far as the vault believes it: from the pinned founding hash on, never back behind the pinned head.

make ──first call, with the hash──▶ founding pinned ──each load──▶ head pinned, always further
"""

from collections.abc import Sequence
from dataclasses import replace

from breakglass.errors import Malformed, Tampered, WrongState
from breakglass.trust import chain as chains
from breakglass.trust import roster as rosters
from breakglass.trust.chain import Chain, Version
from breakglass.vault.opened import Opened
from breakglass.vault.state import State

_ALARM = "Stop. Somebody shows the vault another roster: call the custodians and the auditors."


def judge_roster(opened: Opened, versions: Sequence[Version], found_pin: str | None) -> tuple[Chain, State]:
    """The verified chain and the state that pins its head.

    Raises `Tampered` for another founding roster, a head behind or beside the pinned one, and other keys than this
    vault's; `NotEntitled` for missing signatures; `WrongState` without a pin; `Malformed`.
    """
    state = opened.state
    if not versions:
        raise Malformed("There is no roster in this call.", what_to_do="Send all versions from 0 on.")
    if not state.founding and found_pin is None:
        raise WrongState(
            "No founding roster is pinned yet.", what_to_do="Finish `breakglass init`: it shows the vault version 0."
        )
    if state.founding and found_pin not in (None, state.founding):
        raise Tampered("Another founding roster is pinned already.", what_to_do=_ALARM)
    pin = state.founding or found_pin or ""
    first = rosters.parse(versions[0].document).version
    if first > 0 and opened.chain is None:
        raise Malformed("The roster does not begin with version 0.", what_to_do="Send all versions from 0 on.")
    chain = chains.extend(opened.chain if first > 0 else None, pin, versions)
    head, public = chain.head, opened.keyring.public
    if (head.deployment, head.origin) != (state.deployment, state.origin):
        raise Tampered("The roster is of another deployment or log.", what_to_do=_ALARM)
    if (head.keys.log, head.keys.grant, head.keys.recording) != (public.log, public.grant, public.recording):
        raise Tampered("The roster names other keys than this vault's.", what_to_do=_ALARM)
    if state.roster >= 0 and (head.version < state.roster or chain.hashes[state.roster] != state.roster_hash):
        raise Tampered(
            f"This roster ends at version {head.version} or took another way; the vault has seen {state.roster}.",
            what_to_do=_ALARM,
        )
    return chain, replace(state, founding=pin, roster=head.version, roster_hash=head.hash)
