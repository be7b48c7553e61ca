"""Devices by their own names."""

import pytest

from breakglass.web.devices import device

GECKO = "AppleWebKit/537.36 (KHTML, like Gecko)"
KIT = "AppleWebKit/605.1.15 (KHTML, like Gecko)"


@pytest.mark.parametrize(
    ("agent", "shown"),
    [
        (f"Mozilla/5.0 (X11; Linux x86_64) {GECKO} HeadlessChrome/156.0.0.0 Safari/537.36", "Chrome 156 on Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {GECKO} Chrome/150.0.0.0 Safari/537.36 Edg/150.0.0.0",
         "Edge 150 on Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox 140 on Linux"),
        (f"Mozilla/5.0 (Linux; Android 10; K) {GECKO} Chrome/150.0.0.0 Mobile Safari/537.36", "Chrome 150 on Android"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) {KIT} Version/18.5 Mobile/15E148 Safari/604.1",
         "Safari 18 on iPhone"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {KIT} Version/26.0 Safari/605.1.15", "Safari 26 on macOS"),
        ("curl/8.14.1", "curl/8.14.1"),
        ("x" * 300, "x" * 60 + "…"),
        ("", "A program, or the command line"),
    ],
)  # fmt: skip
def test_people_know_their_own_devices(agent: str, shown: str) -> None:
    assert device(agent) == shown
