"""A deposited credential and the place that its envelope is bound to."""

from breakglass.errors import Malformed
from breakglass.model.ids import checked
from breakglass.model.secret import Secret
from breakglass.vault import envelope
from breakglass.vault.asking import Placed
from breakglass.vault.envelope import Bound
from breakglass.vault.opened import Opened


def bound(account: str, credential: str, version: int) -> Bound:
    """Raises `Malformed` for names and numbers that no credential has."""
    checked("acc", account)
    checked("crd", credential)
    if not 0 < version < 2**63:
        raise Malformed(f"A credential has no version {version}.", what_to_do="Versions count from 1.")
    # The account is part of the name: a row can't be handed to another account, whose place somebody controls.
    return Bound(table="credential", record=f"{account}/{credential}", version=version, purpose="login")


def open_deposited(opened: Opened, one: Placed) -> Secret:
    """Raises `Tampered` where it is not what the vault sealed there."""
    place = bound(one.account, one.deposited.credential, one.deposited.version)
    return envelope.open(one.deposited.blob, place, opened.keyring.keks)
