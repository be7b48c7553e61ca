"""Static files: named by their content, complete, and a build that is missing is said out loud."""

import gzip
import logging
from pathlib import Path

import pytest

from breakglass.web.icons import HERE, icon, inlined, symbols
from breakglass.web.static_files import FOLDER, StaticFiles


def test_a_name_holds_the_hash_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "a.css").write_text("a{}")
    first = StaticFiles(tmp_path).address("a.css")
    (tmp_path / "a.css").write_text("b{}")
    files = StaticFiles(tmp_path)
    assert files.address("a.css") != first
    assert files.find(first.removeprefix("/static/")) is None
    found = files.find(files.address("a.css").removeprefix("/static/"))
    assert found is not None
    assert gzip.decompress(found.zipped) == found.body == b"b{}"


def test_only_files_of_known_kinds_are_served(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("secret")
    files = StaticFiles(tmp_path)
    assert not files.has("key.pem")
    with pytest.raises(KeyError):
        files.address("key.pem")


def test_a_missing_build_says_what_to_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert not StaticFiles(tmp_path).built
    assert "make setup" in caplog.text


def test_the_build_is_there_and_names_its_licences() -> None:
    files = StaticFiles()
    assert files.built
    assert files.has("page.js")
    licences = (FOLDER / "built" / "licences.txt").read_text()
    assert "htmx.org" in licences
    assert "Permission to use, copy" in licences or "Zero-Clause" in licences


def test_the_style_sheets_ask_nobody_else() -> None:
    for name in ("tokens.css", "base.css"):
        text = (FOLDER / name).read_text()
        assert "url(" not in text
        assert "@import" not in text
        assert "gradient" not in text


def test_a_page_gets_the_icons_that_it_uses_once() -> None:
    page = inlined(f"{HERE}{icon('check')}{icon('check')}{icon('lock')}")
    assert page.count("<symbol") == 2
    assert inlined(f"{HERE}nothing") == "nothing"
    assert {"i-check", "i-stop", "i-rotate"} <= symbols().keys()
    with pytest.raises(KeyError):
        icon("rocket")
