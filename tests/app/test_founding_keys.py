"""Founding with passkeys in the estate: version 0 is signed with SSH keys, and nothing is made when there is none."""

from pathlib import Path
from typing import Any

import pytest

from breakglass.app import founding
from breakglass.config import Home
from breakglass.errors import Malformed
from breakglass.trust.statement import parse
from tests.audit.kit import ORIGIN, estate, fingerprint_of
from tests.authenticator import Passkey


def begun(home: Home, wanted: dict[str, Any]) -> founding.Begun:
    return founding.begin(home, wanted, origin=ORIGIN, k=2, n=3, key_file=home.path.with_name("seal.key"))


def test_the_statement_is_for_the_ssh_key_wherever_the_passkey_stands(tmp_path: Path) -> None:
    home, wanted = Home(tmp_path / "home"), estate()
    wanted["people"]["usr_eve"]["keys"].insert(0, Passkey("eve").entry())
    made = begun(home, wanted)
    assert {login: parse(path.read_text()).key for login, path in made.to_sign.items()} == {
        "eve": fingerprint_of("eve"),
        "finn": fingerprint_of("finn"),
    }


def test_a_custodian_without_an_ssh_key_is_named_before_anything_is_made(tmp_path: Path) -> None:
    home, wanted = Home(tmp_path / "home"), estate()
    wanted["people"]["usr_eve"]["keys"] = [Passkey("eve").entry()]
    with pytest.raises(Malformed, match="Eve has no SSH key"):
        begun(home, wanted)
    assert not home.vault.exists()
