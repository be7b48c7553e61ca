"""OCSF's own schema, as the package pydantic-ocsf ships it, applied strictly: no attribute that a class does not have,
each of its type, each number one of its enumeration, nothing required left out.

The schema's files name further files for what all classes share; those two are stated here (OCSF 1.3.0, includes/
classification.json and includes/occurrence.json), and the profile `host` (profiles/host.json).
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

VERSION = "1.3.0"
SHARED = {
    "activity_id": "required", "activity_name": "optional", "category_uid": "required", "category_name": "optional",
    "class_uid": "required", "class_name": "optional", "type_uid": "required", "type_name": "optional",
    "count": "optional", "duration": "optional", "end_time": "optional", "start_time": "optional", "time": "required",
    "timezone_offset": "optional",
}  # fmt: skip
PROFILES = {"host": {"actor": "optional", "device": "recommended"}}
CATEGORIES = {"findings": 2, "iam": 3}
TYPES: dict[str, type] = {
    "string_t": str, "username_t": str, "hostname_t": str, "url_t": str, "email_t": str,
    "integer_t": int, "long_t": int, "timestamp_t": int, "boolean_t": bool,
}  # fmt: skip


@cache
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files("ocsf").joinpath(f"schemas/v{VERSION.replace('.', '_')}.json").read_text())
    assert found["version"] == VERSION
    return found


def wrong(event: dict[str, Any]) -> list[str]:
    """What the schema has against this event."""
    for name, one in schema()["events"].items():
        category = CATEGORIES.get(_inherited("events", name, "category"))
        if category and event.get("class_uid") == category * 1000 + one.get("uid", -1):
            break
    else:
        return [f"There is no class {event.get('class_uid')}."]
    attributes = {**{key: {"requirement": need} for key, need in SHARED.items()}, **_attributes("events", name)}
    for profile in event.get("metadata", {}).get("profiles", ()):
        attributes |= {key: {"requirement": need} for key, need in PROFILES[profile].items()}
    found = _members(event, attributes, "")
    found += _constraints(event, _inherited("events", name, "constraints") or {}, name)
    if event.get("category_uid") != category:
        found.append(f"Its category is not {category}.")
    if event.get("type_uid") != event["class_uid"] * 100 + event.get("activity_id", -1):
        found.append("Its type_uid does not fit class and activity.")
    return found


def _members(value: dict[str, Any], attributes: dict[str, Any], where: str) -> list[str]:
    found = [f"{where}{name} is not an attribute of it." for name in value if name not in attributes]
    for name, said in attributes.items():
        if name not in value:
            if said.get("requirement") == "required":
                found.append(f"{where}{name} is missing.")
            continue
        known = schema()["dictionary"]["attributes"][name]
        many = known.get("is_array", False)
        if many != isinstance(value[name], list):
            found.append(f"{where}{name} is {'no' if many else 'a'} list.")
            continue
        enum = {**known.get("enum", {}), **said.get("enum", {})}
        for one in value[name] if many else [value[name]]:
            found += _one(one, known["type"], enum, f"{where}{name}")
    return found


def _one(value: Any, kind: str, enum: dict[str, Any], where: str) -> list[str]:
    if kind == "object":
        return [] if isinstance(value, dict) else [f"{where} is no object."]
    if kind in TYPES:
        if type(value) is not TYPES[kind]:
            return [f"{where} is no {kind}."]
        return [f"{where} can't be {value}."] if enum and str(value) not in enum else []
    if not isinstance(value, dict):
        return [f"{where} is no {kind}."]
    return _members(value, _attributes("objects", kind), f"{where}.") + _constraints(
        value, _inherited("objects", kind, "constraints") or {}, where
    )


def _constraints(value: dict[str, Any], rules: dict[str, list[str]], where: str) -> list[str]:
    found = []
    for rule, names in rules.items():
        there = sum(name in value for name in names)
        if (rule == "at_least_one" and not there) or (rule == "just_one" and there != 1):
            found.append(f"{where} has {there} of {', '.join(names)}.")
    return found


def _attributes(part: str, name: str) -> dict[str, Any]:
    """With those that it inherits; what says nothing new about one leaves its requirement."""
    one = schema()[part].get(name)
    if one is None or name == "object":
        return {}
    found = _attributes(part, one["extends"]) if "extends" in one else {}
    for key, said in one["attributes"].items():
        if key != "$include":
            found[key] = {**found.get(key, {}), **said}
    return found


def _inherited(part: str, name: str, member: str) -> Any:
    one = schema()[part].get(name)
    while one is not None:
        if member in one:
            return one[member]
        one = schema()[part].get(one.get("extends", ""))
    return None
