"""Terminals that ask to be signed in: codes, their one use, their time, and caps."""

import pytest

from breakglass.errors import Expired, Forbidden, NotFound, TooMany
from breakglass.http.terminals import ALPHABET, INTERVAL, LASTS, OVERALL, PER_ADDRESS, Given, Terminals

GIVEN = Given(token="t" * 43, login="alice")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def terminals(clock: Clock) -> Terminals:
    return Terminals(clock)


def test_a_token_is_given_once(terminals: Terminals, clock: Clock) -> None:
    device_code, user_code = terminals.begin("10.0.0.1", "Alice's laptop")
    assert set(user_code.replace("-", "")) <= set(ALPHABET)
    assert len(user_code) == 9
    assert terminals.poll(device_code) is None
    asked = terminals.find(f" {user_code.lower().replace('-', ' ')}")
    assert (asked.device, asked.from_address) == ("Alice's laptop", "10.0.0.1")
    terminals.confirm(asked, GIVEN)
    for again in (lambda: terminals.find(user_code), lambda: terminals.confirm(asked, GIVEN)):
        with pytest.raises(NotFound):
            again()
    assert terminals.poll(device_code) == GIVEN
    with pytest.raises(Expired):
        terminals.poll(device_code)
    assert device_code not in repr(vars(terminals))
    assert GIVEN.token not in repr(asked)


def test_no_is_said_once(terminals: Terminals) -> None:
    device_code, user_code = terminals.begin("10.0.0.1", "")
    terminals.deny(terminals.find(user_code))
    with pytest.raises(NotFound):
        terminals.find(user_code)
    with pytest.raises(Forbidden):
        terminals.poll(device_code)
    with pytest.raises(Expired):
        terminals.poll(device_code)


def test_time(terminals: Terminals, clock: Clock) -> None:
    device_code, user_code = terminals.begin("10.0.0.1", "")
    assert terminals.poll(device_code) is None
    with pytest.raises(TooMany):
        terminals.poll(device_code)
    clock.now += INTERVAL
    assert terminals.poll(device_code) is None
    asked = terminals.find(user_code)
    clock.now += LASTS
    with pytest.raises(NotFound):
        terminals.confirm(asked, GIVEN)
    with pytest.raises(Expired):
        terminals.poll(device_code)


@pytest.mark.parametrize("typed", ["", "BCDF", "BCDF-GHJKL", "0" * 40, "\x00", "AEIOU"])
def test_codes_that_nobody_shows(terminals: Terminals, typed: str) -> None:
    terminals.begin("10.0.0.1", "")
    with pytest.raises(NotFound):
        terminals.find(typed)


def test_one_address_pushes_out_its_own_only(terminals: Terminals) -> None:
    other, _ = terminals.begin("10.0.0.2", "")
    own = [terminals.begin("10.0.0.1", "")[0] for _ in range(PER_ADDRESS + 1)]
    with pytest.raises(Expired):
        terminals.poll(own[0])
    assert terminals.poll(own[1]) is None
    assert terminals.poll(other) is None
    with pytest.raises(TooMany):
        for n in range(OVERALL):
            terminals.begin(f"10.1.{n // 256}.{n % 256}", "")
    assert terminals.poll(own[2]) is None
