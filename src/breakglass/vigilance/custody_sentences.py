"""What is said of custody items: two people took one, brought it back, looked at it; or something is not as it was."""

from collections.abc import Mapping

from breakglass.trust.statement import Kind
from breakglass.vigilance.scene import CRITICAL, INFO, WARNING, Scene, Sentence, Words, say

_FOR = {Kind.CHECK_OUT: "to take out", Kind.RETURN: "to bring back"}


def _signed(s: Scene) -> Sentence:
    found = s.statement()
    for_it = _FOR.get(found.kind, "that they looked at") if found else "about"
    return say(
        f"{s.signer} signed {for_it} {s.item}",
        f"It takes a second person: `breakglass custody sign {s.told.about}`. If you don't know of it, call.",
        INFO,
    )


def _taken(s: Scene) -> Sentence:
    why = _ended(s.said("because", "statement-0"))
    return say(
        f"{s.person(s.text('holder'))} took {s.item} out",
        f"{why} It is due back at {s.moment('until')}. If you don't know of it, call.",
        CRITICAL,
    )


def _finding(s: Scene) -> Sentence:
    found, recorded = s.text("seal"), s.text("recorded")
    what = {
        "missing": f"It is NOT in its place; its seal was {recorded}.",
        "broken": f"Its seal is BROKEN; it was {recorded}.",
    }.get(found, f"Its seal is {found}, and {recorded} is recorded.")
    return say(
        f"STOP: {s.item} is not as it was left",
        f"{what} Somebody may have used it. Change what it opens, look who was at its place, and seal it anew: "
        f"`breakglass custody show {s.told.about}`.",
        CRITICAL,
    )


def _ended(text: str) -> str:
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


CUSTODY: Mapping[str, Words] = {
    "custody.signed": _signed,
    "custody.taken": _taken,
    "custody.returned": lambda s: say(
        f"{s.item} is back, under seal {s.text('seal')}", f"{s.person(s.text('holder'))} had it.", WARNING
    ),
    "custody.inspected": lambda s: say(f"Two people looked at {s.item}", f"Its seal: {s.text('seal')}.", INFO),
    "custody.finding": _finding,
    "custody.overdue": lambda s: say(
        f"OVERDUE: {s.item} is not back",
        f"{s.person(s.text('holder'))} has it; it was due at {s.moment('until')}. Call them. If it is lost, change "
        "what it opens.",
        CRITICAL,
    ),
    "custody.unseen": lambda s: say(
        f"Nobody has looked at {s.item} in time",
        f"It was due at {s.moment('due')}. Two people look whether it is there, and at its seal: "
        f"`breakglass custody inspect {s.told.about}`.",
        WARNING,
    ),
}
