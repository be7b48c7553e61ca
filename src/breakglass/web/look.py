"""How values become HTML: Jinja2 with everything escaped, an undefined name is an error, and a few small filters."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from breakglass.views import say
from breakglass.web.devices import device
from breakglass.web.icons import HERE, icon, inlined
from breakglass.web.static_files import StaticFiles
from breakglass.web.story import STOPPED_KINDS

ENVIRONMENTS = {"production": "production", "plant": "ot", "test": "test", "drill": "drill"}
"""The style of each kind of environment; one that has none looks like production, the safe mistake."""


BECAUSE = {
    "login": "After a login",
    "close": "After the end of a use",
    "demand": "A custodian demanded it",
    "deposit": "People have seen the stored one",
    "suspicion": "Somebody may know it",
    "schedule": "By its schedule",
    "dependent": "An account that it depends on changed",
    "dormant": "It should be disabled between uses, or no more",
}


_NUMBER = re.compile(r"^[0-9]{1,2}[.)] +")


class Look:
    def __init__(self, files: StaticFiles) -> None:
        self._files = files
        self._jinja = Environment(
            loader=PackageLoader("breakglass.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._jinja.globals |= {
            "icon": icon,
            "icons_here": Markup(HERE),  # noqa: S704 (ours)
            "file": files.address,
            "script": self._script,
            "sheet": self._sheet,
            "stopped_kinds": STOPPED_KINDS,
            "because": BECAUSE,
            "csrf": "",
            "demo": None,
            "demo_sign": _nobody,
        }
        self._jinja.filters |= {
            "at": at, "clock": clock, "day": day, "iso": iso, "span": say.span, "where": say.where, "short": short,
            "env_class": lambda name: ENVIRONMENTS.get(name, "production"), "code_lines": statement_lines,
            "names": say.names, "playbook": playbook, "code_words": code_words, "device": device,
            "shares_are": say.shares_are,
        }  # fmt: skip

    def render(self, template: str, **facts: Any) -> str:
        return inlined(self._jinja.get_template(template).render(**facts))

    def _script(self, name: str) -> Markup:
        """The tag for a bundle; nothing while it is not built."""
        if not self._files.has(f"{name}.js"):
            return Markup("")
        return Markup('<script type="module" src="{}"></script>').format(self._files.address(f"{name}.js"))

    def sign_with(self, demo_sign: Callable[[str, str], str]) -> None:
        """In a demo: how a page gets a signature by a demo person's key (person, text)."""
        self._jinja.globals["demo_sign"] = demo_sign

    def _sheet(self, name: str) -> Markup:
        """The same for what a bundle brings to look at."""
        if not self._files.has(f"{name}.css"):
            return Markup("")
        return Markup('<link rel="stylesheet" href="{}">').format(self._files.address(f"{name}.css"))


def _nobody(person: str, text: str) -> str:
    return ""


def iso(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(at: datetime, text: str, kind: str) -> Markup:
    """UTC, as nobody's zone is known here; `page.mjs` shows the reader's own and keeps this as its title."""
    return Markup('<time datetime="{}" data-show="{}">{}</time>').format(iso(at), kind, text)


def at(instant: datetime | None, now: datetime) -> Markup:
    """`21:34 UTC`, with the day when that is not today's."""
    return Markup("") if instant is None else _time(instant, say.at(instant, now), "minute")


def clock(instant: datetime | None) -> Markup:
    """`21:34:05`, for where seconds prove something and the day stands elsewhere."""
    return Markup("") if instant is None else _time(instant, instant.astimezone(UTC).strftime("%H:%M:%S"), "second")


def day(instant: datetime | None) -> Markup:
    """`17 November 2026, 21:34 UTC`."""
    if instant is None:
        return Markup("")
    utc = instant.astimezone(UTC)
    return _time(instant, f"{utc.day} {utc:%B %Y, %H:%M} UTC", "day")


def short(text: str, letters: int = 12) -> str:
    """The beginning of a long hash or id, for reading aloud."""
    return text if len(text) <= letters else f"{text[:letters]}…"


def statement_lines(text: str) -> list[tuple[str, str]]:
    """A signed text as (label, rest) a line; together they are the exact line."""
    found = []
    for line in text.removesuffix("\n").split("\n"):
        label, colon, rest = line.partition(": ")
        found.append((label + colon, rest) if colon else ("", line))
    return found


@dataclass(frozen=True, slots=True)
class Playbook:
    steps: list[str]
    donts: list[str]


def code_words(text: str) -> Markup:
    """What stands between two backticks is a command; a backtick alone stays one."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        parts[-2:] = [f"{parts[-2]}`{parts[-1]}"]
    code, words = Markup("<code>{}</code>"), Markup("{}")
    return Markup("").join((code if n % 2 else words).format(one) for n, one in enumerate(parts))


def playbook(text: str) -> Playbook:
    """A playbook's lines without their numbers (the page numbers them itself), and what it warns of apart."""
    lines = [_NUMBER.sub("", line.strip()) for line in text.splitlines() if line.strip()]
    donts = [line for line in lines if line.lower().startswith(("do not", "don't", "don’t", "never"))]
    return Playbook([line for line in lines if line not in donts], donts)
