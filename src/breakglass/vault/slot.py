"""What every slot of the seal has: it is bound to its kind, its deployment and all of its public part."""

from breakglass.errors import Tampered
from breakglass.vault.box import KEY_BYTES, OVERHEAD, bind

WRAPPED_BYTES = KEY_BYTES + OVERHEAD


def bound(kind: str, deployment: str, *public: str | bytes) -> bytes:
    """Additional data of the box in which a slot holds the root key."""
    return bind("breakglass seal slot", kind, deployment, *public)


def changed() -> Tampered:
    return Tampered(
        "A seal slot was changed, or belongs to another deployment.",
        what_to_do="Restore the seal file from a backup or use another slot; call the custodians and the auditors.",
    )
