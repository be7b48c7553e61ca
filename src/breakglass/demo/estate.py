"""The demo's estate: one plant, one host, one account, six people."""

from collections.abc import Mapping
from typing import Any

PEOPLE: Mapping[str, tuple[str, str, list[str], list[str]]] = {
    "alice": ("Alice Moreau", "Plant engineering", ["requester"], []),
    "bo": ("Bo Lindqvist", "Platform", ["approver", "requester"], ["responders"]),
    "dana": ("Dana Okafor", "Security", ["approver"], ["responders", "security"]),
    "carol": ("Carol Reyes", "Security", ["custodian", "administrator"], ["custodians"]),
    "cem": ("Cem Aydin", "Finance", ["custodian"], ["custodians"]),
    "ivy": ("Ivy Tanaka", "Internal audit", ["auditor"], []),
}
"""Login -> name, department, roles, groups."""

PLAYBOOK = """\
Confirm: call the control room (they see the same alarm), and the identity team: is sign-in really down?
1. Ask for plant-db1 with what you know: since when, what it stops.
2. Connect, read /srv/coldstore/README, then `systemctl status coldstore`.
3. Do the least that helps. Say what you do: it is recorded and will be reviewed.
4. Close the access as soon as the historian runs.
Do not: change passwords by hand, copy data off the host, stay logged in to watch."""


def estate(publics: Mapping[str, str], *, host_key: str, port: int) -> dict[str, Any]:
    """As `estate.yaml` would say it."""
    people = {
        f"usr_{login}": {
            "login": login,
            "name": name,
            "department": department,
            "roles": roles,
            "groups": groups,
            "keys": [{"label": "demo key", "public": publics[login]}],
        }
        for login, (name, department, roles, groups) in PEOPLE.items()
    }
    return {
        "changes": [{"group": "custodians", "count": 2}],
        "groups": ["custodians", "responders", "security"],
        "people": people,
        "domains": {"dom_plant": {"name": "Cold store 2"}},
        "targets": {
            "tgt_plant-db1": {
                "name": "plant-db1",
                "domain": "dom_plant",
                "environment": "plant",
                "protocol": "ssh",
                "host": "127.0.0.1",
                "port": port,
                "host_key": host_key,
            }
        },
        "accounts": {
            "acc_plant-db1-root": {
                "name": "root",
                "target": "tgt_plant-db1",
                "username": "root",
                "justification": "The plant's directory can be down while the cold store must run.",
                "scenario": "Identity provider or MFA down, or every administrator locked out.",
                "policy": "pol_dual",
                "rotator": "linux-password",
                "rotator_options": {"become": "none"},
                "rotate_at": "login",
            }
        },
        "conditions": {
            "cnd_idp-down": {"title": "The identity provider is down", "playbook": PLAYBOOK},
            "cnd_safety": {"title": "Product or people are at risk", "playbook": PLAYBOOK},
        },
        "policies": {
            "pol_dual": {
                "quorum": [{"group": "responders", "count": 1}, {"group": "security", "count": 1}],
                "max_seconds": 4 * 3600,
                "decide_seconds": 3600,
                "permissions": ["shell", "exec", "sftp"],
            }
        },
    }
