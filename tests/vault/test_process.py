"""The real process over its socket: killed at its worst moments, full disks, strangers, what is left lying about."""

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from breakglass.errors import NotEntitled, Replayed, Sealed, Tampered, TooMany, Unavailable
from breakglass.model.ids import CredentialId
from breakglass.model.secret import Secret
from breakglass.vault.asking import Deposited
from breakglass.vault.client import VaultClient
from breakglass.vault.core import Vault
from breakglass.vault.server import Server
from breakglass.vault.shares import WrongShare
from tests.vault.rig import PLACE, StillClock, World, event, new_world

pytestmark = pytest.mark.slow

CANARY = b"canary-Kein-Mensch_sieht=mich"


class RealClock(StillClock):
    """The process looks at the real clock, so the node does too."""

    @property
    def at(self) -> datetime:
        return datetime.now(UTC)

    @at.setter
    def at(self, value: datetime) -> None:
        pass


class Running:
    """One vault process and a client of it."""

    def __init__(self, home: Path, *options: str, environment: dict[str, str] | None = None) -> None:
        self.home = home
        command = [sys.executable, "-m", "breakglass.vault", "--home", str(home), *options]
        self.log = (home / "stderr").open("ab")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.log, env={**os.environ, **(environment or {})}
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        self.ready = json.loads(line) if line else {}
        self.client = VaultClient(home / "run" / "vault.sock", timeout=10)

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def stop(self) -> int:
        self.process.terminate()
        return self.end()

    def end(self) -> int:
        code = self.process.wait(timeout=20)
        assert self.process.stdout
        self.process.stdout.close()
        self.log.close()
        self.client.close()
        return code


@contextmanager
def running(
    world: World, *options: str, load: bool = True, environment: dict[str, str] | None = None
) -> Iterator[Running]:
    one = Running(world.home, *options, environment=environment)
    world.vault = one.client
    try:
        if load and one.ready:
            world.vault.load_roster(world.versions)
        yield one
    finally:
        if one.process.poll() is None:
            one.kill()
        elif one.process.stdout and not one.process.stdout.closed:
            one.end()


@pytest.fixture(name="real")
def _real(tmp_path: Path) -> World:
    """A vault that is made and founded, and that no process has open."""
    world = new_world(tmp_path)
    world.vault.seal()
    world.clock = RealClock()
    return world


def test_the_whole_story_over_the_socket(real):
    with running(real) as process:
        assert process.ready == {
            "ready": True,
            "socket": str(real.home / "run" / "vault.sock"),
            "pid": process.process.pid,
            "sealed": False,
        }
        token = real.open_grant()
        deposited = real.deposit()
        real.vault.check(PLACE, deposited)
        with real.release(token, deposited=deposited).secret as secret:
            assert len(secret) == 32
        real.vault.void_grant("grt_1")
        with pytest.raises(NotEntitled):
            real.release(token, deposited=deposited)
        status = real.vault.status()
        assert (status.roster_loaded, status.grants, status.founding) == (True, 0, real.roster.hash)
        assert process.stop() == 0
    assert not (real.home / "run" / "vault.sock").exists()


def test_kill_9_and_everything_that_was_answered_still_holds(real):
    with running(real) as process:
        token, deposited = real.open_grant(), real.deposit()
        evidence = real.told_session()
        first = real.release(token, deposited=deposited, evidence=evidence).secret.reveal()
        real.vault.void_grant("grt_9")
        process.kill()
        with pytest.raises(Unavailable):
            real.vault.status()
    with running(real):
        assert real.vault.status().mark >= evidence.size
        real.log.append(real.vault, event("tick", "", real.clock.at))
        assert real.vault.open_grant("grt_1", "req_1", [], evidence) == token
        with pytest.raises(Replayed):
            real.release(token, deposited=deposited, evidence=real.log.evidence(evidence.index))
        assert real.release(token, deposited=deposited).secret.reveal() == first
        with pytest.raises(NotEntitled):
            real.open_grant("grt_9", "req_9")


def test_a_log_that_was_cut_while_the_vault_was_down(real):
    with running(real) as process:
        token = real.open_grant()
        real.release(token)
        process.kill()
    real.log.leaves.pop()
    with running(real):
        with pytest.raises(Tampered, match="behind"):
            real.log.append(real.vault, event("tick", "", real.clock.at))
        real.log.leaves.append(b"another one")
        with pytest.raises(Tampered):
            real.log.append(real.vault, event("tick", "", real.clock.at))


def test_a_state_that_was_put_back_still_follows_the_log(real):
    """An older state of the vault beside the newer log: the log is believed once it is proven to continue the mark."""
    with running(real) as process:
        real.open_grant()
        process.kill()
    before = (real.folder / "state.json").read_bytes()
    with running(real) as process:
        real.log.append(real.vault, event("tick", "", real.clock.at))
        token = real.open_grant("grt_2", "req_2")
        process.kill()
    (real.folder / "state.json").write_bytes(before)
    with running(real):
        real.log.append(real.vault, event("tick", "", real.clock.at))
        with pytest.raises(NotEntitled, match="does not know"):
            real.release(token)


def test_a_clean_stop_writes_the_mark(real):
    with running(real) as process:
        note = real.log.append(real.vault, *(event("tick", str(n), real.clock.at) for n in range(7)))
        assert real.vault.confirm(note)
        assert process.stop() == 0
    with running(real):
        assert real.vault.status().mark == 7


def test_the_mark_is_written_by_itself(real):
    with running(real) as process:
        real.vault.confirm(real.log.append(real.vault, event("tick", "", real.clock.at)))
        deadline = time.monotonic() + 10
        while b'"size": 1' not in (real.folder / "state.json").read_bytes():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.kill()
    with running(real):
        assert real.vault.status().mark == 1


def test_shares_open_it_over_the_socket_and_kill_9_seals_it(real, tmp_path):
    (real.home / "seal.key").rename(real.home / "away")
    other = new_world(tmp_path / "other")
    with running(real, load=False) as process:
        assert process.ready["sealed"]
        with pytest.raises(Sealed):
            real.vault.sign(0, [], b"")
        with pytest.raises(WrongShare) as caught:
            real.vault.unseal_share(Secret(other.made.shares[0].encode()))
        assert caught.value.index == 1
        real.vault.unseal_share(Secret(real.made.shares[0].encode()))
        assert not real.vault.unseal_share(Secret(real.made.shares[2].encode())).sealed
        real.vault.load_roster(real.versions)
        token = real.open_grant()
        real.vault.seal()
        with pytest.raises(Sealed):
            real.release(
                token,
                deposited=Deposited(credential=CredentialId("crd_1"), version=1, blob=b""),
                evidence=real.log.evidence(0),
            )
    with running(real, load=False) as process:
        assert process.ready["sealed"]
        for _ in range(10):
            with pytest.raises(WrongShare):
                real.vault.unseal_share(Secret(other.made.shares[0].encode()))
        with pytest.raises(TooMany):
            real.vault.unseal_share(Secret(real.made.shares[0].encode()))
    with running(real, "--key-file", str(real.home / "away")) as process:
        assert not process.ready["sealed"]
        assert len(real.release(token).secret) == 32


OFFLINE = """
import json, sys, time
from pathlib import Path
from breakglass.model.secret import Secret
from tests.vault.test_process import Running
began = time.monotonic()
one = Running(Path(sys.argv[1]))
waited = time.monotonic() - began
sealed = [one.client.unseal_share(Secret(line.strip().encode())).sealed for line in sys.stdin]
links = [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
one.stop()
print(json.dumps([one.ready["sealed"], sealed, links, waited]))
"""


def test_with_no_key_file_and_no_network_two_custodians_open_it_and_one_does_not(real):
    (real.home / "seal.key").unlink()
    # A network namespace of its own: no interface but a loopback that is down, so no DNS either (unshare(1)).
    alone = ["unshare", "--map-root-user", "--net", sys.executable, "-c", OFFLINE, str(real.home)]
    shares = "\n".join(real.made.shares[1:3])
    said = subprocess.run(alone, input=shares, capture_output=True, text=True, check=True, timeout=60).stdout
    at_start, sealed, links, waited = json.loads(said)
    assert (at_start, sealed, links) == (True, [True, False], ["lo"])
    assert waited < 10


# -- killed at each point ---------------------------------------------------------------------------------------------
def armed(real: World, point: str) -> dict[str, str]:
    (real.home / "reached").mkdir(exist_ok=True)
    return {"BREAKGLASS_FAULT": point, "BREAKGLASS_FAULT_ONCE": str(real.home / "reached")}


def reached(real: World, process: Running) -> None:
    assert process.end() == -signal.SIGKILL
    assert len(list((real.home / "reached").iterdir())) == 1


def test_killed_after_signing_the_batch_can_be_committed_or_not(real):
    with running(real, environment=armed(real, "call:sign:ended")) as process:
        with pytest.raises(Unavailable, match="may have happened"):
            real.log.append(real.vault, event("tick", "", real.clock.at))
        reached(real, process)
    real.log.leaves.append(b"committed all the same, unsigned")
    with running(real, environment=armed(real, "call:sign:ended")):
        real.log.append(real.vault, event("tick", "", real.clock.at))
        assert real.checkpoint(real.log.notes[2]) == (2, real.log.root())


@pytest.mark.parametrize("point", ["call:open_grant:began", "call:open_grant:renamed"])
def test_killed_while_granting_a_request_has_one_grant(real, point):
    with running(real, environment=armed(real, point)) as process:
        evidence, approvals = real.approved(), real.approvals()
        with pytest.raises(Unavailable, match="may have happened"):
            real.vault.open_grant("grt_1", "req_1", approvals, evidence)
        reached(real, process)
    kept = "grt_1" in (real.folder / "state.json").read_text()
    assert kept == (point == "call:open_grant:renamed")
    with running(real, environment=armed(real, point)):
        real.log.append(real.vault, event("tick", "", real.clock.at))
        evidence = real.log.evidence(0)
        token = real.vault.open_grant("grt_1", "req_1", approvals, evidence)
        assert real.vault.open_grant("grt_2", "req_1", approvals, evidence) == token
        assert len(real.release(token).secret) == 32
        assert real.vault.status().grants == 1


@pytest.mark.parametrize("point", ["call:release_session:began", "call:release_session:renamed"])
def test_killed_while_releasing_an_entry_serves_once(real, point):
    with running(real, environment=armed(real, point)) as process:
        token, deposited, evidence = real.open_grant(), real.deposit(), real.told_session()
        with pytest.raises(Unavailable, match="may have happened"):
            real.release(token, deposited=deposited, evidence=evidence)
        reached(real, process)
    with running(real, environment=armed(real, point)):
        real.log.append(real.vault, event("tick", "", real.clock.at))
        again = real.log.evidence(evidence.index)
        if point == "call:release_session:renamed":
            with pytest.raises(Replayed):
                real.release(token, deposited=deposited, evidence=again)
            again = real.told_session()
        assert len(real.release(token, deposited=deposited, evidence=again).secret) == 32
        with pytest.raises(Replayed):
            real.release(token, deposited=deposited, evidence=again)


def test_a_disk_that_takes_nothing(real):
    """The kernel refuses every write of the running process, then takes them again."""
    with running(real) as process:
        token, deposited, evidence = real.open_grant(), real.deposit(), real.told_session()
        before = (real.folder / "state.json").read_bytes()
        pid = process.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, limits[1]))
        with pytest.raises(Unavailable, match="could not write"):
            real.release(token, deposited=deposited, evidence=evidence)
        with pytest.raises(Unavailable, match="could not write"):
            real.vault.void_grant("grt_1")
        assert (real.folder / "state.json").read_bytes() == before
        real.log.append(real.vault, event("tick", "", real.clock.at))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
        assert len(real.release(token, deposited=deposited, evidence=evidence).secret) == 32


# -- strangers, garbage, other processes ------------------------------------------------------------------------------
def test_only_our_own_user_is_served(world):
    server = Server(world.vault, world.home / "run" / "v.sock", users={os.geteuid() + 1})
    server.start()
    try:
        assert (world.home / "run").stat().st_mode & 0o777 == 0o700
        assert (world.home / "run" / "v.sock").stat().st_mode & 0o777 == 0o660  # our group's, where others may come
        with pytest.raises(Unavailable):
            VaultClient(world.home / "run" / "v.sock").status()
    finally:
        server.stop()


def test_a_node_does_not_talk_to_another_users_vault(world, monkeypatch):
    server = Server(world.vault, world.home / "run" / "v.sock")
    server.start()
    try:
        client = VaultClient(world.home / "run" / "v.sock")
        assert (world.home / "run" / "v.sock").stat().st_mode & 0o777 == 0o600
        assert not client.status().sealed
        client.close()
        ours = os.geteuid()
        monkeypatch.setattr(os, "geteuid", lambda: ours + 1)
        with pytest.raises(Unavailable):
            client.status()
    finally:
        server.stop()


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x00" * 64,
        b"\xff" * 64,
        b"\x00\x00\x00\x06\x00\x00\x00\x02[]",
        b"\x00\x00\x00\x06\x00\x00\x00\x02{}",
        b'\x00\x00\x00\x1b\x00\x00\x00\x17{"call":"_unlock","a":1}',
        b'\x00\x00\x00\x17\x00\x00\x00\x13{"call":["status"]}',
    ],
)
def test_garbage_harms_nobody_else(world, noise):
    server = Server(world.vault, world.home / "run" / "v.sock")
    server.start()
    client = VaultClient(world.home / "run" / "v.sock")
    try:
        client.status()
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(world.home / "run" / "v.sock"))
            stranger.settimeout(5)
            stranger.sendall(noise)
            stranger.shutdown(socket.SHUT_WR)
            answer = stranger.recv(10_000)
            assert answer == b"" or b'"malformed"' in answer
        assert client.status().grants == 0
    finally:
        client.close()
        server.stop()


def test_an_unknown_failure_says_nothing_of_its_cause(world, monkeypatch, caplog):
    def fails(*_, **__):
        raise RuntimeError(CANARY.decode())

    server = Server(world.vault, world.home / "run" / "v.sock")
    server.start()
    client = VaultClient(world.home / "run" / "v.sock")
    try:
        monkeypatch.setattr(world.vault, "confirm", fails)
        with pytest.raises(Unavailable, match="failed inside") as caught:
            client.confirm(b"")
        assert CANARY.decode() not in repr(caught.value) + caplog.text
        assert "RuntimeError at test_process.py" in caplog.text
    finally:
        client.close()
        server.stop()


def test_secrets_are_wiped_on_both_sides_once_they_are_sent(world, monkeypatch):
    held: list[Secret] = []
    for name in ("store", "release_session"):
        real = getattr(Vault, name)

        def spy(self, *args, _real=real, **kwargs):
            found = _real(self, *args, **kwargs)
            held.extend(one for one in kwargs.values() if isinstance(one, Secret))
            held.extend([found.secret] if hasattr(found, "secret") else [])
            return found

        monkeypatch.setattr(world.vault, name, spy.__get__(world.vault))
    server = Server(world.vault, world.home / "run" / "v.sock")
    server.start()
    client = VaultClient(world.home / "run" / "v.sock")
    try:
        given = Secret(CANARY)
        blob = client.store(PLACE, "crd_1", 1, given)
        assert len(given) == 0
        token, evidence = world.open_grant(), world.told_session()
        found = client.release_session(
            token,
            world.endpoint(),
            Deposited(credential=CredentialId("crd_1"), version=1, blob=blob),
            "ses_1",
            evidence,
        )
        assert found.secret.reveal() == CANARY
        assert len(held) == 2
        deadline = time.monotonic() + 5
        while any(len(one) for one in held):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (channel,) = client._idle
        assert CANARY not in channel._buffer
    finally:
        client.close()
        server.stop()


def test_no_secret_is_left_lying_about(real):
    with running(real) as process:
        blob = real.vault.store(PLACE, "crd_1", 1, Secret(CANARY))
        deposited = Deposited(credential=CredentialId("crd_1"), version=1, blob=blob)
        with real.release(real.open_grant(), deposited=deposited).secret as secret:
            assert secret.reveal() == CANARY
        proc = Path(f"/proc/{process.process.pid}")
        shown = proc.joinpath("cmdline").read_bytes() + proc.joinpath("environ").read_bytes()
        assert resource.prlimit(process.process.pid, resource.RLIMIT_CORE) == (0, 0)
        assert process.stop() == 0
    files = b"".join(one.read_bytes() for one in real.home.rglob("*") if one.is_file() and one.name != "seal.key")
    assert b"dep_test" in files  # the search does find what is there
    root = (real.home / "seal.key").read_text().split()[-1].encode()
    for secret in (CANARY, root, bytes.fromhex(root.decode()), *(share.encode() for share in real.made.shares)):
        assert secret not in files + shown


def test_its_memory_is_locked_where_it_says_so(real):
    """`memory_locked` is what the kernel says; where root may lift the limit, it is locked."""
    with running(real) as process:
        said = process.client.status().memory_locked
        kernel = Path(f"/proc/{process.process.pid}/status").read_text()
        locked = next(int(line.split()[1]) for line in kernel.splitlines() if line.startswith("VmLck:"))
        limit = resource.prlimit(process.process.pid, resource.RLIMIT_MEMLOCK)
        assert said == (locked > 0) == (limit[0] == resource.RLIM_INFINITY)
        assert said or not _may_lift_limits()


def _may_lift_limits() -> bool:
    """CAP_SYS_RESOURCE, bit 24 of what this process may (capabilities(7))."""
    mine = Path("/proc/self/status").read_text()
    return bool(int(next(line.split()[1] for line in mine.splitlines() if line.startswith("CapEff:")), 16) >> 24 & 1)


def test_a_hardened_process_can_not_be_dumped(tmp_path):
    script = (
        "import ctypes, resource\n"
        "from breakglass.vault.harden import harden\n"
        "harden()\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE))\n"  # PR_GET_DUMPABLE
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30).stdout
    assert said == "0 (0, 0)\n"
    assert ctypes.CDLL(None).prctl(3, 0, 0, 0, 0) == 1


HARDENED = """
import ctypes, os, subprocess, sys
from breakglass.vault.harden import harden
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE: as after execve(2); setresuid took it away
if sys.argv[1] == "hardened":
    harden()
limits = next(line for line in open("/proc/self/limits") if line.startswith("Max core file size"))
print(*limits.split()[4:6], flush=True)
subprocess.run(["cat", f"/proc/{os.getpid()}/environ"], stdout=subprocess.DEVNULL, stderr=sys.stdout)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_process_of_its_own_user_can_not_look_into_it():
    def said(how: str) -> str:
        command = [sys.executable, "-c", HARDENED, how]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=30, env=environment, cwd="/"
        ).stdout

    limits, _, refused = said("hardened").partition("\n")
    assert limits == "0 0"
    assert "Permission denied" in refused
    assert "Permission denied" not in said("as it comes")


def test_the_process_is_light(real):
    script = "import sys, breakglass.vault.__main__; print([m for m in sys.argv[1:] if m in sys.modules])"
    heavy = ["pydantic", "fastapi", "sqlalchemy", "asyncio", "asyncssh", "httpx", "typer", "yaml", "sqlite3"]
    said = subprocess.run(
        [sys.executable, "-c", script, *heavy], capture_output=True, text=True, check=True, timeout=30
    ).stdout
    assert said == "[]\n"


def test_a_second_process_is_refused_and_harms_nothing(real):
    with running(real):
        second = Running(real.home)
        assert second.ready == {}
        assert second.end() == 1
        assert "Another process" in (real.home / "stderr").read_text()
        assert not real.vault.status().sealed


def test_no_vault_no_process(tmp_path):
    found = Running(tmp_path)
    assert found.end() == 1
    assert "There is no vault" in (tmp_path / "stderr").read_text()


def spawned(home: Path, *options: str) -> int:
    """A parent starts the vault, says its pid and ends."""
    script = (
        "import subprocess, sys\n"
        "command = [sys.executable, '-m', 'breakglass.vault', '--home', *sys.argv[1:]]\n"
        "p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)\n"
        "p.stdout.readline()\n"
        "print(p.pid)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", script, str(home), *options], capture_output=True, text=True, check=True, timeout=30
    )
    return int(said.stdout)


def test_it_ends_with_the_process_that_started_it(real):
    pid = spawned(real.home)
    deadline = time.monotonic() + 15
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert not (real.home / "run" / "vault.sock").exists()


def test_it_stays_when_it_was_told_to(real):
    pid = spawned(real.home, "--alone")
    try:
        time.sleep(0.3)
        assert not VaultClient(real.home / "run" / "vault.sock").status().sealed
    finally:
        os.kill(pid, signal.SIGTERM)


# -- the client -------------------------------------------------------------------------------------------------------
def test_a_vault_that_takes_calls_and_never_answers(tmp_path):
    """The call is given up in time, said to be unsure, and not asked twice."""
    asked = []

    def swallow(listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            asked.append((connection, connection.recv(10_000)))

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "v.sock"))
    listener.listen()
    threading.Thread(target=swallow, args=(listener,), daemon=True).start()
    began = time.monotonic()
    with pytest.raises(Unavailable, match="may have happened"):
        VaultClient(tmp_path / "v.sock", timeout=0.3).sign(0, [], b"")
    assert time.monotonic() - began < 5
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    assert len(asked) == 1
    asked[0][0].close()


def test_no_vault_at_all(tmp_path):
    with pytest.raises(Unavailable, match="does not answer"):
        VaultClient(tmp_path / "none").status()


def test_connections_of_a_vault_that_was_started_anew(real):
    with running(real) as process:
        real.vault.status()
        client = real.vault
        process.stop()
        with running(real) as second:
            client.status()
            second.process.kill()
            second.process.wait()
            with running(real):
                assert not client.status().sealed
        client.close()


def test_many_threads_at_once(real):
    with running(real):
        problems = []

        def ask(n):
            try:
                for version in range(1, 6):
                    deposited = real.deposit(credential=f"crd_{n}", version=version)
                    real.vault.check(PLACE, deposited)
                    with pytest.raises(Tampered):
                        real.vault.check(PLACE, replace(deposited, version=version + 1))
            except BaseException as error:
                problems.append(error)

        threads = [threading.Thread(target=ask, args=(n,)) for n in range(12)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert problems == []
        assert len(real.vault._idle) <= 8
