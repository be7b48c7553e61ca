"""Shares in files: the page that people print, read by a scanner that is not ours; and keys that can't be used."""

import stat
import subprocess
from pathlib import Path

import pytest

from breakglass.cli.share_files import About, page, recipients, write_all
from breakglass.errors import Malformed
from breakglass.vault import share_text
from breakglass.vault.box import random_key
from breakglass.vault.shares import split
from tests.web.browser import chromium

ABOUT = About(origin="log.example.org", needed=2)
SSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFJ4x3ROp4NxLnfkpeuXx+38+x3hOlwYvcaSf/PvMjvN x"


def shares() -> list[str]:
    return [share_text.encode(one) for one in split(random_key(), 2, 3).shares]


@pytest.mark.server
async def test_a_scanner_reads_the_printed_page(tmp_path: Path) -> None:
    [share, *_] = shares()
    (tmp_path / "share.html").write_text(page(share, 1, 3, ABOUT))
    async with chromium() as browser:
        tab = await browser.new_page(viewport={"width": 900, "height": 1200})
        await tab.goto((tmp_path / "share.html").as_uri())
        assert (await tab.inner_text("ol.words")).split() == share.split()
        [code] = await tab.query_selector_all("svg")
        await code.screenshot(path=tmp_path / "code.png")
    assert share_text.normal(scanned(tmp_path / "code.png")) == share


def scanned(picture: Path) -> str:
    command = ["zbarimg", "--quiet", "--raw", "--oneshot", str(picture)]
    return subprocess.run(command, capture_output=True, timeout=20, check=True).stdout.decode()


def test_files_are_for_their_owner(tmp_path: Path) -> None:
    made = shares()
    assert write_all(tmp_path / "new", made, ABOUT, []) == tuple(made)
    files = sorted((tmp_path / "new").iterdir())
    assert [path.name for path in files] == [f"share-{n}.{end}" for n in (1, 2, 3) for end in ("html", "txt")]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    with pytest.raises(Malformed, match="can't be written"):
        write_all(tmp_path / "new", made, ABOUT, [])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([SSH], "3 shares, and 1 keys"),
        ([SSH, SSH, "age1nonsense"], "can't be encrypted to 'age1nonsense'"),
        ([SSH, SSH, "ssh-dss AAAA"], "can't be encrypted"),
        ([SSH, SSH, "sk-ssh-ed25519@openssh.com AAAA"], "is no key"),
        ([SSH, SSH, "/nowhere/key.pub"], "is no key"),
    ],
)
def test_keys_that_cannot_be_used(names: list[str], said: str) -> None:
    with pytest.raises(Malformed, match=said) as refused:
        recipients(names, 3)
    assert refused.value.what_to_do


def test_without_keys_there_are_none() -> None:
    assert recipients([], 3) == []
    assert len(recipients([SSH] * 3, 3)) == 3
