"""The attacks that the design names: what each does to a log that an attacker has in hand, and where it must show.

    founding … story … │ what people saw │ noted … │ outside head │ noted … end
                                                   └ kept elsewhere, and cosigned by a witness

Who attacks can write to everything that is ours; from `stolen` on they also have the log's key. What they have not:
what is outside (the roster's hash, people's keys, a head that somebody kept, a witness).
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breakglass.codec.private import Opening, commitment
from breakglass.model.secret import Secret
from breakglass.vault.keys import NoteKey
from tests.audit.in_hand import Entry, InHand
from tests.audit.kit import LOG_KEY, sign


@dataclass(frozen=True)
class Told:
    path: Path
    pin: str
    recordings: Path
    outside: bytes
    size: int
    """Of the outside head."""
    noted: int
    """From this entry on, no person's statement and no table tells anything."""

    def hand(self) -> InHand:
        return InHand.take(self.path)


# -- the attacks ------------------------------------------------------------------------------------------------------
Bend = Callable[[InHand, Told], None]


def longer(event: dict[str, Any]) -> None:
    event["data"]["seconds"] = 5400


def number(event: dict[str, Any]) -> None:
    event["data"]["n"] = 77


def edit(log: InHand, told: Told) -> None:
    log.edit(log.find("request.made", 2), longer, hashed=False)


def edit_with_leaf_hash(log: InHand, told: Told) -> None:
    log.edit(log.find("request.made", 2), longer)


def edit_what_nobody_needs(log: InHand, told: Told) -> None:
    """An entry that no table, statement or story speaks of."""
    log.edit(told.noted + 3, number)


def delete(log: InHand, told: Told) -> None:
    del log.entries[log.find("request.denied")]


def delete_the_founding(log: InHand, told: Told) -> None:
    del log.entries[0]


def renumber(log: InHand, told: Told) -> None:
    for one in log.entries[40:]:
        one.index += 1


def renumber_one(log: InHand, told: Told) -> None:
    log.entries[-1].index += 5


def delete_tail(log: InHand, told: Told) -> None:
    del log.entries[-4:]


def delete_tail_and_rebuild(log: InHand, told: Told) -> None:
    del log.entries[-4:]
    log.rebuild()


def swap(log: InHand, told: Told) -> None:
    one, other = log.entries[told.noted + 2], log.entries[told.noted + 3]
    (one.leaf, one.hash), (other.leaf, other.hash) = (other.leaf, other.hash), (one.leaf, one.hash)


def edit_checkpoint(log: InHand, told: Told) -> None:
    size = max(log.checkpoints)
    log.checkpoints[size] = log.checkpoints[size].replace(b"\n%d\n" % size, b"\n%d\n" % (size - 1))


def edit_checkpoints_root(log: InHand, told: Told) -> None:
    size = max(log.checkpoints)
    log.checkpoints[size] = log.checkpoints[size].replace(b64encode(log.root(size)), b64encode(b"x" * 32))


def delete_a_checkpoint_that_a_grant_needs(log: InHand, told: Told) -> None:
    opened_at = log.find("grant.opened")
    approved = log.find("request.approved")
    for size in [size for size in log.checkpoints if approved < size <= opened_at]:
        del log.checkpoints[size]


def delete_the_checkpoint_that_is_kept_outside(log: InHand, told: Told) -> None:
    del log.checkpoints[told.size]


def delete_all_checkpoints(log: InHand, told: Told) -> None:
    log.checkpoints = {}


def rebuild_without_the_key(log: InHand, told: Told) -> None:
    log.edit(log.find("request.made", 2), longer)
    log.rebuild()


def rebuild_with_another_key(log: InHand, told: Told) -> None:
    log.edit(told.noted + 3, number)
    log.rebuild(NoteKey(LOG_KEY.name, Secret(b"o" * 32)))


def older_backup(log: InHand, told: Told) -> None:
    log.cut(max(size for size in log.checkpoints if size < told.size))


# With the log's key from here on.
def stolen_edit(log: InHand, told: Told) -> None:
    log.edit(told.noted + 3, number)
    log.rebuild(LOG_KEY)


def stolen_delete(log: InHand, told: Told) -> None:
    del log.entries[told.noted + 3]
    log.rebuild(LOG_KEY)


def stolen_insert(log: InHand, told: Told) -> None:
    at = told.noted + 3
    log.entries.insert(at, Entry(log.entries[at].leaf.replace(b"sgn_", b"sgx_"), b"", at))
    log.rebuild(LOG_KEY)


def stolen_reorder(log: InHand, told: Told) -> None:
    swap(log, told)
    log.rebuild(LOG_KEY)


def stolen_truncate(log: InHand, told: Told) -> None:
    log.checkpoints = {size: one for size, one in log.checkpoints.items() if size < told.size}
    del log.entries[told.size - 4 :]
    log.rebuild(LOG_KEY)


def stolen_rewrite_of_everything(log: InHand, told: Told) -> None:
    """It was asked for longer, from the beginning on; people's statements can't be made to say so."""
    log.edit(log.find("request.made", 2), longer)
    log.rebuild(LOG_KEY)


def fork_after_the_last_anchor(log: InHand, told: Told) -> None:
    """Two histories that agree up to the outside head. The other one was seen by somebody, see `other_branch`."""
    log.edit(told.size + 1, number)
    log.rebuild(LOG_KEY)


def clock_rollback(log: InHand, told: Told) -> None:
    log.edit(told.size + 2, lambda event: event.update(at="2026-11-23T21:00:01.000000+00:00"))
    log.rebuild(LOG_KEY)


def statement_replayed(log: InHand, told: Told) -> None:
    """A denial that was signed for one request, once more: about the same request."""
    denied, later = log.find("request.denied"), told.noted + 2
    event = log.entries[denied].event
    log.edit(later, lambda other: other.update(kind=event["kind"], about=event["about"], data=event["data"]))
    log.rebuild(LOG_KEY)


def statement_retargeted(log: InHand, told: Told) -> None:
    """An approval that was signed for one request, said of another."""
    log.edit(log.find("request.approval", 1), lambda event: event.update(about="req_cancelled"))
    log.rebuild(LOG_KEY)


def statement_reworded(log: InHand, told: Told) -> None:
    def reworded(event: dict[str, Any]) -> None:
        event["data"]["statement"] = event["data"]["statement"].replace("1800 seconds", "7200 seconds")

    log.edit(log.find("request.approval", 1), reworded)
    log.rebuild(LOG_KEY)


def statement_reworded_and_signed_by_somebody_else(log: InHand, told: Told) -> None:
    def signed(event: dict[str, Any]) -> None:
        text = event["data"]["statement"].replace("1800 seconds", "7200 seconds")
        event["data"] |= {"statement": text, "signature": sign(text, "eve").signature}

    log.edit(log.find("request.approval", 1), signed)
    log.rebuild(LOG_KEY)


def roster_step_skipped(log: InHand, told: Told) -> None:
    del log.entries[log.find("roster.adopted", 1)]
    log.rebuild(LOG_KEY)


def roster_under_signed(log: InHand, told: Told) -> None:
    def less(event: dict[str, Any]) -> None:
        del event["data"]["statement-1"], event["data"]["signature-1"]
        event["data"]["statements"] = 1

    log.edit(log.find("roster.adopted", 1), less)
    log.rebuild(LOG_KEY)


def roster_signed_by_one_twice(log: InHand, told: Told) -> None:
    def twice(event: dict[str, Any]) -> None:
        for name in ("statement", "signature"):
            event["data"][f"{name}-1"] = event["data"][f"{name}-0"]

    log.edit(log.find("roster.adopted", 1), twice)
    log.rebuild(LOG_KEY)


def private_value_edited(log: InHand, told: Told) -> None:
    """The address from which somebody came is another one now."""
    at = log.find("session.connecting")
    log.openings[at, "from"] = (log.openings[at, "from"][0], "203.0.113.9")


def private_value_and_commitment_edited(log: InHand, told: Told) -> None:
    at = log.find("session.connecting")
    salt, value = b"s" * 16, "203.0.113.9"
    log.openings[at, "from"] = (salt, value)
    log.edit(at, lambda event: event["data"].update({"from#": commitment("from", Opening(salt, value))}))


def private_value_edited_with_the_key(log: InHand, told: Told) -> None:
    private_value_and_commitment_edited(log, told)
    log.rebuild(LOG_KEY)


def private_value_taken_away(log: InHand, told: Told) -> None:
    del log.openings[log.find("session.connecting"), "from"]


def private_value_moved(log: InHand, told: Told) -> None:
    log.openings[told.noted + 2, "from"] = log.openings[log.find("session.connecting"), "from"]


def private_value_of_no_entry(log: InHand, told: Told) -> None:
    log.openings[5000, "from"] = (b"s" * 16, "203.0.113.9")


NOT_IN_TILES = "-"
"""Tiles have nothing of what was changed there, or nobody can export it."""

ATTACKS: dict[str, tuple[Bend, str, str]] = {
    # attack: what it does, the level at which the database shows it, and at which tiles do
    "edit": (edit, "leaf", "tree"),
    "edit with leaf hash": (edit_with_leaf_hash, "checkpoint", "checkpoint"),
    "edit what nobody needs": (edit_what_nobody_needs, "checkpoint", "checkpoint"),
    "delete": (delete, "leaf", "checkpoint"),
    "delete the founding roster": (delete_the_founding, "leaf", "roster"),
    "renumber": (renumber, "leaf", NOT_IN_TILES),
    "renumber one": (renumber_one, "leaf", NOT_IN_TILES),
    "delete tail": (delete_tail, "checkpoint", "leaf"),
    "delete tail and rebuild": (delete_tail_and_rebuild, "checkpoint", "leaf"),
    "swap": (swap, "checkpoint", "checkpoint"),
    "edit a stored checkpoint": (edit_checkpoint, "checkpoint", "checkpoint"),
    "edit a stored checkpoint's root": (edit_checkpoints_root, "checkpoint", "checkpoint"),
    "delete a checkpoint that a grant needs": (delete_a_checkpoint_that_a_grant_needs, "grant", NOT_IN_TILES),
    "delete the checkpoint that is kept outside": (
        delete_the_checkpoint_that_is_kept_outside, "anchor", NOT_IN_TILES),
    "delete all checkpoints": (delete_all_checkpoints, "grant", "no export"),
    "rebuild of the tree without the key": (rebuild_without_the_key, "checkpoint", "checkpoint"),
    "rebuild of the tree with another key": (rebuild_with_another_key, "checkpoint", "checkpoint"),
    "restore of an older backup": (older_backup, "anchor", "anchor"),
    "private value edited": (private_value_edited, "private", NOT_IN_TILES),
    "private value and its commitment edited": (private_value_and_commitment_edited, "checkpoint", "checkpoint"),
    "private value taken away": (private_value_taken_away, "private", NOT_IN_TILES),
    "private value moved": (private_value_moved, "private", NOT_IN_TILES),
    "private value of no entry": (private_value_of_no_entry, "private", NOT_IN_TILES),
    "stolen key: private value and its commitment": (private_value_edited_with_the_key, "anchor", "anchor"),
    "stolen key: edit": (stolen_edit, "anchor", "anchor"),
    "stolen key: delete": (stolen_delete, "anchor", "anchor"),
    "stolen key: insert": (stolen_insert, "anchor", "anchor"),
    "stolen key: reorder": (stolen_reorder, "anchor", "anchor"),
    "stolen key: truncate": (stolen_truncate, "anchor", "anchor"),
    "stolen key: everything rewritten": (stolen_rewrite_of_everything, "statement", "statement"),
    "stolen key: fork after the last anchor": (fork_after_the_last_anchor, "anchor", "anchor"),
    "stolen key: clock rollback": (clock_rollback, "time", "time"),
    "stolen key: statement replayed": (statement_replayed, "statement", "statement"),
    "stolen key: statement re-targeted": (statement_retargeted, "statement", "statement"),
    "stolen key: statement re-worded": (statement_reworded, "statement", "statement"),
    "stolen key: re-worded, another's signature": (
        statement_reworded_and_signed_by_somebody_else, "statement", "statement"),
    "stolen key: roster step skipped": (roster_step_skipped, "statement", "statement"),
    "stolen key: roster step under-signed": (roster_under_signed, "roster", "roster"),
    "stolen key: roster step signed twice by one": (roster_signed_by_one_twice, "roster", "roster"),
}  # fmt: skip
