"""Entries of the log as OCSF events (Open Cybersecurity Schema Framework 1.3.0, https://schema.ocsf.io), for a SIEM.

sign_in.*                      Authentication      3002   Logon, Logoff
grant.opened                   Authorize Session   3003   Assign Privileges
what must wake somebody        Detection Finding   2004   Create
everything else                Entity Management   3004   Create, Read, Update

`metadata.uid` is the entry's place in its log, and `metadata.sequence` its index: a gap shows, and what came twice too.
Statements, signatures, documents and tokens stay in the log, where they are proven; here stands what was done.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from breakglass import __version__
from breakglass.audit.event import Event
from breakglass.codec import lines
from breakglass.codec.syslog import Severity

OCSF = "1.3.0"
LONGEST = 1000
"""Characters of one value."""
FINDINGS: Mapping[str, int] = {
    "vault.tampered": 5,
    "session.alarm": 5,
    "clock.went_back": 5,
    "witness.disagrees": 5,
    "override.begun": 5,
    "kit.issued": 4,
    "kit.stale": 3,
    "kit.used": 5,
    "next_log.wanted": 4,
    "next_log.signed": 4,
    "next_log.begun": 5,
    "override.signed": 4,
    "witness.waits": 3,
    "rotation.reconcile": 4,
    "account.not_disabled": 4,
    "grant.refused": 4,
    "recording.truncated": 4,
    "recording.lost": 5,
    "duty.dead": 4,
    "clock.refused": 4,
    "kek.damaged": 5,
    "refused": 3,
    "sign_in.held": 3,
}
"""Kind -> OCSF severity_id (3 medium, 4 high, 5 critical)."""
_MADE = frozenset({"made", "opened", "proposed", "stored", "connecting", "owed", "staged"})
_READ = frozenset({"release", "replayed", "exported"})
_HELD_BACK = ("statement", "signature", "document", "token")
_CREATE, _READS, _UPDATE = 1, 2, 3
_SYSLOG = {5: Severity.CRITICAL, 4: Severity.WARNING, 3: Severity.NOTICE}


def severity(kind: str) -> Severity:
    return _SYSLOG.get(FINDINGS.get(kind, 1), Severity.INFORMATIONAL)


def ocsf(event: Event, *, index: int, deployment: str, origin: str, text: str, person: str = "") -> dict[str, Any]:
    """One entry. `text` says it in a sentence, `person` is for whom a grant is."""
    thing, _, verb = event.kind.partition(".")
    at = datetime.fromisoformat(event.at)
    if event.kind in FINDINGS:
        made = _event(
            2004, _CREATE, finding_info={"uid": f"{deployment}/{index}", "title": text, "types": [event.kind]}
        )
    elif thing == "sign_in":
        user = event.text("login") if "login" in event.data else event.by
        status = 2 if verb == "refused" else 1
        logon = 2 if verb == "ended" else 1
        made = _event(3002, logon, user={"uid": user, "name": user}, status_id=status, service={"name": "Breakglass"})
    elif event.kind == "grant.opened":
        made = _event(3003, _CREATE, user={"uid": person, "name": person}, privileges=[event.about])
    else:
        activity = _CREATE if verb in _MADE else _READS if verb in _READ else _UPDATE
        made = _event(3004, activity, entity={"uid": event.about, "type": thing})
    return {
        **made,
        "time": int(at.timestamp() * 1000),
        "severity_id": FINDINGS.get(event.kind, 1),
        "message": text,
        "actor": {"user": {"uid": event.by}},
        "metadata": {
            "version": OCSF,
            "profiles": ["host"],  # where `actor` comes from, in the classes that have none of their own
            "uid": f"{deployment}/{index}",
            "sequence": index,
            "event_code": event.kind,
            "log_name": origin,
            "original_time": event.at,
            "product": {"name": "Breakglass", "vendor_name": "Breakglass", "version": __version__},
        },
        "unmapped": {
            "about": event.about,
            **{name: _short(value) for name, value in event.data.items() if not name.startswith(_HELD_BACK)},
        },
    }


def _event(kind: int, activity: int, **more: Any) -> dict[str, Any]:
    return {
        "category_uid": kind // 1000,
        "class_uid": kind,
        "activity_id": activity,
        "type_uid": kind * 100 + activity,
        **more,
    }


def _short(value: str | int | bool) -> str | int | bool:
    return lines.clean(value)[:LONGEST] if isinstance(value, str) else value
