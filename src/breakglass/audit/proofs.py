"""What a rotation says that it observed, against what the log tells of it.

    rotation.login_tried (each login, before it) ─▶ rotation.verified (the proof) ─▶ rotation.done (the same proof)
    target.looked (each look of before) ────────────────────────────────────────────▶ rotation.done (looks compared)

Both logins of a proof were made since the candidate was sent last; the new one is the candidate, the old one what was
current. A target that was restored from a backup has an older password: then the old one is that, and what was current
was tried in this rotation, too. Logs from before proofs were kept have none: only the order of their states is known.
"""

from breakglass.audit.event import Event
from breakglass.errors import Malformed, Tampered
from breakglass.model import proof as proofs
from breakglass.model.proof import Proof

_CALL = "Keep the log as it is, and call the auditors."


class Proofs:
    def __init__(self, *, whole: bool) -> None:
        """`whole`: every entry of the log comes by, so that what is current is known."""
        self._whole = whole
        self._tried: dict[str, dict[str, int]] = {}
        """Rotation -> credential -> version, of the logins since the candidate was sent last."""
        self._asked: dict[str, set[str]] = {}
        """Rotation -> credentials that it tried at all."""
        self._proven: dict[str, str] = {}
        self._current: dict[str, str] = {}
        self._stored: dict[str, set[str]] = {}
        """Account -> every credential that may ever have been set on the target."""
        self._looks: dict[str, set[str]] = {}

    def stored(self, account: str, credential: str) -> None:
        self._current[account] = credential
        self.staged(account, credential)

    def staged(self, account: str, credential: str) -> None:
        self._stored.setdefault(account, set()).add(credential)

    def sent(self, rotation: str) -> None:
        self._tried[rotation] = {}

    def tried(self, event: Event) -> None:
        self._tried.setdefault(event.about, {})[event.text("credential")] = event.number("version")
        self._asked.setdefault(event.about, set()).add(event.text("credential"))

    def looked(self, event: Event) -> None:
        self._looks.setdefault(event.text("account"), set()).add(event.text("traces"))

    def verified(self, event: Event, candidate: str | None) -> None:
        text = str(event.data.get("proof", ""))
        if text:
            self._judge(event, self._read(text), candidate)
        self._proven[event.about] = text

    def done(self, event: Event) -> None:
        if str(event.data.get("proof", "")) != self._proven.pop(event.about, ""):
            raise Tampered("It is done with another proof than the one that was observed.", what_to_do=_CALL)
        before = str(event.data.get("looked_before", ""))
        account = event.text("account")
        if before and self._whole and before not in self._looks.get(account, ()):
            raise Tampered("It compares with a look that the log does not know.", what_to_do=_CALL)
        self._tried.pop(event.about, None)
        self._asked.pop(event.about, None)
        self.stored(account, event.text("credential"))

    def _judge(self, event: Event, proof: Proof, candidate: str | None) -> None:
        if proof.new.credential != candidate:
            raise Tampered("It proves another secret than the one that was to be set.", what_to_do=_CALL)
        tried = self._tried.get(event.about, {})
        for one in (proof.new, *((proof.old,) if proof.old else ())):
            if tried.get(one.credential) != one.version:
                raise Tampered("It proves a login that the log has not been told of.", what_to_do=_CALL)
        if self._whole and not self._replaces(event, proof.old.credential if proof.old else None):
            raise Tampered("It does not prove that what was current is refused.", what_to_do=_CALL)

    def _replaces(self, event: Event, old: str | None) -> bool:
        """Whether `old` is what the target may have had before."""
        account = event.text("account")
        current = self._current.get(account)
        older = old in self._stored.get(account, ()) and current in self._asked.get(event.about, ())
        return old == current or older

    @staticmethod
    def _read(text: str) -> Proof:
        try:
            return proofs.read(text)
        except Malformed as error:
            raise Tampered(error.message, what_to_do=_CALL) from None
