"""The book of names: how views turn ids into people and places. It asks the verified roster in memory, never a table.

People and accounts that have left the estate keep their names: history is read with the versions that knew them.
"""

from collections.abc import Callable, Iterable

from breakglass.model.people import Actor, Person, Role
from breakglass.model.target import Account
from breakglass.trust import custody
from breakglass.trust.chain import Chain
from breakglass.trust.roster import Roster
from breakglass.views import shapes

Connect = Callable[[str], str]
"""From the SSH user name (`alice+db1`) to the whole command."""
_SEE_ALL = frozenset({Role.APPROVER, Role.CUSTODIAN, Role.AUDITOR, Role.ADMINISTRATOR, Role.SYSTEM})


def connect_line(host: str, port: int) -> Connect:
    """The command for a door at `host:port`."""
    return lambda user: f"ssh {user}@{host}" + ("" if port == 22 else f" -p {port}")


def sees_all(viewer: Actor) -> bool:
    """Whether other people's requests, sessions and reviews are shown: whoever is a requester only sees their own."""
    return bool(viewer.roles & _SEE_ALL)


class Book:
    def __init__(self, chain: Chain, connect: Connect) -> None:
        self.chain, self._connect = chain, connect

    @property
    def roster(self) -> Roster:
        return self.chain.head

    def who(self, id: str) -> shapes.Who:
        for roster in reversed(self.chain.rosters):
            if person := roster.people.get(id):
                return named(person)
        return shapes.Who(id=id, login="", name="the system" if id.startswith("sys_") else id)

    def people(self, ids: Iterable[str]) -> tuple[shapes.Who, ...]:
        return tuple(self.who(id) for id in ids)

    def place(self, id: str) -> shapes.Place:
        for roster in reversed(self.chain.rosters):
            if account := roster.accounts.get(id):
                target = roster.targets[account.target]
                return shapes.Place(
                    account=id,
                    name=account.name,
                    username=account.username,
                    target=target.name,
                    environment=target.environment.value,
                    endpoint=str(target.endpoint),
                )
        return shapes.Place(account=id, name=id, username="", target="", environment="", endpoint="")

    def item(self, id: str) -> str:
        """A custody item's name."""
        found = custody.item_of(self.chain, id)
        return found.name if found else id

    def condition(self, id: str) -> tuple[str, str]:
        """Title and playbook."""
        for roster in reversed(self.chain.rosters):
            if found := roster.conditions.get(id):
                return found.title, found.playbook
        return id, ""

    def connect(self, person: str, account: str) -> str:
        """The line that this person types to reach this account; empty when the estate has one of them no more."""
        found, who = self.roster.accounts.get(account), self.roster.people.get(person)
        return self._connect(f"{who.login}+{self.short(found)}") if found and who else ""

    def short(self, account: Account) -> str:
        """`db1`, or `root+db1` where the target has several accounts: what is typed after the login and a `+`."""
        target = self.roster.targets[account.target].name
        alone = sum(other.target == account.target for other in self.roster.accounts.values()) == 1
        return target if alone else f"{account.name}+{target}"


def named(person: Person) -> shapes.Who:
    return shapes.Who(id=person.id, login=person.login, name=person.name)
