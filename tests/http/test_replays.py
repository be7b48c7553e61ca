"""Recordings that were opened: for one sign-in, for a while, and not more than fit."""

from breakglass.http import replays
from breakglass.http.replays import Replays


def test_a_replay_is_one_sign_in_s_and_ends() -> None:
    now = [0.0]
    opened = Replays(lambda: now[0])
    opened.keep("sgn_1", "ses_1", b"cast")
    assert opened.find("sgn_1", "ses_1") == b"cast"
    assert opened.find("sgn_2", "ses_1") is None
    assert opened.find("sgn_1", "ses_2") is None
    assert opened.find("", "ses_1") is None
    now[0] = replays.LASTS
    assert opened.find("sgn_1", "ses_1") is None


def test_the_oldest_make_room() -> None:
    opened = Replays(lambda: 0.0)
    for n in range(3):
        opened.keep(f"sgn_{n}", "ses_1", bytes(replays.BYTES_MAX // 2))
    assert opened.find("sgn_0", "ses_1") is None
    assert opened.find("sgn_1", "ses_1") is not None
    assert opened.find("sgn_2", "ses_1") is not None
