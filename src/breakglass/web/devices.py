"""The browser and system that a User-Agent header names (RFC 9110 section 10.1.5): people know their own devices.

It is what the browser says of itself: good enough to tell one's phone from one's laptop, never a proof.
"""

import re

_BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/(\d+)"),
    ("Opera", r"OPR/(\d+)"),
    ("Firefox", r"(?:Firefox|FxiOS)/(\d+)"),
    ("Chrome", r"(?:HeadlessChrome|Chrome|CriOS)/(\d+)"),
    ("Safari", r"Version/(\d+)\S* (?:Mobile/\S+ )?Safari/"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("ChromeOS", "CrOS"),
    ("Windows", "Windows NT"),
    ("macOS", "Mac OS X"),
    ("Linux", "Linux"),
)
SHOWN = 60


def device(agent: str) -> str:
    """`Firefox 140 on Windows`; what nobody knows is shown as it came, cut short."""
    if not agent:
        return "A program, or the command line"
    browser = next((f"{name} {found[1]}" for name, one in _BROWSERS if (found := re.search(one, agent))), "")
    system = next((name for name, mark in _SYSTEMS if mark in agent), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or (agent if len(agent) <= SHOWN else f"{agent[:SHOWN]}…")
