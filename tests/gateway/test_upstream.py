"""The gateway's own client: the pinned key only, the secret once, and errors that say what happened."""

import asyncio
import socket
import traceback
from dataclasses import replace

import asyncssh
import pytest

from breakglass.errors import HostKeyMismatch, Malformed, TargetDown
from breakglass.gateway.dial import Direct
from breakglass.gateway.upstream import CredentialRefused, open_upstream
from breakglass.model.secret import Secret
from tests.gateway.rig import PASSWORD, Target


@pytest.fixture
async def target():
    made = Target()
    await made.start()
    yield made
    await made.stop()


async def log_in(target: Target, secret: bytes = PASSWORD.encode(), **changes) -> None:
    endpoint = replace(target.endpoint, **changes)
    connection = await open_upstream(Direct(timeout=2), endpoint, "root", Secret(secret), timeout=3)
    assert secret.decode() not in repr(vars(connection))
    assert secret.decode() not in repr(vars(connection._options))
    connection.abort()
    await connection.wait_closed()


@pytest.mark.parametrize("how", ["password", "kbdint"])
async def test_a_password(target, how):
    target.takes = how
    await log_in(target)
    assert target.tried == [PASSWORD]


@pytest.mark.parametrize("how", ["password", "kbdint"])
async def test_a_wrong_password_is_tried_once_and_told_nowhere(target, how):
    target.takes, wrong = how, "Falsches.Wort"
    with pytest.raises(CredentialRefused) as caught:
        await log_in(target, wrong.encode())
    assert target.tried == [wrong]
    assert wrong not in "".join(traceback.format_exception(caught.value, chain=True))


@pytest.mark.parametrize("form", ["openssh", "pkcs8-pem"])
async def test_a_private_key(target, form):
    target.takes = "key"
    await log_in(target, target.client_key.export_private_key(form))


async def test_a_wrong_private_key(target):
    target.takes = "key"
    with pytest.raises(CredentialRefused):
        await log_in(target, asyncssh.generate_private_key("ssh-ed25519").export_private_key())


async def test_an_unreadable_private_key(target):
    target.takes = "key"
    with pytest.raises(Malformed, match="private key"):
        await log_in(target, b"-----BEGIN OPENSSH PRIVATE KEY-----\nrubbish\n-----END OPENSSH PRIVATE KEY-----\n")


async def test_a_secret_that_is_no_text(target):
    secret = Secret(bytes(range(250, 256)))
    with pytest.raises(Malformed) as caught:
        await open_upstream(Direct(), target.endpoint, "root", secret, timeout=3)
    assert "xff" not in "".join(traceback.format_exception(caught.value, chain=True))


async def test_a_demanded_change(target):
    target.demands_change = True
    with pytest.raises(CredentialRefused, match="demands a new password"):
        await log_in(target)


@pytest.mark.parametrize("kind", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
async def test_another_host_key_gets_no_secret(target, kind):
    other = " ".join(asyncssh.generate_private_key(kind).export_public_key().decode().split()[:2])
    with pytest.raises(HostKeyMismatch) as caught:
        await log_in(target, host_key=other)
    assert target.host_key.get_fingerprint() in caught.value.message
    assert target.tried == []


async def test_an_unreadable_pin(target):
    with pytest.raises(Malformed):
        await log_in(target, host_key="ssh-ed25519 AAAA")


async def test_nobody_listens(target):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TargetDown, match="can't be reached"):
        await log_in(target, port=port)


async def test_a_name_that_leads_nowhere(target):
    with pytest.raises(TargetDown, match="can't be reached"):
        await log_in(target, host="nowhere.invalid")


async def test_it_accepts_and_says_nothing(target):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = asyncio.get_running_loop().time()
        with pytest.raises(TargetDown, match="does not answer in time"):
            await open_upstream(
                Direct(), replace(target.endpoint, port=silent.getsockname()[1]), "root", Secret(b"x"), timeout=0.5
            )
        assert asyncio.get_running_loop().time() - began < 2


async def test_it_is_no_ssh_server(target):
    async def talk(reader, writer):
        writer.write(b"HTTP/1.1 400 \x1b[2JBad\r\n" * 2000)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    with pytest.raises(TargetDown) as caught:
        await log_in(target, port=server.sockets[0].getsockname()[1])
    assert "\x1b" not in caught.value.message
    server.close()
