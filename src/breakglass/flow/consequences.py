"""What must follow from which fact: the whole table. The writer turns it into duties, so that no step can forget one.

alert   people are told            grant  the vault opens the grant
ticket  the ticket gets a line     void   the vault forgets the grant
rotate  the engine is woken        clock  the vault judges whether enough custodians confirm the time
"""

CONSEQUENCES: dict[str, tuple[str, ...]] = {
    "request.made": ("alert", "ticket"),
    "request.approval": ("alert", "ticket"),
    "request.approved": ("grant", "alert", "ticket"),
    "request.denied": ("alert", "ticket"),
    "request.cancelled": ("alert", "ticket"),
    "request.expired": ("alert", "ticket"),
    "grant.refused": ("alert", "ticket"),
    "grant.opened": ("alert", "ticket"),
    "grant.closed": ("void", "alert", "ticket"),
    "grant.revoked": ("void", "alert", "ticket"),
    "grant.expired": ("void", "alert", "ticket"),
    "secret.release": ("alert", "ticket"),
    "session.started": ("alert", "ticket"),
    "session.alarm": ("alert", "ticket"),
    "session.ended": ("alert", "ticket"),
    "recording.truncated": ("alert",),
    "rotation.done": ("alert", "ticket"),
    "rotation.refused": ("alert", "ticket"),
    "rotation.unknown": ("alert",),
    "rotation.reconcile": ("alert", "ticket"),
    "rotation.put_off": ("alert",),
    "review.opened": ("alert", "ticket"),
    "review.signed": ("alert", "ticket"),
    "roster.proposed": ("alert",),
    "roster.adopted": ("alert",),
    "credential.stored": ("alert",),
    "clock.went_back": ("alert",),
    "clock.signed": ("clock", "alert"),
    "clock.refused": ("alert",),
    "clock.confirmed": ("alert",),
    "sign_in.held": ("alert",),
    "password.set": ("alert",),
    "password.removed": ("alert",),
    "recovery_code.used": ("alert",),
    "erasure.signed": ("alert",),
    "erasure.done": ("alert",),
    "siem.waits": ("alert",),
    "duty.dead": ("alert",),
    "vault.tampered": ("alert",),
}
