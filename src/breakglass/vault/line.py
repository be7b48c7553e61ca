"""The line of log heads that the vault has signed: it only grows, and its last step alone can be taken back.

    confirmed ───sign(leaves)──▶ pending          a checkpoint over it was signed and given to the node
        ▲                          │ base is pending: it was committed   ▶ it is confirmed, the next is signed on top
        └──────────────────────────┘ base is confirmed: it never was     ▶ it is dropped, another one is signed

The node signs inside the transaction that appends, and a transaction can fail after that. Then a checkpoint was signed
whose leaves do not exist. Dropping it is no fork, because a checkpoint leaves the node only *after* the commit: nobody
outside ever saw the dropped one. The exception would be the vault itself. So as soon as a grant or release relies on a
checkpoint, or the node confirms it, it is confirmed here (for a grant or release durably, before anything is answered)
and can't be dropped any more. A node that lies can make the vault sign two heads of one size, like anybody with the log
key (trust.md's limits), but never have two of them *believed*, and the one that released a secret stays on the line.

After a restart only the mark (size and root) is known, and the next head must be proven consistent with it (RFC 9162,
2.1.4): a smaller one, or one with another beginning, is `Tampered`. The mark is written lazily, at most once a second,
and at every grant and release: a crash forgets at most that second, in which nothing was released.
"""

from collections import OrderedDict
from collections.abc import Sequence

from breakglass.codec import note
from breakglass.errors import Malformed, Tampered
from breakglass.trust.tree import EMPTY_ROOT, HASH, Frontier, verify_consistency
from breakglass.vault.keys import NoteKey
from breakglass.vault.state import Mark

RECENT = 4096
"""How many signed heads are remembered, to recognise the checkpoint that evidence brings."""
BATCH = 4096
"""Leaves in one call."""


class Behind(Exception):
    """The vault's line does not stand where this batch begins: prove the way from `mark` on by `catch_up`."""

    def __init__(self, mark: int) -> None:
        super().__init__(f"the vault's line stands at {mark}")
        self.mark = mark


class Line:
    def __init__(self, mark: Mark, signer: NoteKey) -> None:
        self.mark = mark
        """The last confirmed head. (What is on disk may lie up to a second behind it.)"""
        self._signer = signer
        self._confirmed = Frontier() if mark.size == 0 else None
        self._pending: Frontier | None = None
        self._recent: OrderedDict[int, bytes] = OrderedDict()

    def sign(self, base: int, hashes: Sequence[bytes], frontier: bytes) -> bytes:
        """A checkpoint (C2SP tlog-checkpoint) over the first `base` leaves and these; without any, over `base` again.

        `frontier` is the tree's at `base` (trust.tree), as it is committed. The size alone would not do: when a batch
        failed and another one was then committed that the vault never heard of, it would take the one for the other.
        Raises `Behind`, `Malformed`, and `Tampered` for another tree at the confirmed size.
        """
        if len(hashes) > BATCH or any(len(one) != HASH for one in hashes):
            raise Malformed(f"A batch has up to {BATCH} hashes of {HASH} bytes.", what_to_do="Make smaller batches.")
        if self._pending is not None and (self._pending.size, self._pending.packed()) == (base, frontier):
            self._promote()
        confirmed = self._confirmed
        if confirmed is None or base != confirmed.size:
            raise Behind(self.mark.size)
        if frontier != confirmed.packed():
            raise _tampered(f"The log's first {base} entries are not those that the vault has seen.")
        if not hashes:
            return self._signed(confirmed)
        self._drop()
        self._pending = confirmed.copy()
        for one in hashes:
            self._pending.add(one)
        return self._signed(self._pending)

    def catch_up(self, size: int, frontier: bytes, proof: Sequence[bytes]) -> None:
        """Take over a head that the log reached elsewhere, or while the vault could not sign.

        `frontier` is that head's (trust.tree), `proof` the consistency proof from the confirmed head, whose size
        `Behind` names; it is empty when that is 0 or the same. Raises `Tampered` for a head
        behind the mark or on another line.
        """
        if size < self.mark.size:
            raise _tampered(
                f"The log's head is behind the high-water mark: it has {size} entries, and the vault has seen "
                f"{self.mark.size}."
            )
        head = Frontier.unpack(size, frontier)
        verify_consistency(self.mark.size, bytes.fromhex(self.mark.root), size, head.root(), proof)
        if self._pending is not None and (self._pending.size, self._pending.root()) != (size, head.root()):
            self._drop()
        self._pending = None
        self._confirmed = head
        self.mark = Mark(size=size, root=head.root().hex())
        self._remember(size, head.root())

    def confirm(self, size: int, root: bytes) -> bool:
        """This head is committed or relied on: it is never dropped again. False when the line does not know it."""
        if self._pending is not None and (self._pending.size, self._pending.root()) == (size, root):
            self._promote()
        return self.root_at(size) == root and size <= self.mark.size

    def mark_with(self, size: int) -> Mark:
        """The mark once the head of this size is relied on: write it down first, then `confirm`."""
        if self._pending is not None and size == self._pending.size:
            return Mark(size=size, root=self._pending.root().hex())
        return self.mark

    def root_at(self, size: int) -> bytes | None:
        """The root of a head on this line, if it was signed or taken over lately (or is the empty log's)."""
        return EMPTY_ROOT if size == 0 else self._recent.get(size)

    @property
    def known(self) -> bool:
        """False after a restart, until the log's head was proven."""
        return self._confirmed is not None

    def _promote(self) -> None:
        head, self._pending = self._pending, None
        if head is not None:
            self._confirmed = head
            self.mark = Mark(size=head.size, root=head.root().hex())

    def _drop(self) -> None:
        if self._pending is not None:
            self._recent.pop(self._pending.size, None)
            self._pending = None

    def _signed(self, head: Frontier) -> bytes:
        root = head.root()
        signed = self._signer.sign(note.Checkpoint(origin=self._signer.name, size=head.size, root=root).body())
        self._remember(head.size, root)
        return signed

    def _remember(self, size: int, root: bytes) -> None:
        self._recent[size] = root
        self._recent.move_to_end(size)
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)


def _tampered(message: str) -> Tampered:
    return Tampered(
        message,
        what_to_do="Stop. The database was restored, cut or rewritten: keep it as it is, call the custodians and the "
        "auditors, and run `breakglass audit verify`. If the log's end is lost for good, two custodians go on with a "
        "new log: `breakglass audit next-log`.",
    )
