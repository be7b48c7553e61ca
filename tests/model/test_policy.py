"""Places for SSH signatures in a quorum: whoever's word is taken, the quorum can still be met by the others."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.errors import NeedsSshSignature
from breakglass.model.policy import Part, Policy
from breakglass.model.request import must_leave_room

GROUPS = {
    "bo": ("responders",),
    "cy": ("responders",),
    "di": ("security",),
    "ed": ("responders", "security"),
    "flo": (),
}


def policy(ssh_signatures: int, *parts: Part) -> Policy:
    return Policy(
        id="pol_high",
        quorum=parts or (Part("responders", 1), Part("security", 1)),
        max_for=timedelta(hours=1),
        decide_for=timedelta(hours=1),
        permissions=frozenset(),
        ssh_signatures=ssh_signatures,
    )


def test_what_is_lacking_in_words() -> None:
    high = policy(1)
    assert high.words() == "1 of responders, 1 of security, 1 of them with ssh-keygen"
    assert str(high.lacks([], (), GROUPS)) == "1 of responders, 1 of security (1 by ssh-keygen)"
    assert str(high.lacks(["bo"], {"bo"}, GROUPS)) == "1 of security"
    assert str(high.lacks(["bo", "di"], (), GROUPS)) == "1 by ssh-keygen"
    assert not high.lacks(["bo", "di"], {"di"}, GROUPS)
    assert not policy(0).lacks(["bo", "di"], (), GROUPS)


def test_the_signature_of_somebody_who_does_not_count_is_none_of_them() -> None:
    assert policy(1).lacks(["bo", "di", "flo"], {"flo"}, GROUPS).ssh_signatures == 1


def test_a_person_counts_once() -> None:
    assert policy(2, Part("responders", 3)).lacks(["bo", "bo"], {"bo"}, GROUPS).ssh_signatures == 1


def test_a_passkey_takes_no_place_that_is_kept() -> None:
    both = policy(1, Part("responders", 2))
    must_leave_room(both, both.lacks([], (), GROUPS), about="req_1")
    with pytest.raises(NeedsSshSignature, match="must be signed with an SSH key"):
        must_leave_room(both, both.lacks(["bo"], (), GROUPS), about="req_1")
    must_leave_room(both, both.lacks(["bo"], {"bo"}, GROUPS), about="req_1")


QUORUMS = st.lists(
    st.builds(Part, st.sampled_from(["responders", "security"]), st.integers(1, 3)),
    min_size=1, max_size=2, unique_by=lambda part: part.group,
)  # fmt: skip
WORDS = st.lists(st.tuples(st.sampled_from([*GROUPS, "p1", "p2", "p3", "p4", "p5"]), st.booleans()), max_size=12)


@given(parts=QUORUMS, wanted=st.integers(0, 6), words=WORDS)
def test_a_met_quorum_has_its_ssh_signatures(parts: Sequence[Part], wanted: int, words: list[tuple[str, bool]]) -> None:
    """In whatever order they speak: places that only wait for an SSH signature are never taken by a passkey, so the
    people never run out while a signature is still wanted."""
    one = policy(min(wanted, sum(part.count for part in parts)), *parts)
    groups = {**GROUPS, **{f"p{n}": ("responders", "security")[: 1 + n % 2] for n in range(1, 6)}}
    given, by_ssh = list[str](), set[str]()
    for person, ssh in words:
        lacking = one.lacks(given, by_ssh, groups)
        if not lacking or person in given or not one.counts(groups[person]):
            continue
        if ssh:
            by_ssh.add(person)
        else:
            try:
                must_leave_room(one, lacking, about="req_1")
            except NeedsSshSignature:
                continue
        given.append(person)
        after = one.lacks(given, by_ssh, groups)
        assert sum(part.count for part in after.parts) >= after.ssh_signatures
