"""Shapes as text for a terminal: what `breakglass` prints, and `ssh gate` the same.

    lines and columns, no colour: it reads the same in a log, on a serial console, and aloud

Whatever came from elsewhere (a reason, a target's words) loses its control characters here: it can't move the cursor.
Times are UTC. Imports nothing but the shapes.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from breakglass.views import estate_shapes, say, shapes


def text(lines: Iterable[str]) -> str:
    """Lines for a terminal, each ended, without anything that a terminal would obey."""
    return "".join(f"{plain(line)}\n" for line in lines)


def plain(line: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in line).rstrip()


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> list[str]:
    """Columns under their names, as wide as they need; the last one runs on. `empty` is said when there is no row."""
    cells = [[plain(cell) for cell in row] for row in rows]
    if not cells:
        return [empty]
    all_rows = [list(head), *cells]
    widths = [max(len(row[n]) for row in all_rows) for n in range(len(head) - 1)]
    return [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in all_rows
    ]


def moment(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ") if at else ""


def overview(o: shapes.Overview) -> list[str]:
    lines = [
        f"{o.person.name} ({', '.join(o.roles)})",
        *([f"STOP: {o.alarm}"] if o.alarm else []),
        *([f"THE CLOCK IS WRONG. {o.clock}"] if o.clock else []),
        *([f"{o.override.title.upper()}. {o.override.sentence}"] if o.override else []),
        *(["THE VAULT IS SEALED: nobody gets in until custodians unseal it."] if o.sealed else []),
        f"Am I in?               {o.am_i_in}",
        f"What am I waiting for? {o.waiting_for}",
        f"What's next?           {o.whats_next}",
    ]
    lines += _part("Live grants", [f"{one.id}  {one.sentence}  {one.connect}" for one in o.grants])
    lines += _part("Waiting for your word", [_request_line(one) for one in o.to_decide])
    lines += _part("Live sessions", [f"{one.id}  {one.sentence}" for one in o.sessions])
    lines += _part("Password changes owed", [f"{one.id}  {one.sentence}" for one in o.rotations])
    return lines + _part("Reviews owed", [f"{one.id}  {one.sentence}" for one in o.reviews])


def status(s: shapes.Status) -> list[str]:
    return [f"Breakglass {s.version} at {s.origin} ({s.deployment}){', a demo' if s.demo else ''}", s.sentence]


def vault(v: shapes.Vault) -> list[str]:
    moving = f"Secrets are sealed under key {v.kek}; older ones still move to it."
    return [
        v.sentence,
        *([moving] if v.keks > 1 else []),
        *([f"Any {v.shares_needed} of {v.shares} shares open it, set {v.share_set}."] if v.share_set else []),
        *([f"Attempt {v.attempt}: {say.shares_are(v.entered)} entered so far."] if v.attempt and v.entered else []),
        *([_new_shares(v)] if v.rekey_set else []),
        *([f"Without people it opens by: {', '.join(v.slots[1:])}."] if v.slots[1:] else []),
        *([f"Problem: {v.problem}"] if v.problem else []),
    ]


def _new_shares(v: shapes.Vault) -> str:
    entered = f"; {say.shares_are(v.rekey_entered)} proven" if v.rekey_entered else ""
    return f"{v.rekey_shares} new shares of the set “{v.rekey_set}” wait to be proven{entered}. The old ones hold."


def slots(found: Iterable[shapes.Slot]) -> list[str]:
    opens = {None: "with shares", True: "yes", False: "NO"}
    rows = [(one.kind, opens[one.opens], one.where, one.problem) for one in found]
    return table(("SLOT", "OPENS", "WHERE", "PROBLEM"), rows, empty="")


def anchors(found: Iterable[shapes.Anchor]) -> list[str]:
    rows = [
        (one.name, str(one.size), moment(one.at) if one.at else "never", "LATE" if one.late else "on time")
        for one in found
    ]
    empty = "The settings have checkpoints go nowhere: see `checkpoint_copies` and `tsa`."
    return table(("PLACE", "ENTRIES", "LAST", "STATE"), rows, empty=empty)


def clock(c: shapes.Clock) -> list[str]:
    return [c.sentence, *([f"It says {moment(c.says)}; the log has reached {moment(c.seen)}."] if c.wrong else [])]


def requests(found: Iterable[shapes.Request]) -> list[str]:
    rows = [(one.id, one.state, one.by.name, _place(one.place), moment(one.asked_at), one.reason) for one in found]
    return table(("REQUEST", "STATE", "BY", "FOR", "ASKED", "REASON"), rows, empty="There are no requests.")


def request(r: shapes.Request) -> list[str]:
    return [
        f"{r.id}  {r.state}",
        r.sentence,
        f"Who:       {r.by.name} ({r.by.login})",
        f"What:      {_place(r.place)}  {r.place.endpoint}  [{r.place.environment.upper()}]",
        f"Condition: {r.condition_title} ({r.condition})",
        f"Reason:    {r.reason}",
        f"For:       {r.minutes} minutes, counted from when the grant opens",
        f"Asked:     {moment(r.asked_at)}; decide by {moment(r.decide_by)}",
    ]


def request_page(p: shapes.RequestPage) -> list[str]:
    lines = request(p.request)
    if p.grant:
        lines += [
            f"Grant:     {p.grant.id}  {p.grant.sentence}",
            *([f"Connect:   {p.grant.connect}"] if p.grant.connect else []),
        ]
    lines += _part("Approvals", [f"{moment(one.at)}  {one.by.name}" for one in p.approvals])
    lines += _part("Sessions", [f"{one.id}  {one.sentence}" for one in p.sessions])
    if p.review:
        lines += _part("Review", [f"{p.review.id}  {p.review.sentence}"])
    lines += _part("What happened", [f"{moment(one.at)}  {one.text}" for one in p.timeline])
    return lines + _part("Playbook", p.playbook.split("\n") if p.playbook else [])


def grant(g: shapes.Grant) -> list[str]:
    return [f"{g.id}  {g.sentence}", *([f"Connect: {g.connect}"] if g.connect else [])]


def sessions(found: Iterable[shapes.Session]) -> list[str]:
    rows = [
        (one.id, one.state, one.by.name, _place(one.place), moment(one.started_at), moment(one.ended_at), one.why)
        for one in found
    ]
    return table(("SESSION", "STATE", "WHO", "WHERE", "STARTED", "ENDED", "WHY"), rows, empty="There are no sessions.")


def session(s: shapes.Session) -> list[str]:
    return [f"{s.id}  {s.sentence}"]


def _recording(one: shapes.Recording | None) -> str:
    if one is None:
        return "MISSING"
    return "LOST" if one.lost else one.state


def recordings(found: Iterable[shapes.Session]) -> list[str]:
    rows = [
        (one.id, _recording(one.recording), str(one.recording.size if one.recording else 0),
         one.by.name, _place(one.place), moment(one.started_at))
        for one in found
    ]  # fmt: skip
    return table(("SESSION", "RECORDING", "BYTES", "WHO", "WHERE", "STARTED"), rows, empty="There are no recordings.")


def rotations(found: Iterable[shapes.Rotation]) -> list[str]:
    return [f"{one.id}  {one.state}  {one.sentence}" for one in found] or ["No password change is owed."]


def reviews(found: Iterable[shapes.Review]) -> list[str]:
    return [f"{one.id}  {one.state}  {_place(one.place)}  {one.sentence}" for one in found] or ["No review is owed."]


def review_page(p: shapes.ReviewPage) -> list[str]:
    lines = [f"{p.review.id}  {p.review.state}", p.review.sentence, ""]
    lines += [f"  {line}" for line in request(p.request)]
    lines += _part("Sessions", [f"{one.id}  {one.sentence}" for one in p.sessions])
    lines += _part(
        "Checklist, for you",
        [f"[{'x' if one.done else ' '}] {one.name}" + ("" if one.done else f": {one.what_to_do}") for one in p.items],
    )
    if p.review.state == "open":
        lines += ["", f"Sign it: breakglass review sign {p.review.id}" if p.may_sign else "You can't sign this review."]
    return lines


def estate(e: estate_shapes.Estate) -> list[str]:
    lines = [f"{e.origin} ({e.deployment}), version {e.version}: {e.hash}", f"Changes need: {e.changes}."]
    accounts = [
        (one.name, account.name, account.username, target_env, one.endpoint, account.credential, account.policy)
        for one in e.targets
        for account in one.accounts
        for target_env in [one.environment]
    ]
    head = ("TARGET", "ACCOUNT", "LOGIN", "WHERE", "ENDPOINT", "CREDENTIAL", "POLICY")
    lines += ["", *table(head, accounts, empty="There are no accounts.")]
    lines += [
        "",
        *table(("CONDITION", "TITLE"), [(c.id, c.title) for c in e.conditions], empty="There are no conditions."),
    ]
    lines += ["", *table(("POLICY", "RULE"), [(p.id, p.words) for p in e.policies], empty="There are no policies.")]
    people = [(p.login, p.name, p.department, " ".join(p.roles), " ".join(p.groups)) for p in e.people]
    return [
        *lines,
        "",
        *table(("LOGIN", "NAME", "DEPARTMENT", "ROLES", "GROUPS"), people, empty="There are no people."),
    ]


def proposals(found: Iterable[shapes.Proposal]) -> list[str]:
    lines = []
    for one in found:
        signed = ", ".join(who.name for who in one.signed_by) or "nobody"
        lines += [f"{one.id}  version {one.version}, proposed by {one.by.name} {moment(one.at)}", f"  {one.changes}"]
        lines += [f"  Signed by {signed}. {one.sentence}"]
    return lines or ["There are no open proposals."]


def entries(found: Iterable[shapes.Entry]) -> list[str]:
    rows = [(str(one.index), moment(one.at), one.kind, one.by, one.about, one.text) for one in found]
    return table(("ENTRY", "AT", "KIND", "BY", "ABOUT", "WHAT"), rows, empty="There are no such entries.")


def entries_only(found: Iterable[shapes.Entry]) -> list[str]:
    """Without a head: what comes after others."""
    return [f"{one.index}  {moment(one.at)}  {one.kind}  {one.by}  {one.about}  {one.text}" for one in found]


def proven(p: shapes.ProvenEntry) -> list[str]:
    return [
        *entries([p.entry]),
        "",
        f"Leaf hash: {p.leaf_hash}",
        f"In the log of {p.size} entries, proven by:",
        *[f"  {one}" for one in p.proof],
        "under this checkpoint:",
        *p.checkpoint.rstrip("\n").split("\n"),
    ]


def _part(title: str, lines: Sequence[str]) -> list[str]:
    return ["", f"{title}:", *(f"  {line}" for line in lines)] if lines else []


def _request_line(one: shapes.Request) -> str:
    return f"{one.id}  {one.by.name}, {_place(one.place)}, {one.minutes} minutes: {one.reason}  {one.sentence}"


def _place(place: shapes.Place) -> str:
    return f"{place.username}@{place.target}" if place.target else place.account
