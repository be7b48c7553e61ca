"""A kit on paper: a page with what to do, and the encrypted file as QR codes, for a safe without a stick."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from breakglass.errors import Malformed
from breakglass.vault.kit_box import MAGIC
from breakglass.vault.shares import set_name

PART = 900
"""Letters of the file in one code: a phone reads it from paper (QR version 22 or so, at error level M)."""


def parts_of(data: bytes) -> list[str]:
    """The file as texts for codes, each of which says what it is: `BGK1 7/1 2/6 …` is part 2 of 6 of kit 7, copy 1."""
    header = _header(data)
    text = urlsafe_b64encode(data).decode().rstrip("=")
    pieces = [text[start : start + PART] for start in range(0, len(text), PART)]
    name = f"BGK1 {header['number']}/{header['copy']}"
    return [f"{name} {n}/{len(pieces)} {piece}" for n, piece in enumerate(pieces, 1)]


def page_of(data: bytes, canary: str, codes: Sequence[str]) -> str:
    """HTML to print. `codes`: of each part, as SVG."""
    header = _header(data)
    [slot] = [one for one in json.loads(header["seal"])["slots"] if one["kind"] == "custodians"]
    page = Environment(autoescape=True, undefined=StrictUndefined).from_string(
        (files("breakglass.cli") / "kit_page.html").read_text()
    )
    return page.render(
        kit=header,
        needed=slot["k"],
        set=set_name(slot["set"]),
        hashed=sha256(data).hexdigest(),
        canary=canary,
        codes=[Markup(code) for code in codes],  # noqa: S704 (our own drawing)
    )


def _header(data: bytes) -> dict[str, str]:
    """Raises `Malformed` for what is no kit."""
    size = int.from_bytes(data[len(MAGIC) : len(MAGIC) + 4], "big")
    try:
        found: dict[str, str] = json.loads(data[len(MAGIC) + 4 : len(MAGIC) + 4 + size])
    except ValueError:
        found = {}
    if not data.startswith(MAGIC) or "seal" not in found:
        raise Malformed("This is no emergency kit.", what_to_do="Is it the right file?")
    return found
