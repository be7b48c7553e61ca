"""What a request still needs, said so that the people who are left can do it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from breakglass.model.ids import RequestId
from breakglass.model.request import AccessRequest, Approval
from breakglass.views.book import Book
from breakglass.views.requests import _needs
from tests.kit import ACCOUNT, CONDITION, Town


async def test_somebody_in_two_groups_leaves_the_place_that_others_can_fill(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        roster, now = town.estate.roster, town.store.now()
        request = AccessRequest(
            id=RequestId("req_1"),
            by=roster.actor("alice", town.people["alice"].key, now).id,
            key="",
            account=ACCOUNT,
            condition=CONDITION,
            reason="x",
            access_for=timedelta(minutes=5),
            asked_at=now,
            decide_by=now + timedelta(hours=1),
        )

        def needs(people: set[str], *said: str) -> list[tuple[str, int, list[str]]]:
            kept = {id: one for id, one in roster.people.items() if one.login in people}
            book = cast(Book, SimpleNamespace(roster=replace(roster, people=kept)))
            given = [cast(Approval, SimpleNamespace(by=f"usr_{login}")) for login in said]
            found = _needs(book, request, given, now)
            return [(one.group, one.count, [who.login for who in one.people]) for one in found]

        everybody: Any = {"alice", "bo", "dana", "eve"}
        assert needs(everybody) == [("responders", 1, ["bo", "dana"]), ("security", 1, ["dana", "eve"])]
        assert needs(everybody, "dana") == [("security", 1, ["eve"])]
        # Without Eve, Dana's word counts for security: Bo is the one who can complete it.
        assert needs({"alice", "bo", "dana"}, "dana") == [("responders", 1, ["bo"])]
        assert needs({"alice", "dana"}, "dana") == [("security", 1, [])]
        assert needs(everybody, "bo", "dana") == []
