"""The settings file: what is refused when it is read, in words that say what to do."""

from pathlib import Path

import pytest

from breakglass.config import Home, read
from breakglass.errors import Malformed, NotFound

NEEDED = 'deployment = "dep_000000000001"\norigin = "log.example.org"\nroster_pin = "00"\n'


def home(folder: Path, text: str) -> Home:
    found = Home(folder)
    found.settings.write_text(text)
    return found


def test_where_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read(Home(tmp_path))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("port = [", "can't be read"),
        ('colour = "red"', "'colour'"),
        ("", "not complete"),
        (NEEDED + 'tsa = "https://tsa.example.org/tsr"', "'tsa_ca'"),
        (NEEDED + 'pkcs11_module = "/usr/lib/hsm.so"', "'pkcs11_pin_file'"),
        (NEEDED + 'vault_socket = "/run/v.sock"', "'vault_user'"),
        (NEEDED + 'vault_socket = "/run/v.sock"\nvault_user = "v"\nkey_file = "/etc/key"', "a service of its own"),
    ],
)
def test_what_is_refused(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(Malformed, match=named) as refused:
        read(home(tmp_path, text))
    assert refused.value.what_to_do
