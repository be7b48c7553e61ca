"""An entry of the log with what is known around it, and what is said of it."""

from collections.abc import Callable
from dataclasses import dataclass

from breakglass.codec.lines import clean
from breakglass.errors import Malformed
from breakglass.model.people import SYSTEM
from breakglass.model.request import AccessRequest
from breakglass.plugin_api.notifier import Severity
from breakglass.storage.outbox import Told
from breakglass.trust.roster import Roster
from breakglass.trust.statement import Statement, parse

INFO, WARNING, CRITICAL = Severity.INFO, Severity.WARNING, Severity.CRITICAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    title: str
    """What happened, in one line."""
    body: str
    """Details, and what to do; may have several lines, or be empty."""
    severity: Severity


@dataclass(frozen=True, slots=True)
class Scene:
    """An entry, with what is known around it: the roster, and the request in whose story it stands."""

    told: Told
    roster: Roster
    request: AccessRequest | None

    @property
    def who(self) -> str:
        """The person who did it."""
        return self.person(self.told.by)

    def person(self, id: str) -> str:
        if id == SYSTEM.id:
            return "Breakglass"
        known = self.roster.people.get(id)
        return clean(known.name) if known else id

    def statement(self, name: str = "statement") -> Statement | None:
        """A statement that the entry holds."""
        try:
            return parse(str(self.told.data.get(name, "")))
        except Malformed:
            return None

    @property
    def signer(self) -> str:
        """Who signed the statement that the entry holds: it counts for them, whoever brought it."""
        found = self.statement()
        return self.person(found.person) if found else self.who

    def moment(self, name: str) -> str:
        """An instant that the entry holds, to the minute."""
        text = self.text(name)
        return f"{text[:10]} {text[11:16]} UTC"

    def said(self, line: str, name: str = "statement") -> str:
        """A line of a statement that the entry holds."""
        found = self.statement(name)
        return clean(found.facts.get(line, "")) if found else ""

    @property
    def requester(self) -> str:
        return self.person(self.request.by) if self.request else "somebody"

    @property
    def account(self) -> str:
        """`root on db1`."""
        id = self.text("account") or (self.request.account if self.request else "")
        known = self.roster.accounts.get(id)
        if known is None:
            return id or "an account"
        return f"{known.username} on {self.roster.targets[known.target].name}"

    @property
    def item(self) -> str:
        """The custody item that the entry is about, and where its place is."""
        known = self.roster.custody.get(self.told.about)
        return f"{known.name} ({known.place})" if known else self.told.about

    @property
    def condition(self) -> str:
        id = self.request.condition if self.request else self.text("condition")
        return clean(self.roster.conditions[id].title) if id in self.roster.conditions else id

    def text(self, name: str, longest: int = 500) -> str:
        """A member of the entry's data as one clean line."""
        value = clean(str(self.told.data.get(name, "")))
        return value if len(value) <= longest else f"{value[: longest - 1]}…"


Words = Callable[[Scene], Sentence | None]


def say(title: str, body: str = "", severity: Severity = INFO) -> Sentence:
    return Sentence(title=title, body=body, severity=severity)
