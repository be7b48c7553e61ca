"""QR codes as SVG in the page itself: nothing is fetched for one."""

import segno
from markupsafe import Markup

ERROR = "m"
"""Of its blocks, 15 % may be unreadable."""


def qr(text: str) -> Markup:
    """Dark on light in every theme: not every scanner reads the opposite."""
    made = segno.make(text, error=ERROR, micro=False)
    return Markup(made.svg_inline(scale=5, border=2, dark="#000", light="#fff", omitsize=True))  # noqa: S704 (ours)
