"""The cosignatures beside the log, judged by the witnesses' keys in its rosters: how far has a quorum seen this log?

What a witness cosigned can't be changed by who holds the log's key: another log of that size gets no such line.
"""

from collections.abc import Iterable, Sequence

from breakglass.audit.beside import Anchor
from breakglass.audit.copies import KIND as COPY
from breakglass.audit.cosignatures import KIND
from breakglass.audit.report import Findings
from breakglass.audit.timestamps import RFC3161
from breakglass.codec import note
from breakglass.codec.cosignature import WitnessKey, cosigned, parse_lines
from breakglass.errors import BreakglassError
from breakglass.trust import witnesses as trust
from breakglass.trust.roster import Roster


def lines_of(size: int) -> str:
    """The query for the lines below the checkpoint of this size."""
    return f"SELECT receipt FROM anchor WHERE substr(kind, 1, 8) = '{KIND}' AND size = {size} ORDER BY kind"  # noqa: S608 (ours)


def lines_below(signed: bytes, rosters: Sequence[Roster]) -> list[Anchor]:
    """A cosigned checkpoint's lines as anchors: those of witnesses whom its rosters name; others count for nothing."""
    found = note.parse(signed)
    head = note.parse_checkpoint(found.text)
    names = {one.key.name for roster in rosters for one in roster.witnesses.known}
    ours = tuple(one for one in found.signatures if one.name == head.origin)
    plain = note.Note(text=found.text, signatures=ours).encode()
    named = [one for one in found.signatures if one.name in names]
    return [Anchor(KIND + one.name, head.size, one.line().encode(), plain) for one in named]


def seen_up_to(found: Iterable[Anchor], rosters: Sequence[Roster], findings: Findings) -> int:
    """The size up to which as many witnesses as the newest roster asks for, and at least one, have cosigned; 0 where
    they have not. What does not hold goes to `findings`, and what is of no kind that there is."""
    keys = {one.key.name: set[WitnessKey]() for roster in rosters for one in roster.witnesses.known}
    for roster in rosters:
        for one in roster.witnesses.known:
            keys[one.key.name].add(one.key)
    reached: dict[str, int] = {}
    for line in found:
        if line.kind == RFC3161 or line.kind.startswith(COPY):
            continue
        name = line.kind.removeprefix(KIND)
        where = f"cosignature of {name[:60]} over {line.size} entries"
        if line.kind == name or name not in keys:
            findings.add("witness", where, "No roster of this log names this witness.", index=line.size)
        elif line.checkpoint is None:
            findings.add("witness", where, "Its checkpoint is gone.", index=line.size)
        elif words := _wrong(line.receipt, line.checkpoint, keys[name]):
            findings.add("witness", where, words, index=line.size)
        else:
            reached[name] = max(line.size, reached.get(name, 0))
    if not rosters:
        return 0
    witnesses = rosters[-1].witnesses
    return trust.furthest([reached.get(one.key.name, 0) for one in witnesses.known], witnesses.quorum)


def _wrong(line: bytes, checkpoint: bytes, keys: Iterable[WitnessKey]) -> str:
    """Why this is no cosignature by one of these keys; empty when it is one."""
    try:
        signed = parse_lines(line, checkpoint)
        if len(signed.signatures) != len(note.parse(checkpoint).signatures) + 1:
            return "It is not one line."
        return "" if cosigned(signed, keys) else "It is under another key than the rosters name."
    except BreakglassError as error:
        return error.message
