"""From an estate as people write it (YAML, read by whoever calls) to the roster's next document, with the defaults
filled in.

What people leave out: instants of keys (the founding's for version 0; 72 hours ahead for a key that is new later).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from breakglass.codec import canonical, instant, sshwire
from breakglass.errors import Malformed
from breakglass.trust import reading
from breakglass.trust.chain import NEW_KEY_WAITS, old_key
from breakglass.trust.roster import Roster

ESTATE = ("changes", "groups", "people", "domains", "targets", "accounts", "conditions", "policies")
OPTIONAL = ("witnesses", "custody")
"""Parts that most estates do not have."""


def founding(
    estate: Mapping[str, Any], *, deployment: str, origin: str, keys: Mapping[str, str], at: datetime
) -> bytes:
    """The document of version 0."""
    head = {"version": 0, "previous": "", "deployment": deployment, "origin": origin, "keys": dict(keys)}
    return _document(estate, head, at, before=None)


def following(estate: Mapping[str, Any], before: Roster, *, at: datetime) -> bytes:
    """The document of the version after `before`."""
    keys = {"log": before.keys.log, "grant": before.keys.grant, "recording": before.keys.recording}
    head = {
        "version": before.version + 1,
        "previous": before.hash,
        "deployment": before.deployment,
        "origin": before.origin,
        "keys": keys,
    }
    return _document(estate, head, at, before=before)


def estate_of(document: bytes) -> dict[str, Any]:
    """The part of a roster that people edit."""
    top = canonical.read(document)
    return {name: top[name] for name in (*ESTATE, *OPTIONAL) if name in top}


def _document(estate: Mapping[str, Any], head: Mapping[str, Any], at: datetime, *, before: Roster | None) -> bytes:
    unknown = set(estate) - {*ESTATE, *OPTIONAL}
    if unknown or not set(ESTATE) <= set(estate):
        wrong = min(unknown or set(ESTATE) - set(estate))
        raise Malformed(
            f"The estate's part {wrong!r} is missing or not known.",
            what_to_do=f"It has: {', '.join(ESTATE)}. It may have: {', '.join(OPTIONAL)}.",
        )
    people = {id: _person(id, one, at, before) for id, one in _objects(estate["people"], "people")}
    body = {name: estate[name] for name in (*ESTATE, *OPTIONAL) if name in estate}
    return canonical.write(
        {"format": "breakglass-roster-v1", "issued_at": instant.write(at), **head, **body, "people": people}
    )


def _person(id: str, one: Mapping[str, Any], at: datetime, before: Roster | None) -> dict[str, Any]:
    keys = []
    if not isinstance(one.get("keys", []), list):
        raise Malformed(
            f"people.{id}.keys must be a list.", what_to_do="Give each key as `- public: ssh-ed25519 AAAA…`."
        )
    for n, key in enumerate(one.get("keys", [])):
        if not isinstance(key, dict) or not isinstance(key.get("public"), str):
            raise Malformed("A key has no `public` line.", what_to_do="Give each key as `public: ssh-ed25519 AAAA…`.")
        filled = {"label": "key", "approves_from": instant.write(at), **key}
        if key.get("kind", "ssh") == "ssh":
            filled["public"] = sshwire.canonical_line(key["public"])
        if "approves_from" not in key and before is not None:
            old = old_key(before, id, reading.key(reading.Obj(filled, f"people.{id}.keys[{n}]")))
            filled["approves_from"] = instant.write(old.approves_from if old else at + NEW_KEY_WAITS)
        keys.append(filled)
    return {**one, "keys": keys}


def _objects(value: Any, path: str) -> list[tuple[str, Mapping[str, Any]]]:
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        raise Malformed(f"{path} must be names with their members below.", what_to_do="Correct the file there.")
    return list(value.items())
