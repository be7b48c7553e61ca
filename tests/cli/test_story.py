"""The emergency from the command line: real keys, stock ssh-keygen, the API on loopback."""

import asyncio
import stat
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from breakglass.cli.options import Options
from breakglass.cli.signing import sign_statement
from breakglass.errors import Malformed, Tampered
from breakglass.model.request import Approval
from tests.cli.conftest import Shell
from tests.kit import ACCOUNT, CONDITION, Town

ASK = ("request", "db1", "--condition", CONDITION, "--reason", "Sign-in is down.", "--for", "30m")


async def test_the_story(town: Town, run: Shell, tmp_path: Path) -> None:
    asked = await run("alice", *ASK, "--json")
    id = asked.json["request"]["id"]
    assert f"approve {id}" in (await run("bo", "status")).out

    shown = await run("bo", "approve", id, "--yes")
    assert f"subject: {id}\n" in shown.err  # the whole text is shown before it is signed
    assert "1 of 2 approvals. Waiting for 1 of security" in shown.out
    again = await run("bo", "approve", id, "--yes", expect=1)
    assert again.err == "You have approved this request before.\nWhat to do: Nothing: your approval counts.\n"

    # Offline: the text goes out, the signature is made elsewhere with stock ssh-keygen, and somebody brings both.
    text = (await run("dana", "statement", id)).out
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", "breakglass", "-f", str(run.keys["dana"])]
    made = await asyncio.to_thread(subprocess.run, sign, input=text.encode(), capture_output=True, check=True)
    (tmp_path / "text").write_text(text)
    brought = ["approve", id, "--signature", "-", "--text", str(tmp_path / "text")]
    assert (await run("alice", *brought, stdin=made.stdout.decode())).out.startswith(f"{id}  approved\n")

    grant = await town.grant(id)
    home = (await run("alice", "status", "--json")).json
    assert home["grants"][0]["connect"] == "ssh alice+db1@gate.example.test -p 2222"
    session = await town.session()
    assert session in (await run("dana", "sessions", "--live")).out
    assert (await run("alice", "close", id)).out.startswith(f"{grant}  The grant for root on db1 is closed.")
    await town.end_session(session)
    assert "is owed" in (await run("carol", "rotate")).out
    await town.rotate()
    assert (await run("carol", "rotate", "list")).out == "No password change is owed.\n"

    cast = tmp_path / "session.cast"
    await run("ivy", "recording", "export", session, "-o", str(cast), "--yes")
    assert cast.read_bytes() == b'{"version": 3}\n'
    assert stat.S_IMODE(cast.stat().st_mode) == 0o600
    await run("ivy", "recording", "export", session, "-o", str(cast), "--yes", expect=2)
    assert (await run("ivy", "recording", "export", session, "-o", "-", "--yes")).out == '{"version": 3}\n'

    [review] = (await run("ivy", "review", "--json")).json
    assert "[x] You replayed every recording" in (await run("ivy", "review", "show", review["id"])).out
    judged = ["review", "sign", review["id"], "--classification", "emergency", "--summary", "Restarted it."]
    refused = await run("ivy", *judged, "--yes", expect=1)
    assert refused.err.startswith("Still open: The ticket tells the story.")
    assert "Ivy has replayed the recording." in (await run("alice", "request", "show", id)).out
    assert "grant.opened" in (await run("ivy", "audit", "tail", "-n", "500", "--kind", "grant.")).out
    assert "proven by" in (await run("ivy", "audit", "show", "0")).out


async def test_nobody_signs_without_reading(town: Town, run: Shell) -> None:
    id = (await run("alice", *ASK, "--json")).json["request"]["id"]
    unread = await run("bo", "approve", id, expect=2)
    assert "repeat the command with --yes" in unread.err
    assert await town.store.read(lambda look: len(look.find(Approval))) == 0
    await run("dana", "deny", id, "--reason", "No emergency", "--yes")
    assert "Denied." in (await run("alice", "request", "show", id)).out


async def test_a_text_about_something_else_is_not_signed(town: Town, run: Shell) -> None:
    id = (await run("alice", *ASK, "--json")).json["request"]["id"]
    text = await town.statement("bo", id)
    options = Options(identity=str(run.keys["bo"]))
    for kind, subject in (("deny", id), ("approve", "req_other")):
        with pytest.raises(Tampered, match="The server sent a text about"):
            sign_statement(options, text, kind=kind, subject=subject, yes=True)
    hidden = text.replace("Sign-in", "Sign\u202e-in")
    with pytest.raises(Malformed, match="can't be seen"):
        sign_statement(options, hidden, kind="approve", subject=id, yes=True)


async def test_secrets_come_from_files_and_stdin(town: Town, run: Shell, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("A-new-Secret-1\n")
    stored = await run("carol", "estate", "store", "db1", "--file", str(tmp_path / "secret"))
    assert stored.out == f"Stored as version 3 of {ACCOUNT}; it is being changed now.\n"
    await run("carol", "estate", "store", "ops+plc", stdin="Another-Secret-2\n")
    await run("carol", "estate", "store", "plc", stdin="x", expect=3)  # two accounts there
    await run("carol", "estate", "store", "db1", stdin="", expect=2)
    await run("alice", "estate", "store", "db1", stdin="x", expect=4)
    assert "A-new-Secret-1" not in (await run("carol", "estate")).out

    assert (await run("carol", "seal", "--yes")).out.startswith("The vault is SEALED")
    await run("carol", "estate", "store", "db1", stdin="x", expect=6)
    assert "SEALED" in (await run("", "status")).out
    one = await run("carol", "unseal", stdin=town.shares[1] + "\n")
    assert one.out.startswith("The vault is SEALED: 1 of 2 shares were entered")
    (tmp_path / "share").write_text(town.shares[0])
    two = await run("cem", "unseal", "--file", str(tmp_path / "share"), "--json")
    assert two.json["sealed"] is False


async def test_the_estate_is_changed_by_a_file_that_people_sign(town: Town, run: Shell, tmp_path: Path) -> None:
    town.clock.at = datetime.now(UTC)
    text = (await run("adam", "estate", "show", "--yaml")).out
    (tmp_path / "estate.yaml").write_text(text.replace("The directory is down", "The directory fails"))
    made = await run("adam", "estate", "propose", str(tmp_path / "estate.yaml"))
    assert "conditions cnd_idp-down altered" in made.out
    id = made.out.split()[0]
    assert (await run("carol", "estate", "statement", id)).out.startswith("breakglass-statement-v1\nkind: roster\n")
    assert (await run("carol", "estate", "sign", id, "--yes")).out == "Signed. Others must still sign it.\n"
    assert "Still needs: 1 of custodians." in (await run("adam", "estate", "proposals")).out
    assert (await run("cem", "estate", "sign", id, "--yes")).out == "Version 1 holds now.\n"
    assert "The directory fails" in (await run("alice", "estate")).out


async def test_a_sign_in_is_kept_for_its_owner_only_and_renewed(town: Town, run: Shell, tmp_path: Path) -> None:
    await run("alice", "status")
    [kept] = (tmp_path / "cache" / "breakglass" / "tokens").iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    first = kept.read_text()
    await run("alice", "status")
    assert kept.read_text() == first
    town.clock.go(minutes=31)
    await run("alice", "status")
    second = kept.read_text()
    assert second != first
    kept.chmod(0o644)  # others may have seen it
    await run("alice", "status")
    assert kept.read_text() != second
    await run("bo", "status")
    assert len(list(kept.parent.iterdir())) == 2


async def test_who_one_is_must_be_told(run: Shell) -> None:
    told = await run("", "sessions", expect=4)
    assert "--identity FILE" in told.err
    wrong = await run.bare(
        "--home", str(run.home), "--login", "alice", "--identity", str(run.keys["bo"]), "status", expect=4
    )
    assert "not known together" in wrong.err
    await run.bare("--home", str(run.home), "--login", "alice", "--identity", "/nonexistent", "status", expect=2)


async def test_a_public_key_file_signs_through_an_agent(town: Town, run: Shell, tmp_path: Path) -> None:
    """The private half stands in the agent only, as it does on a token."""
    agent = await asyncio.create_subprocess_exec(
        "ssh-agent", "-D", "-a", str(tmp_path / "agent"), stdout=asyncio.subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            if (tmp_path / "agent").exists():
                break
            await asyncio.sleep(0.02)
        run._patch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        key = run.keys["alice"]
        await asyncio.to_thread(subprocess.run, ["ssh-add", "-q", str(key)], check=True)
        key.unlink()
        public = str(key.with_suffix(".pub"))
        home = await run.bare("--home", str(run.home), "--login", "alice", "--identity", public, "status")
        assert home.out.startswith("Alice (requester)\n")
    finally:
        agent.terminate()
        await agent.wait()
