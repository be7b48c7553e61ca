"""The line of heads: a node that commits, fails, restarts and lies; never are two roots of one size believed."""

from hashlib import sha256

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from breakglass.codec import note
from breakglass.errors import BadSignature, Malformed, Tampered
from breakglass.model.secret import Secret
from breakglass.trust.tree import EMPTY_ROOT, Frontier, consistency_proof, leaf_hash
from breakglass.vault.keys import NoteKey
from breakglass.vault.line import BATCH, RECENT, Behind, Line
from breakglass.vault.state import Mark
from tests.vault.rig import ListLog

KEY = NoteKey("log.example.test", Secret(bytes(range(32))))
FRESH = Mark(size=0, root=EMPTY_ROOT.hex())


def hashes(count: int, salt: str = "") -> list[bytes]:
    return [sha256(f"{salt}{n}".encode()).digest() for n in range(count)]


def tree(*leaves: bytes) -> Frontier:
    found = Frontier()
    for one in leaves:
        found.add(one)
    return found


def head(signed: bytes) -> tuple[int, bytes]:
    found = note.parse_checkpoint(note.verify(signed, [KEY.vkey]).text)
    assert found.origin == KEY.name
    return found.size, found.root


def sign(line: Line, before: list[bytes], *more: bytes) -> tuple[int, bytes]:
    return head(line.sign(len(before), more, tree(*before).packed()))


def test_a_checkpoint_is_a_note_that_others_can_read():
    a, b = hashes(2)
    line = Line(FRESH, KEY)
    assert sign(line, [], a, b) == (2, tree(a, b).root())
    assert sign(line, [a, b]) == (2, tree(a, b).root())
    signed = line.sign(2, [], tree(a, b).packed())
    assert signed == note.sign(
        note.Checkpoint(origin=KEY.name, size=2, root=tree(a, b).root()).body(), KEY.name, KEY._key
    )
    with pytest.raises(BadSignature):
        note.verify(signed, [NoteKey("log.example.test", Secret(bytes(32))).vkey])


def test_the_next_batch_confirms_the_last():
    a, b = hashes(2)
    line = Line(FRESH, KEY)
    sign(line, [], a)
    assert line.mark == FRESH
    assert sign(line, [a], b) == (2, tree(a, b).root())
    assert line.mark.size == 1


def test_a_batch_that_was_not_committed_is_dropped():
    a, b = hashes(2)
    line = Line(FRESH, KEY)
    sign(line, [], a)
    assert sign(line, [], b) == (1, tree(b).root())
    assert line.root_at(1) == tree(b).root()
    assert not line.confirm(1, tree(a).root())
    assert line.mark == FRESH


def test_a_dropped_head_is_forgotten_also_when_the_next_batch_is_shorter():
    a, b, c = hashes(3)
    line = Line(FRESH, KEY)
    sign(line, [], a, b, c)
    sign(line, [], a)
    assert line.root_at(3) is None
    sign(line, [], b, c)
    line.catch_up(1, tree(a).packed(), [])
    assert line.root_at(2) is None
    assert line.root_at(1) == tree(a).root()


def test_a_confirmed_head_is_never_dropped():
    a, b = hashes(2)
    line = Line(FRESH, KEY)
    sign(line, [], a)
    assert line.mark_with(1) == Mark(size=1, root=tree(a).root().hex())
    assert line.confirm(1, tree(a).root())
    with pytest.raises(Behind) as caught:
        sign(line, [], b)
    assert caught.value.mark == 1
    with pytest.raises(Tampered, match="behind"):
        line.catch_up(0, b"", [])
    with pytest.raises(Tampered):
        line.catch_up(1, tree(b).packed(), [])
    with pytest.raises(Tampered):
        sign(line, [b], a)


def test_signing_the_head_again_drops_nothing():
    a, b = hashes(2)
    line = Line(FRESH, KEY)
    sign(line, [], a)
    assert sign(line, []) == (0, EMPTY_ROOT)
    assert sign(line, [a], b) == (2, tree(a, b).root())


def test_a_failed_batch_is_not_taken_for_one_that_was_committed_unseen():
    """Another node's leaves, or this one's while the vault did not answer, took the failed batch's place and size."""
    a, b, c = hashes(3)
    line = Line(FRESH, KEY)
    sign(line, [], a)
    with pytest.raises(Behind) as caught:
        sign(line, [b], c)
    assert caught.value.mark == 0
    line.catch_up(1, tree(b).packed(), [])
    assert sign(line, [b], c) == (2, tree(b, c).root())


def test_after_a_restart_the_head_must_be_proven():
    a, b, c = hashes(3)
    mark = Mark(size=2, root=tree(a, b).root().hex())
    line = Line(mark, KEY)
    assert not line.known
    with pytest.raises(Behind) as caught:
        sign(line, [a, b], c)
    assert caught.value.mark == 2
    with pytest.raises(Tampered):
        line.catch_up(2, tree(a, c).packed(), [])
    with pytest.raises(Tampered, match="behind"):
        line.catch_up(1, tree(a).packed(), [])
    with pytest.raises(Tampered):
        line.catch_up(3, tree(a, b, c).packed(), [])
    with pytest.raises(Tampered):
        line.catch_up(3, tree(a, c, b).packed(), [b])
    with pytest.raises(Tampered):
        line.catch_up(3, tree(a, b, c).packed()[:-1], [c])
    assert not line.known
    line.catch_up(3, tree(a, b, c).packed(), [c])
    assert line.mark == Mark(size=3, root=tree(a, b, c).root().hex())


@pytest.mark.parametrize("bad", [[b"short"], [bytes(33)], [bytes(32)] * (BATCH + 1)])
def test_only_hashes_and_not_too_many(bad):
    line = Line(FRESH, KEY)
    with pytest.raises(Malformed):
        sign(line, [], *bad)
    assert sign(line, []) == (0, EMPTY_ROOT)


@pytest.mark.parametrize("base", [-1, 1, 2**64])
def test_a_base_from_nowhere_is_told_where_the_line_stands(base):
    with pytest.raises(Behind) as caught:
        Line(FRESH, KEY).sign(base, [bytes(32)], b"")
    assert caught.value.mark == 0


def test_what_is_remembered_is_bounded():
    line, before = Line(FRESH, KEY), Frontier()
    for size in range(RECENT + 10):
        line.sign(size, [bytes(32)], before.packed())
        before.add(bytes(32))
    assert line.root_at(RECENT + 10) == before.root()
    assert line.root_at(10) is None
    assert line.root_at(0) == EMPTY_ROOT


class Nodes(RuleBasedStateMachine):
    """A node's life beside a line. `log` is what the database holds, `disk` the mark that is durable."""

    @initialize()
    def begin(self):
        self.log, self.line, self.disk = ListLog(), Line(FRESH, KEY), FRESH
        self.published: dict[int, bytes] = {}
        self.relied: dict[int, bytes] = {}
        self.flying: tuple[list[bytes], bytes] | None = None
        self.count = 0

    def fresh(self, count: int) -> list[bytes]:
        self.count += count
        return [f"leaf {self.count - n}".encode() for n in range(count)]

    @rule(count=st.integers(1, 5))
    def sign(self, count):
        """A transaction begins: what became of the one before is already decided."""
        leaves = self.fresh(count)
        try:
            signed = self.line.sign(self.log.size, [leaf_hash(one) for one in leaves], self.log.frontier().packed())
        except Behind as behind:
            proof = (
                consistency_proof(behind.mark, self.log.size, self.log.hash_of)
                if 0 < behind.mark < self.log.size
                else []
            )
            self.line.catch_up(self.log.size, self.log.frontier().packed(), proof)
            signed = self.line.sign(self.log.size, [leaf_hash(one) for one in leaves], self.log.frontier().packed())
        self.flying = leaves, signed

    @precondition(lambda self: self.flying)
    @rule()
    def commit(self):
        assert self.flying is not None
        leaves, signed = self.flying
        self.log.leaves += leaves
        self.published[self.log.size] = signed
        self.flying = None

    @precondition(lambda self: self.flying)
    @rule()
    def roll_back(self):
        self.flying = None

    @precondition(lambda self: not self.flying)
    @rule(count=st.integers(1, 5))
    def append_elsewhere(self, count):
        """Another node, or this one while the vault was sealed: the log grows without this line."""
        self.log.leaves += self.fresh(count)

    @precondition(lambda self: self.published)
    @rule()
    def confirm(self):
        self.line.confirm(*head(self.published[max(self.published)]))

    @precondition(lambda self: self.published)
    @rule()
    def rely(self):
        """A release on the newest checkpoint, if the line knows it: the mark is durable before the answer."""
        size, root = head(self.published[max(self.published)])
        if self.line.root_at(size) == root:
            self.disk = self.line.mark_with(size)
            assert self.line.confirm(size, root)
            self.relied[size] = root

    @rule()
    def write_mark(self):
        self.disk = self.line.mark

    @rule()
    def die(self):
        """The process is killed: only the disk is left. What was in flight at the node is rolled back."""
        self.line, self.flying = Line(self.disk, KEY), None

    @rule(cut=st.integers(1, 3))
    def restored_database(self, cut):
        """Somebody shows an older log: below the mark it is never taken."""
        size = self.log.size - cut
        if 0 <= size < self.line.mark.size:
            with pytest.raises(Tampered):
                self.line.catch_up(size, self.log.frontier(size).packed(), [])

    @rule()
    def rewritten_database(self):
        """Somebody shows a log of the same size with another leaf below the mark."""
        mark = self.line.mark.size
        if mark:
            other = ListLog()
            other.leaves = [b"forged", *self.log.leaves[1:]]
            proof = consistency_proof(mark, other.size, other.hash_of) if mark < other.size else []
            with pytest.raises(Tampered):
                self.line.catch_up(other.size, other.frontier().packed(), proof)

    @invariant()
    def one_line(self):
        if not hasattr(self, "log"):
            return
        # What was published or relied on is what the log holds, and the mark never passes what was committed.
        for size, signed in self.published.items():
            assert head(signed) == (size, self.log.root(size))
        for size, root in self.relied.items():
            assert root == self.log.root(size)
            assert size <= self.disk.size
        for mark in (self.disk, self.line.mark):
            assert mark.size <= self.log.size
            assert bytes.fromhex(mark.root) == self.log.root(mark.size)


Nodes.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestNodes = Nodes.TestCase
