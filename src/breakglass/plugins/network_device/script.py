"""A script of prompts, as an account's options have it."""

from dataclasses import dataclass

from breakglass.errors import Malformed
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import ChangeRefused, Place

_BETWEEN, _ARROW = " ;; ", " => "
_STEPS = 40


@dataclass(frozen=True, slots=True)
class Step:
    expect: bytes
    type: str
    """Without the line end; holds `{new}` where the secret goes."""

    @property
    def sends_secret(self) -> bool:
        return "{new}" in self.type

    def line(self, username: str, new: Secret) -> bytes:
        return self.type.replace("{username}", username).encode().replace(b"{new}", new.reveal()) + b"\n"


@dataclass(frozen=True, slots=True)
class Script:
    steps: tuple[Step, ...]
    done: bytes
    refused: tuple[bytes, ...]


def script_of(place: Place) -> Script:
    """Raises `Malformed` for options that are no script."""
    parts = place.options.get("script", "").split(_BETWEEN)
    steps = [part.partition(_ARROW) for part in parts[:-1]]
    last = parts[-1].strip()
    right = 0 < len(steps) <= _STEPS and all(expect.strip() and arrow for expect, arrow, _ in steps)
    secret = sum("{new}" in typed for _, _, typed in steps)
    if not right or not secret or not last or _ARROW.strip() in last:
        raise Malformed(
            "The rotator option `script` is no script of prompts.",
            what_to_do="Write `EXPECT => TYPE ;; EXPECT => TYPE ;; EXPECT`, with {new} in one TYPE at least.",
            about=place.username,
        )
    refused = place.options.get("refused", "")
    return Script(
        tuple(Step(expect.strip().encode(), typed.strip()) for expect, _, typed in steps),
        last.encode(),
        tuple(one.strip().encode() for one in refused.split(_BETWEEN) if one.strip()),
    )


def must_be_typable(place: Place, new: Secret) -> None:
    """What a person could type on one line, and a device does not take for something else."""
    value = new.reveal()
    if not value or any(byte <= 0x20 or byte in b"?\x7f\"'\\" for byte in value):
        raise ChangeRefused(
            "This new password can't be typed at a device's prompt: it is empty, or has a space, ?, a quote or a "
            "control character in it.",
            what_to_do="Change the account's password rules to letters, digits and -_.+=",
            about=place.username,
        )
