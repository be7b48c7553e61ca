"""A WebSocket's ticket: one use, thirty seconds, one grant."""

import pytest

from breakglass.errors import Expired
from breakglass.http.tickets import KEPT, LASTS, Tickets
from breakglass.model.ids import UserId
from breakglass.model.people import Actor, Role

ALICE = Actor(id=UserId("usr_alice"), roles=frozenset({Role.REQUESTER}), key="SHA256:a", sign_in="sgn_1")


class Watch:
    at = 100.0

    def __call__(self) -> float:
        return self.at


def test_one_use() -> None:
    tickets = Tickets(Watch())
    ticket = tickets.issue(ALICE, "grt_1")
    assert len(ticket) == 43
    assert tickets.take(ticket, "grt_1") == ALICE
    with pytest.raises(Expired):
        tickets.take(ticket, "grt_1")


def test_one_grant_and_a_wrong_one_uses_it_up() -> None:
    tickets = Tickets(Watch())
    ticket = tickets.issue(ALICE, "grt_1")
    with pytest.raises(Expired):
        tickets.take(ticket, "grt_2")
    with pytest.raises(Expired):
        tickets.take(ticket, "grt_1")


@pytest.mark.parametrize(("later", "holds"), [(LASTS - 0.01, True), (LASTS, False), (LASTS + 99, False)])
def test_thirty_seconds(later: float, holds: bool) -> None:
    watch = Watch()
    tickets = Tickets(watch)
    ticket = tickets.issue(ALICE, "grt_1")
    watch.at += later
    if holds:
        assert tickets.take(ticket, "grt_1") == ALICE
    else:
        with pytest.raises(Expired):
            tickets.take(ticket, "grt_1")


@pytest.mark.parametrize("typed", ["", "x", "x" * 10_000, "\ud800", "é" * 43])
def test_what_was_never_given_out(typed: str) -> None:
    tickets = Tickets(Watch())
    tickets.issue(ALICE, "grt_1")
    with pytest.raises(Expired):
        tickets.take(typed, "grt_1")


def test_a_revoked_sign_in_has_none_left() -> None:
    tickets = Tickets(Watch())
    ticket = tickets.issue(ALICE, "grt_1")
    tickets.forget("sgn_2")
    tickets.forget("sgn_1")
    with pytest.raises(Expired):
        tickets.take(ticket, "grt_1")


def test_their_number_is_bounded() -> None:
    tickets = Tickets(Watch())
    first = tickets.issue(ALICE, "grt_1")
    last = [tickets.issue(ALICE, "grt_1") for _ in range(KEPT)][-1]
    assert tickets.take(last, "grt_1") == ALICE
    with pytest.raises(Expired):
        tickets.take(first, "grt_1")
