"""Who gains and loses what by a change of the estate: nothing that matters to anybody may be missing from it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from breakglass.model.target import TargetId
from breakglass.trust import drafting
from breakglass.trust.roster import parse
from breakglass.views.proposals import gains
from tests.kit import FOUNDED, START, Person, Town, estate

Change = Callable[[dict[str, Any]], None]


def role(one: dict[str, Any]) -> None:
    one["people"]["usr_eve"]["roles"] = ["approver", "auditor"]


def group(one: dict[str, Any]) -> None:
    one["people"]["usr_bo"]["groups"] = ["responders", "security"]


def key(one: dict[str, Any]) -> None:
    one["people"]["usr_bo"]["keys"].append({"label": "new", "public": Person("other").public})


def expiry(one: dict[str, Any]) -> None:
    one["people"]["usr_bo"]["expires_at"] = "2027-01-01T00:00:00Z"


def person(one: dict[str, Any]) -> None:
    del one["people"]["usr_eve"]


def host(one: dict[str, Any]) -> None:
    one["targets"]["tgt_db1"]["host"] = "evil.example.test"


def pin(one: dict[str, Any]) -> None:
    one["targets"]["tgt_db1"]["host_key"] = Person("evil").public


def quorum(one: dict[str, Any]) -> None:
    one["policies"]["pol_dual"]["quorum"] = [{"group": "responders", "count": 1}]


def longer(one: dict[str, Any]) -> None:
    one["policies"]["pol_dual"]["max_seconds"] = 24 * 3600


def changers(one: dict[str, Any]) -> None:
    one["changes"] = [{"group": "security", "count": 2}]


TOLD: list[tuple[Change, str, str]] = [
    (role, "eve", "+the role auditor"),
    (group, "bo", "+the group security"),
    (key, "bo", "+the key “new”"),
    (expiry, "bo", "+a place until 2027-01-01"),
    (person, "eve", "-the role approver"),
    (host, "alice", "+asking for root on db1 at ssh://evil.example.test:22"),
    (host, "dana", "+approving access to root on db1 at ssh://evil.example.test:22"),
    (pin, "dana", "-approving access to root on db1"),
    (quorum, "alice", "+asking for root on db1"),
    (quorum, "eve", "-approving access to root on db1"),
    (longer, "alice", "access for up to 24 hours"),
    (changers, "carol", "-a signature that counts for changes of the estate"),
    (changers, "eve", "+a signature that counts for changes of the estate"),
]


async def test_whatever_changes_is_told(tmp_path: Path) -> None:
    async with Town.found(tmp_path, password="") as town:
        before = town.estate.roster
        pinned = before.targets[TargetId("tgt_db1")].endpoint.host_key
        for change, who, words in TOLD:
            changed = estate(town.people)
            for target in changed["targets"].values():
                target["host_key"] = pinned
            assert gains(before, parse(drafting.following(changed, before, at=FOUNDED))) == ()
            change(changed)
            after = parse(drafting.following(changed, before, at=START))
            told = {
                one.who.login: [*(f"+{word}" for word in one.gains), *(f"-{word}" for word in one.loses)]
                for one in gains(before, after)
            }
            assert any(words in word for word in told.get(who, [])), (words, told)
