"""The front end in the SSH door: the story typed as `ssh gate …`, through the real steps and views."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from breakglass.errors import BadSignature, Forbidden, Malformed, NotFound, SelfApproval, WrongState
from breakglass.flow import approve
from breakglass.gateway.desk import Caller
from breakglass.gateway.gate import HELP, Gate, _text_and_signature
from breakglass.model.ids import RequestId
from breakglass.trust.statement import Kind, parse
from tests.authenticator import Passkey
from tests.kit import Town


class Line:
    """`ssh gate …` of one town."""

    def __init__(self, town: Town) -> None:
        self.town, self.gate = town, Gate(town.store, town.estate, town.services())

    async def __call__(self, login: str, command: str, stdin: str | bytes = b"") -> str:
        async def read() -> bytes:
            return stdin.encode() if isinstance(stdin, str) else stdin

        key = self.town.people[login].key
        caller = Caller(login=login, person=f"usr_{login}", key=key, from_address="192.0.2.1")
        code, out, err = await self.gate.run(caller, command.split(), read)
        assert code == 0
        assert err == ("" if command else HELP)
        return out

    async def ask(self) -> str:
        out = await self("alice", "request db1 idp-down 30m Sign-in is down")
        return out.split()[0]


@pytest.fixture
async def town(tmp_path: Path, database: str) -> AsyncIterator[Town]:
    async with Town.found(tmp_path, database=database) as town:
        yield town


@pytest.fixture
def ssh(town: Town) -> Line:
    return Line(town)


async def test_the_story_with_ssh_alone(town: Town, ssh: Line) -> None:
    out = await ssh("alice", "request db1 idp-down 30m Sign-in is down since 03:15")
    id = out.split()[0]
    assert "0 of 2 approvals. Waiting for 1 of responders (Bo, Dana)" in out
    assert "Reason:    Sign-in is down since 03:15" in out
    assert out.endswith("Playbook:\n  Call somebody first.\n  Then ask.\n")
    assert f"Decide about {id}: Alice asks for root on db1." in await ssh("bo", "status")

    for login in ("bo", "dana"):
        text = await ssh(login, f"statement {id}")
        assert parse(text).text() == text  # exactly the text, and nothing else
        out = await ssh(login, f"approve {id}", town.people[login].sign(text))
    assert out.startswith(f"{id}  approved\nApproved by Bo, Dana. The grant opens in a moment")

    grant = await town.grant(id)
    assert "Connect: ssh alice+db1@gate.example.test -p 2222" in await ssh("alice", "")
    session = await town.session()
    assert session in await ssh("dana", "sessions")
    assert (await ssh("alice", "close")).startswith(f"{grant}  The grant for root on db1 is closed.")
    assert "Am I in?               No." in await ssh("alice", "status")
    assert id in await ssh("alice", "list")
    assert "Alice asks for root on db1 for 30 minutes" in await ssh("alice", f"show {id}")


async def test_what_is_shown_and_signed_offline_comes_back_in_one_file(town: Town, ssh: Line) -> None:
    id = await ssh.ask()
    text = await ssh("dana", f"statement {id}")
    carried = text + town.people["dana"].sign(text)
    out = await ssh("alice", f"approve {id}", carried)  # the requester may carry it: it counts for who signed
    assert "1 of 2 approvals" in out
    with pytest.raises(BadSignature):
        await ssh("alice", f"approve {id}", carried.replace("1800 seconds", "1801 seconds"))


async def test_a_passkeys_signature_comes_back_in_one_file_too(tmp_path: Path) -> None:
    phone = Passkey("dana")
    async with Town.found(tmp_path, passkeys={"dana": phone}) as town:
        ssh = Line(town)
        id = await ssh.ask()
        dana = replace(town.actor("dana"), key=phone.fingerprint)
        offered = await town.store.run(dana, approve.offer, town.estate.chain, RequestId(id), Kind.APPROVE)
        text = offered.value.text()
        carried = phone.sign(text).text + phone.sign(text).signature
        with pytest.raises(BadSignature, match="another text"):
            await ssh("alice", f"approve {id}", carried.replace("1800 seconds", "1801 seconds"))
        assert "1 of 2 approvals" in await ssh("alice", f"approve {id}", carried)


@pytest.mark.parametrize("label", ["SSH SIGNATURE", "WEBAUTHN ASSERTION"])
def test_where_a_signature_begins(label: str) -> None:
    begin = f"-----BEGIN {label}-----\nAAAA\n"
    assert _text_and_signature(begin.encode(), "") == (None, begin)
    assert _text_and_signature(f"a text\n{begin}".encode(), "") == ("a text\n", begin)
    inside = f"reason: -----BEGIN {label}-----\n"
    assert _text_and_signature(f"{inside}{begin}".encode(), "") == (inside, begin)
    with pytest.raises(Malformed, match="No signature"):
        _text_and_signature(inside.encode(), "statement x")


async def test_denying_cancelling_and_killing(town: Town, ssh: Line) -> None:
    id = await ssh.ask()
    text = await ssh("dana", f"statement {id} deny There is no emergency")
    assert parse(text).facts["reason"] == "There is no emergency"
    assert (await ssh("dana", f"deny {id}", town.people["dana"].sign(text))).startswith(f"{id}  denied\nDenied.")
    id = await ssh.ask()
    assert "Withdrawn" in await ssh("alice", f"cancel {id}")
    await town.granted()
    session = await town.session()
    assert "is being cut" in await ssh("dana", f"kill {session} Wrong host")
    with pytest.raises(Malformed):
        await ssh("dana", f"kill {session}")


async def test_how_a_request_may_be_typed(town: Town, ssh: Line) -> None:
    for command, place in (
        ("request ops+plc cnd_idp-down 1h30m It stands still", "ops@plc"),
        ("request root+plc idp-down --for 90m It stands still", "root@plc"),
        ("request db1 --condition cnd_idp-down --for=90 It stands still", "root@db1"),
    ):
        out = await ssh("bo", command)
        assert f"What:      {place}" in out
        assert "For:       90 minutes" in out
        assert "Reason:    It stands still" in out
        await ssh("bo", f"cancel {out.split()[0]}")
    out = await ssh("bo", "request plc --account ops --reason=Down --condition=idp-down --for 2h")
    assert "What:      ops@plc" in out
    assert "Reason:    Down" in out


async def test_what_is_refused(town: Town, ssh: Line) -> None:
    id = await ssh.ask()
    refused: list[tuple[str, str, str, type[Exception]]] = [
        ("alice", "frobnicate", "", Malformed),
        ("alice", "request", "", Malformed),
        ("alice", "request db1 idp-down 30m", "", Malformed),
        ("alice", "request db1 idp-down soon It is down", "", Malformed),
        ("alice", "request db1 idp-down It is down --for", "", Malformed),
        ("alice", "request db9 idp-down 30m It is down", "", NotFound),
        ("alice", "request db1 bored 30m It is down", "", NotFound),
        ("dana", "request db1 idp-down 30m It is down", "", Forbidden),
        ("alice", "show", "", Malformed),
        ("alice", "show grt_1", "", Malformed),
        ("alice", "show req_1 req_2", "", Malformed),
        ("alice", "show req_1", "", NotFound),
        ("alice", f"statement {id}", "", Forbidden),
        ("bo", f"statement {id} perhaps", "", Malformed),
        ("bo", f"approve {id}", "", Malformed),
        ("bo", f"approve {id}", "garbage", Malformed),
        ("alice", "close", "", NotFound),
        ("alice", f"close {id}", "", WrongState),
        ("alice", "close grt_1", "", NotFound),
        ("ivy", f"cancel {id}", "", Forbidden),
    ]
    for login, command, stdin, error in refused:
        with pytest.raises(error) as raised:
            await ssh(login, command, stdin)
        assert getattr(raised.value, "what_to_do", ""), command
    with pytest.raises(Malformed):
        await ssh("bo", f"approve {id}", b"\xff\xfe")
    mine = (await ssh("bo", "request plc idp-down 30m x".replace("plc", "ops+plc"))).split()[0]
    with pytest.raises(SelfApproval):
        await ssh("bo", f"statement {mine}")


async def test_a_key_that_the_roster_dropped_is_nobody(town: Town, ssh: Line) -> None:
    stranger = Caller(login="alice", person="usr_alice", key=town.people["bo"].key, from_address="")

    async def nothing() -> bytes:
        return b""

    with pytest.raises(Forbidden):
        await ssh.gate.run(stranger, ["status"], nothing)


async def test_a_sealed_vault_is_said_loudly(town: Town, ssh: Line) -> None:
    town.vault.seal()
    assert "THE VAULT IS SEALED" in await ssh("alice", "status")
    assert "What's next?           Unseal the vault" in await ssh("carol", "status")
