"""Evidence at the command line: exported, verified, proven; and the verifier, printed and run by itself."""

import stat
import subprocess
import sys
from pathlib import Path

from breakglass.audit.export import export_tiles
from breakglass.codec import tlog_proof
from breakglass.config import Home
from tests.cli.conftest import Shell
from tests.kit import Town


async def test_evidence_is_exported_and_verified(town: Town, run: Shell, tmp_path: Path) -> None:
    request, grant = await town.granted()
    file = tmp_path / "evidence.json"
    await run("ivy", "evidence", "export", request, "-o", str(file), expect=1)  # the grant is open
    session = await town.session()
    await town.close(grant)
    await town.end_session(session)
    await run("alice", "evidence", "export", request, "-o", str(file), expect=4)
    await run("ivy", "evidence", "export", request, "-o", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    await run("ivy", "evidence", "export", request, "-o", str(file), expect=2)  # never over another file
    pin = town.settings.roster_pin
    held = await run.bare("evidence", "verify", str(file), "--roster-hash", pin)
    assert held.out.splitlines()[-1] == "verified"
    bad = await run.bare("evidence", "verify", str(file), "--roster-hash", "0" * 64, "--json", expect=7)
    assert bad.json["bad"] == "entry 0"
    await run.bare("evidence", "verify", str(file), "--roster-hash", "none", expect=2)

    (tmp_path / "verify_bundle.py").write_text((await run.bare("evidence", "verifier")).out)
    command = [sys.executable, "-I", str(tmp_path / "verify_bundle.py"), str(file), "--roster-hash", pin]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: ASYNC221
    assert ran.stdout.splitlines()[-1] == "verified", ran


async def test_one_entry_is_proven_and_the_log_is_filtered(town: Town, run: Shell, tmp_path: Path) -> None:
    await town.granted()
    printed = await run("ivy", "audit", "prove", "0")
    proof = tlog_proof.read(printed.out.encode())
    assert proof.index == 0
    assert (await run("ivy", "audit", "prove", "0", "--json")).json["entry"]["index"] == 0
    await run("ivy", "audit", "prove", "0", "-o", str(tmp_path / "0.tlog-proof"))
    assert tlog_proof.read((tmp_path / "0.tlog-proof").read_bytes()) == proof
    tail = await run("ivy", "audit", "tail", "-n", "500", "--by", "usr_bo", "--json")
    assert {one["by"] for one in tail.json} == {"usr_bo"}
    none = await run("ivy", "audit", "tail", "--until", "2020-01-01T00:00:00Z", "--json")
    assert none.json == []


async def test_an_export_is_verified_where_no_data_folder_is(town: Town, run: Shell, tmp_path: Path) -> None:
    tiles, pin = tmp_path / "tiles", town.settings.roster_pin
    export_tiles(f"sqlite:///{Home(town.folder).database}", tiles, pin=pin)
    held = await run.bare("audit", "verify", "--tiles", str(tiles), "--pin", pin, "--json")
    assert held.json["ok"]
    assert held.json["levels"]["row"] == "not checked"
    await run.bare("audit", "verify", "--tiles", str(tiles), expect=2)  # it comes from elsewhere
    await run.bare("audit", "verify", "--tiles", str(tmp_path / "none"), "--pin", pin, expect=3)
    (tiles / "checkpoint").write_bytes((tiles / "checkpoint").read_bytes().replace(b"\n\n", b"\n"))
    assert "BAD checkpoint" in (await run.bare("audit", "verify", "--tiles", str(tiles), "--pin", pin, expect=7)).out


async def test_an_auditor_and_a_custodian_have_values_erased(town: Town, run: Shell) -> None:
    request, grant = await town.granted()
    session = await town.session()
    await town.close(grant)
    await town.end_session(session, "a bad word")
    why = ("--because", "Asked for by law.", "--yes")
    there = (await run("ivy", "audit", "private", "--about", session, "--json")).json
    assert there[0]["data"]["from"] == "192.0.2.7"
    index = str(there[0]["index"])
    await run("alice", "audit", "private", expect=4)
    refused = await run("ivy", "audit", "erase", index, *why, expect=1)
    assert "when the review is signed" in refused.err
    asked = await town.ask("alice", "plc", account="root", reason="My name is Alice Smith, call me.")
    await run("alice", "request", "cancel", asked)
    [held] = (await run("carol", "audit", "private", "--about", asked, "--json")).json
    begun = await run("carol", "audit", "erase", str(held["index"]), *why)
    erasure = begun.out.strip().rpartition(" ")[2].strip("`.")
    assert "Nothing is erased yet" in begun.out
    await run("carol", "audit", "erase", "--erasure", erasure, *why, expect=1)
    assert "are erased" in (await run("ivy", "audit", "erase", "--erasure", erasure, "--yes")).out
    assert "(erased)" in (await run("ivy", "audit", "show", str(held["index"]))).out
    assert "Alice Smith" not in (await run("ivy", "request", "show", asked)).out
    assert "were erased" in (await run("ivy", "audit", "tail", "-n", "5")).out
    await town.verify()
    assert request
