"""An emergency condition: what must be true for access to be asked for, and the playbook that opens beside it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    id: str
    title: str
    playbook: str
    """Plain text: confirm the emergency, the steps, whom to call, what not to do."""
