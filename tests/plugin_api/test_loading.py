"""Only what the configuration names is loaded, and what is wrong there is said."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakglass.errors import BreakglassError, Malformed, NotFound
from breakglass.plugin_api.loading import load

ROTATOR = """
class Mine:
    name = {name!r}
    async def change(self, place, current, new): ...
    async def works(self, place, secret): ...
    async def end_remains(self, place, secret): ...

def plugin():
    return Mine()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("bgt_"):
            del sys.modules[name]


def test_ours_are_loaded() -> None:
    plugins = load(["breakglass.plugins.linux_password", "breakglass.plugins.apprise_notifier"])
    assert plugins.rotators.keys() == {"linux-password"}
    assert plugins.notifiers.keys() == {"apprise"}


def test_anybodys_are_loaded_like_ours(folder: Path) -> None:
    (folder / "bgt_mine.py").write_text(ROTATOR.format(name="mine"))
    (folder / "bgt_other.py").write_text(ROTATOR.format(name="other"))
    assert load(["bgt_mine"]).rotators.keys() == {"mine"}
    assert "bgt_other" not in sys.modules


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (None, NotFound, "'bgt_it' can't be loaded."),
        ("import bgt_lacking_part", NotFound, "it needs bgt_lacking_part"),
        ("x = 1", Malformed, "no function `plugin`"),
        ("plugin = 1", Malformed, "no function `plugin`"),
        ("def plugin(): return 1", Malformed, "neither a rotator nor a notifier"),
        ("class P:\n    name = 'p'\ndef plugin(): return P()", Malformed, "neither"),
        (ROTATOR.format(name="mine"), Malformed, "another plugin is called 'mine'"),
    ],
)
def test_what_is_wrong_is_said(folder: Path, content: str | None, kind: type[BreakglassError], words: str) -> None:
    (folder / "bgt_mine.py").write_text(ROTATOR.format(name="mine"))
    if content is not None:
        (folder / "bgt_it.py").write_text(content)
    with pytest.raises(kind) as found:
        load(["bgt_mine", "bgt_it"])
    assert words in found.value.message
    assert "breakglass.toml" in found.value.what_to_do


@pytest.mark.parametrize("name", ["", ".relative", "no such module", "bgt_nowhere.inside"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises((Malformed, NotFound)):
        load([name])
