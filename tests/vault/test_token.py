"""A hardware module turns a key and never gives its own; and whatever its library does, the vault goes on."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakglass.errors import BreakglassError, Malformed, NotFound, Refused, Unavailable
from breakglass.model.secret import Secret
from breakglass.vault import token as tokens
from breakglass.vault.pkcs11_slot import TokenKey
from breakglass.vault.token import Token
from tests.servers.softhsm import PIN, SoftHsm, running_softhsm
from tests.vault.libraries import CRASHES, HANGS, LIES, compiled

pytestmark = pytest.mark.server

AT = TokenKey(token="plant", key="breakglass")
KEY, IV = bytes(range(32)), bytes(range(16))


@pytest.fixture(name="hsm", scope="module")
def _hsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    with running_softhsm(tmp_path_factory.mktemp("hsm")) as found:
        yield found


def turned(token: Token, at: TokenKey = AT) -> bytes:
    return token.seal_key(at, Secret(KEY), IV)


def test_there_and_back_by_a_key_that_stays_in_the_token(hsm: SoftHsm) -> None:
    sealed = turned(hsm.token())
    assert sealed != KEY
    assert len(sealed) == 32
    for _ in range(2):  # each time another process
        with hsm.token().open_key(AT, sealed, IV) as key:
            assert key.reveal() == KEY
    with hsm.token().open_key(AT, sealed, bytes(16)) as key:
        assert key.reveal() != KEY
    assert turned(hsm.token()) == sealed  # the key that is there is used, none is made beside it
    listed = hsm.tool("--list-objects", "--type", "secrkey")
    assert listed.count("Secret Key Object") == 1
    assert "never extractable" in listed
    assert "sensitive" in listed


def test_another_tokens_key_gives_another_value(hsm: SoftHsm) -> None:
    hsm.add_token("other")
    sealed = turned(hsm.token())
    other = TokenKey(token="other", key="breakglass")
    turned(hsm.token(), other)
    with hsm.token().open_key(other, sealed, IV) as key:
        assert key.reveal() != KEY


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (TokenKey(token="nowhere", key="breakglass"), "no such token"),
        (TokenKey(token="plant", key="nowhere"), "no such key"),
    ],
)
def test_what_is_not_there(hsm: SoftHsm, at: TokenKey, why: str) -> None:
    with pytest.raises(Refused, match=why):
        hsm.token().open_key(at, KEY, IV)


def test_a_key_that_could_be_taken_out_is_refused(hsm: SoftHsm) -> None:
    hsm.tool("--keygen", "--key-type", "aes:32", "--label", "loose", "--extractable")
    with pytest.raises(Refused, match="taken out"):
        turned(hsm.token(), TokenKey(token="plant", key="loose"))


def test_two_keys_of_one_name_are_refused(hsm: SoftHsm) -> None:
    for _ in range(2):
        hsm.tool("--keygen", "--key-type", "aes:32", "--label", "twice", "--sensitive")
    with pytest.raises(Refused, match="several keys"):
        turned(hsm.token(), TokenKey(token="plant", key="twice"))


def test_a_pin_that_was_refused_is_not_tried_again(hsm: SoftHsm, tmp_path: Path, monkeypatch) -> None:
    pin = tmp_path / "pin"
    pin.touch(mode=0o600)
    pin.write_text("wrong-pin")
    token, real = Token(hsm.module, pin), tokens._run
    ran: list[float] = []

    def counted(question: bytearray, end: float) -> bytearray:
        ran.append(end)
        return real(question, end)

    monkeypatch.setattr(tokens, "_run", counted)
    for _ in range(3):
        with pytest.raises(Refused, match="refuses the PIN"):
            token.open_key(AT, KEY, IV)
    assert len(ran) == 1
    pin.write_text(PIN)
    turned(token)
    assert len(ran) == 2


def test_a_pin_file_for_others_or_without_a_pin(hsm: SoftHsm, tmp_path: Path) -> None:
    pin = tmp_path / "pin"
    for content, mode, error in (
        (PIN, 0o640, Refused),
        (PIN, 0o604, Refused),
        ("", 0o600, Malformed),
        ("a\nb", 0o600, Malformed),
        ("x" * 300, 0o600, Malformed),
    ):
        pin.unlink(missing_ok=True)
        pin.touch(mode=0o600)
        pin.write_text(content)
        pin.chmod(mode)
        with pytest.raises(error):
            turned(Token(hsm.module, pin))
    pin.unlink()
    with pytest.raises(NotFound):
        turned(Token(hsm.module, pin))


@pytest.mark.parametrize("what", ["missing", "text", "writable", "relative", "folder"])
def test_a_module_that_is_none_or_could_be_anybodys(hsm: SoftHsm, tmp_path: Path, what: str) -> None:
    module = tmp_path / "module.so"
    if what == "text":
        module.write_text("no library")
    elif what == "writable":
        module.write_bytes(hsm.module.read_bytes())
        module.chmod(0o666)
    elif what == "folder":
        module.mkdir()
    elif what == "relative":
        module = Path("libsofthsm2.so")
    with pytest.raises(Refused):
        turned(Token(module, hsm.pin_file))


@pytest.mark.parametrize("source", [HANGS, CRASHES, LIES], ids=["hangs", "crashes", "lies"])
def test_a_library_that_misbehaves(hsm: SoftHsm, tmp_path: Path, source: str) -> None:
    token, began = Token(compiled(tmp_path, source), hsm.pin_file), time.monotonic()
    with pytest.raises(BreakglassError) as caught:
        token.open_key(AT, KEY, IV, within=1.5)
    took = time.monotonic() - began
    assert isinstance(caught.value, Unavailable)
    assert took < 3
    if source == HANGS:
        assert "no answer within 1.5 s" in caught.value.message
        assert took >= 1.5
    assert not children_of(os.getpid())


def test_it_tells_nothing_of_the_pin(hsm: SoftHsm, tmp_path: Path, monkeypatch) -> None:
    """Neither the process's arguments nor its environment, while it holds the PIN."""
    seen: list[bytes] = []

    def looked(pipe: int, end: float) -> bytearray:
        while time.monotonic() < end:
            seen.extend(proc.read_bytes() for child in children_of(os.getpid()) for proc in shown(child))
            time.sleep(0.05)
        return bytearray()

    monkeypatch.setattr(tokens, "_answer", looked)
    with pytest.raises(Unavailable):
        Token(compiled(tmp_path, HANGS), hsm.pin_file).open_key(AT, KEY, IV, within=1)
    assert any(b"breakglass.vault.token_process" in one for one in seen)
    assert not any(PIN.encode() in one for one in seen)


def children_of(pid: int) -> list[int]:
    found = subprocess.run(
        ["pgrep", "-P", str(pid), "-f", "token_process"], check=False, capture_output=True, text=True, timeout=10
    )
    return [int(word) for word in found.stdout.split()]


def shown(pid: int) -> list[Path]:
    return [path for name in ("cmdline", "environ") if (path := Path(f"/proc/{pid}/{name}")).exists()]
