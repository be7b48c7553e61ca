"""Icons: a page names them (`icon("check")`), and gets only those that it uses, inside itself: one request, no flash.

They are drawn in `static/icons.svg`, one `<symbol id="i-NAME">` each, always beside a word (`aria-hidden`).
"""

import re
from functools import cache

from markupsafe import Markup

from breakglass.web.static_files import FOLDER

HERE = "<!--icons-->"
"""Where the base template wants the symbols. Nothing that a person wrote can say this: it would be escaped."""
_SYMBOL = re.compile(r'<symbol id="(i-[a-z]+)".*?</symbol>', re.DOTALL)
_USED = re.compile(r'<use href="#(i-[a-z]+)"/>')


@cache
def symbols() -> dict[str, str]:
    return {found[1]: found[0] for found in _SYMBOL.finditer((FOLDER / "icons.svg").read_text())}


def icon(name: str) -> Markup:
    """Raises `KeyError` for one that is not drawn."""
    symbols()[f"i-{name}"]
    return Markup('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>').format(name)


def inlined(html: str) -> str:
    """The page with the symbols that it uses."""
    used = "".join(symbols()[id] for id in sorted(set(_USED.findall(html))))
    sprite = f'<svg class="sprite" aria-hidden="true" focusable="false">{used}</svg>' if used else ""
    return html.replace(HERE, sprite, 1)
