"""Whatever a rotation went through, the log that it wrote must satisfy `audit verify`'s rule on proofs."""

from breakglass.audit.event import Event
from breakglass.audit.proofs import Proofs
from tests.rotation.world import World


def must_be_proven(world: World, *accounts: str) -> None:
    """Raises `Tampered` where an honest engine's log would be called tampered with."""
    proofs = Proofs(whole=True)
    candidates: dict[str, str] = {}
    for stamped in world.log.facts:
        fact = stamped.fact
        if fact.data.get("account") not in accounts:
            continue
        event = Event(fact.kind, stamped.at.isoformat(), stamped.by, fact.about, dict(fact.data))
        match fact.kind:
            case "credential.stored":
                proofs.stored(event.text("account"), event.about)
            case "rotation.staged":
                candidates[event.about] = event.text("credential")
                proofs.staged(event.text("account"), event.text("credential"))
            case "rotation.applying":
                proofs.sent(event.about)
            case "rotation.login_tried":
                proofs.tried(event)
            case "target.looked":
                proofs.looked(event)
            case "rotation.verified":
                proofs.verified(event, candidates.get(event.about))
            case "rotation.done":
                proofs.done(event)
