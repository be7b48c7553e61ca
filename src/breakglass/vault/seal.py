"""The seal: the root key, wrapped once for each way to open it; any one slot opens it alone.

    root key ─┬─ custodians   wrapped by a key that k of n shares make      (always there, never removable)
              ├─ file         wrapped by a key in another file              (starts without people)
              └─ pkcs11       wrapped by way of a key that stays in a token (the same, with hardware)

A slot is bound to its kind, its deployment and all of its public part, so a slot moved from elsewhere or a changed
threshold does not open. The check value tells a wrong root key apart before anything is opened with it. Nothing in a
`Seal` is secret; it is kept as `seal.json` (`seal_json`).
Why the custodians are mandatory: an automatic unseal that dies must never lock the vault (hashicorp/vault#9316).
"""

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, replace

from breakglass.errors import NotFound, Refused, Tampered
from breakglass.model.secret import Secret
from breakglass.vault.box import bind
from breakglass.vault.custodian_slot import CustodianSlot, make_custodian_slot, open_custodian_slot
from breakglass.vault.file_slot import FileSlot, open_file_slot
from breakglass.vault.pkcs11_slot import Pkcs11Slot, open_pkcs11_slot
from breakglass.vault.shares import Share

CHECK_BYTES = 32


class NoCustodians(Refused):
    """A seal that people could not open."""

    code = "no_custodians"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """All slots of one deployment. `check` is what `root_check` gives for the right root key."""

    deployment: str
    check: bytes
    custodians: CustodianSlot
    file: FileSlot | None = None
    pkcs11: Pkcs11Slot | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The slots that there are, in the order in which they are shown."""
        return ("custodians", *(["file"] if self.file else []), *(["pkcs11"] if self.pkcs11 else []))

    def open_by_shares(self, shares: Iterable[Share]) -> Secret:
        """The root key. Raises `WrongShare`, `NotEnoughShares`, `Tampered`."""
        return self.checked(open_custodian_slot(self.custodians, shares, deployment=self.deployment))

    def open_by_file(self, key: Secret) -> Secret:
        """The root key. Raises `NotFound` without a file slot, `Refused` for another file's key, `Tampered`."""
        if self.file is None:
            raise _no_slot("file")
        return self.checked(open_file_slot(self.file, key, deployment=self.deployment))

    def open_by_token(self, key: Secret) -> Secret:
        """The root key; `key` is what the token made of the slot's. Raises `NotFound` without that slot, `Tampered`."""
        if self.pkcs11 is None:
            raise _no_slot("pkcs11")
        return self.checked(open_pkcs11_slot(self.pkcs11, key, deployment=self.deployment))

    def with_custodians(self, slot: CustodianSlot) -> "Seal":
        """The seal with another custodians' slot. It holds once shares of the *new* set have opened it (rekeying)."""
        return replace(self, custodians=slot)

    def checked(self, root: Secret) -> Secret:
        """This root key, once it is known to be the right one. Raises `Tampered`; then it is wiped."""
        if hmac.compare_digest(root_check(root, self.deployment), self.check):
            return root
        root.wipe()
        raise Tampered(
            "The slot opened, but to another root key than this vault's.",
            what_to_do="Somebody replaced a slot. Restore the seal file from a backup; "
            "call the custodians and the auditors.",
            about=self.deployment,
        )


def new_seal(root: Secret, deployment: str, k: int, n: int, *, alone: bool = False) -> tuple[Seal, tuple[Share, ...]]:
    """A seal with its custodians' slot, and the shares to hand out."""
    slot, shares = make_custodian_slot(root, k, n, deployment=deployment, alone=alone)
    return Seal(deployment=deployment, check=root_check(root, deployment), custodians=slot), shares


def root_check(root: Secret, deployment: str) -> bytes:
    """HMAC-SHA-256 under the root key: tells nothing about it, and fits no other."""
    return hmac.digest(root.reveal(), bind("breakglass root check", deployment), "sha256")


def _no_slot(kind: str) -> NotFound:
    return NotFound(f"This seal has no {kind} slot.", what_to_do="Unseal with the custodians' shares.")
