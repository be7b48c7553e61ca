"""Looks at a target: what is new, what is gone, and that nothing is kept in words."""

from hypothesis import given
from hypothesis import strategies as st

from breakglass.model import trace
from breakglass.model.trace import Trace, difference, kept

TRACES = st.lists(st.builds(Trace, st.sampled_from(["key", "cron", "user"]), st.text(max_size=20)), max_size=12)


@given(TRACES, TRACES)
def test_the_difference_is_what_changed(before: list[Trace], after: list[Trace]) -> None:
    told = difference(kept(before), after)
    assert sum(line.startswith("+ ") for line in told) == len(set(after) - set(before))
    gone = [line.split(" ") for line in told if line.startswith("- ")]
    assert sum(int(count) for _, count, _ in gone) == len(set(before) - set(after))
    assert difference(kept(after), after) == ()


def test_a_look_is_kept_in_no_words_and_is_never_empty() -> None:
    assert "hunter2" not in kept([Trace("cron", "root: curl -u root:hunter2 http://192.0.2.1")])
    assert kept([])
    assert difference(kept([]), [Trace("key", "a")]) == ("+ key a",)


def test_a_flood_is_told_as_one() -> None:
    told = difference(kept([]), [Trace("user", str(n)) for n in range(trace.LINES_MAX + 50)])
    assert len(told) == trace.LINES_MAX
    assert told[-1] == "and 51 more"
