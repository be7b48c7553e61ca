"""The emergency kit: what custodians sign for, what the vault makes, who opens it, and when it would not help."""

import io
import subprocess
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, cast

import pytest

from breakglass.app.kits import Kits
from breakglass.audit import evidence, kits
from breakglass.audit.event import parse
from breakglass.cli.kit_pages import page_of, parts_of
from breakglass.errors import (
    AlreadyApproved,
    Forbidden,
    Malformed,
    NotFound,
    Refused,
    Tampered,
    Unavailable,
    WrongState,
)
from breakglass.flow import kit as flow
from breakglass.model.credential import Credential
from breakglass.release import Releases, deposited
from breakglass.standalone import open_kit
from breakglass.vault import deposits
from breakglass.vault.asking import Placed
from breakglass.vault.client import VaultClient
from tests.kit import ACCOUNT, Town
from tests.vigilance.test_witnesses import kinds

OTHER = "acc_plc-root"


def choose(estate: dict[str, Any]) -> None:
    for account in (ACCOUNT, OTHER):
        estate["accounts"][account]["kit"] = True


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path, change=choose) as town:
        yield town


def desk(town: Town) -> Kits:
    client = cast(VaultClient, town.vault)
    releases = Releases(town.store, town.log, client)
    return Kits(town.store, town.estate, releases, client, town.folder / "kits")


async def signed(town: Town, login: str) -> None:
    text = (await town.do(login, flow.offer, town.estate.chain)).text()
    await town.do(login, flow.sign, town.estate.chain, town.people[login].sign(text), text)


async def issued(town: Town, copies: int = 2) -> list[bytes]:
    number = await town.do("carol", flow.want, town.estate.chain, copies)
    await town.rotate()
    for login in ("carol", "cem"):
        await signed(town, login)
    assert await desk(town).make()
    return [await desk(town).file(number, copy) for copy in range(1, copies + 1)]


def opened(town: Town, data: bytes, *numbers: int) -> dict[str, Any]:
    one = open_kit.Kit(data)
    shares = [open_kit.Share(town.shares[n - 1]) for n in numbers]
    for share in shares:
        open_kit.check(share, one.slot)
    found: dict[str, Any] = open_kit.opened(one, {share.index: share for share in shares})
    return found


async def password(town: Town, account: str) -> str:
    """What the vault has stored, read beside all rules."""
    [one] = await town.store.read(lambda look: look.find(Credential, account=account, state="current"))
    assert town.vault._open is not None
    with deposits.open_deposited(town.vault._open, Placed(account=account, deposited=deposited(one))) as secret:
        return secret.reveal().decode()


async def test_two_custodians_have_one_made_and_two_shares_open_it(town: Town) -> None:
    before = await password(town, ACCOUNT)
    first, second = await issued(town)
    now = {account: await password(town, account) for account in (ACCOUNT, OTHER)}
    assert before != now[ACCOUNT]  # what an older kit holds opens nothing any more
    [said] = await town.store.read(kits.issued)
    for copy, data in enumerate((first, second), 1):
        assert not any(secret.encode() in data for secret in now.values())
        content = opened(town, data, 1, 3)
        found = {one["username"]: b64decode(one["secret"]).decode() for one in content["accounts"]}
        assert found.pop(said.canaries[copy]) not in now.values()
        assert found == {"root": now[OTHER]} or set(found.values()) <= set(now.values())
        hosts = {
            one["host"]: b64decode(one["secret"]).decode() for one in content["accounts"] if one["username"] == "root"
        }
        assert hosts == {"db1.example.test": now[ACCOUNT], "plc.example.test": now[OTHER]}
        assert all(one["host_key"].startswith("ssh-ed25519 ") for one in content["accounts"])
        assert content["playbooks"][0]["playbook"].startswith("Call somebody first.")
    assert said.canaries[1] != said.canaries[2]
    assert await town.store.read(flow.stale, town.estate.roster, town.vault.status().share_set) == ""
    await town.verify()


async def test_one_share_or_another_one_opens_nothing(town: Town) -> None:
    [data] = await issued(town, 1)
    one = open_kit.Kit(data)
    share = open_kit.Share(town.shares[0])
    with pytest.raises(open_kit.Bad):
        open_kit.opened(one, {share.index: share})
    words = town.shares[1].split()
    typo = " ".join([*words[:12], "acid" if words[12] != "acid" else "zero", *words[13:]])
    with pytest.raises(open_kit.Bad, match="word 13"):
        open_kit.Share(typo)
    share.value = bytes(32)
    with pytest.raises(open_kit.Bad, match="Share 1 is not the one"):
        open_kit.check(share, one.slot)


async def test_no_byte_of_it_can_be_changed(town: Town) -> None:
    [data] = await issued(town, 1)
    for place in range(0, len(data), 7):
        bent = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises((open_kit.Bad, ValueError, KeyError, TypeError, AttributeError)):
            opened(town, bent, 1, 2)
    for cut in (1, 10, 100, len(data) - 20):
        with pytest.raises((open_kit.Bad, ValueError)):
            opened(town, data[:-cut], 1, 2)


async def test_from_paper(town: Town, tmp_path: Path) -> None:
    [data] = await issued(town, 1)
    parts = parts_of(data)
    assert len(parts) > 2
    assert open_kit.join("\n".join([*reversed(parts), parts[0], ""])) == data
    with pytest.raises(open_kit.Bad, match="Codes are missing: 1"):
        open_kit.join("\n".join(parts[1:]))
    with pytest.raises(open_kit.Bad, match="several kits"):
        open_kit.join("\n".join([*parts, parts[0].replace("BGK1 1/1", "BGK1 1/2")]))
    [said] = await town.store.read(kits.issued)
    page = page_of(data, said.canaries[1], ["<svg></svg>"] * len(parts))
    assert said.canaries[1] in page
    assert page.count("<figure>") == len(parts)
    with pytest.raises(Malformed):
        page_of(b"nothing", "", [])

    # The program itself, as people run it.
    (tmp_path / "codes.txt").write_text("\n".join(parts))
    assert open_kit.main(["--join", str(tmp_path / "codes.txt"), "--output", str(tmp_path / "kit.bgk")]) == 0
    for n in (1, 2):
        (tmp_path / f"share{n}").write_text(town.shares[n - 1].lower().replace("-", " "))
    shares = ["--share-file", str(tmp_path / "share1"), "--share-file", str(tmp_path / "share2")]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert open_kit.main([str(tmp_path / "kit.bgk"), *shares, "--show", "root@db1", "--playbooks"]) == 0
        assert open_kit.main([str(tmp_path / "kit.bgk"), *shares, "--show", "root@nowhere"]) == 3
        assert open_kit.main([str(tmp_path / "kit.bgk"), *shares[:2]]) == 7
    assert await password(town, ACCOUNT) in out.getvalue()
    assert "Call somebody first." in out.getvalue()
    assert "2 different shares are needed" in err.getvalue()


async def test_who_may_and_when(town: Town) -> None:
    chain = town.estate.chain
    with pytest.raises(NotFound):
        await signed(town, "carol")
    for login in ("ivy", "alice", "adam"):
        with pytest.raises(Forbidden):
            await town.do(login, flow.want, chain, 1)
    for copies in (0, 10):
        with pytest.raises(Malformed):
            await town.do("carol", flow.want, chain, copies)
    await town.do("carol", flow.want, chain, 1)
    with pytest.raises(WrongState, match="still change"):
        await signed(town, "carol")
    await town.rotate()
    await signed(town, "carol")
    assert not await desk(town).make()
    with pytest.raises(AlreadyApproved):
        await signed(town, "carol")
    assert "kit.issued" not in await kinds(town)


async def test_words_for_a_kit_that_was_refused_serve_no_other(town: Town) -> None:
    chain = town.estate.chain
    await town.do("carol", flow.want, chain, 1)
    await town.rotate()
    text = (await town.do("carol", flow.offer, chain)).text()
    signature = town.people["carol"].sign(text)
    await town.do("carol", flow.sign, chain, signature, text)
    await town.system(flow.refused, chain, "A disk was full.")
    await town.do("carol", flow.want, chain, 1)
    await town.rotate()
    with pytest.raises(AlreadyApproved, match="brought before"):
        await town.do("carol", flow.sign, chain, signature, text)
    await signed(town, "carol")
    await town.verify()


async def test_a_password_that_changed_between_two_signatures(town: Town) -> None:
    """They signed for other versions: the second one's text says so, and nothing is made of the first."""
    chain = town.estate.chain
    await town.do("carol", flow.want, chain, 1)
    await town.rotate()
    await signed(town, "carol")
    _, grant = await town.granted()
    await town.end_session(await town.session())
    await town.close(grant)
    await town.rotate()
    await signed(town, "cem")
    assert not await desk(town).make()
    await signed(town, "carol")
    assert await desk(town).make()
    await town.verify()


async def test_what_the_vault_refuses(town: Town) -> None:
    """The node is in wrong hands: it brings other credentials, other words, another entry."""
    chain = town.estate.chain
    await town.do("carol", flow.want, chain, 1)
    await town.rotate()
    for login in ("carol", "cem"):
        await signed(town, login)
    found = await town.store.read(flow.agreed, chain)
    assert found is not None
    placed = [Placed(account=one.account, deposited=deposited(one)) for one in found.stored]
    releases = desk(town).releases
    subject = f"{town.settings.deployment}/kit"

    async def proof(number: int = found.number, accounts: str = found.accounts) -> Any:
        from breakglass.model.people import SYSTEM

        return (await releases.tell(subject, SYSTEM, flow.release, chain, number, accounts)).proven

    swapped = [Placed(account=one.account, deposited=placed[1 - n].deposited) for n, one in enumerate(placed)]
    for words, stored, told in (
        (found.words[:1], placed, await proof()),
        ([found.words[0], found.words[0]], placed, await proof()),
        (found.words, placed[:1], await proof()),
        (found.words, swapped, await proof()),
        (found.words, [*placed, placed[0]], await proof()),
        (found.words, placed, await proof(number=99)),
        (found.words, placed, await proof(accounts="acc_db1-root:1")),
        ([], placed, await proof()),
    ):
        with pytest.raises((Refused, Tampered)):
            town.vault.make_kit(words, stored, told)
    told = await proof()
    assert town.vault.make_kit(found.words, placed, told)
    with pytest.raises(Refused):  # neither the entry nor the statements serve twice
        town.vault.make_kit(found.words, placed, told)
    with pytest.raises(Refused):
        town.vault.make_kit(found.words, placed, await proof())


async def test_when_it_would_not_help_and_when_it_was_used(town: Town) -> None:
    roster, share_set = town.estate.roster, town.vault.status().share_set

    async def why() -> str:
        return await town.store.read(flow.stale, roster, share_set)

    assert "none was issued" in await why()
    await issued(town)
    assert await why() == ""
    assert "opens with the shares" in await town.store.read(flow.stale, roster, "AAAA-BBBB")
    await town.system(flow.note_stale, town.estate.chain, share_set)
    assert "kit.stale" not in await kinds(town)
    # Two weeks before, people are told once to find a day for the next one.
    town.clock.go(days=75, hours=23)
    await town.system(flow.note_due, town.estate.chain, share_set)
    assert "kit.due" not in await kinds(town)
    town.clock.go(hours=2)
    for _ in range(2):
        await town.system(flow.note_due, town.estate.chain, share_set)
    assert (await kinds(town)).count("kit.due") == 1
    town.clock.go(days=14)
    await town.system(flow.note_due, town.estate.chain, share_set)
    assert (await kinds(town)).count("kit.due") == 1
    assert "older than 90 days" in await why()
    for _ in range(2):
        await town.system(flow.note_stale, town.estate.chain, share_set)
    assert (await kinds(town)).count("kit.stale") == 1
    await issued(town, 1)
    assert await why() == ""

    for wrong in (3, 99):
        with pytest.raises(NotFound):
            await town.do("bo", flow.used, town.estate.chain, wrong, "It is gone.")
    with pytest.raises(Malformed):
        await town.do("bo", flow.used, town.estate.chain, 2, "  ")
    with pytest.raises(Forbidden):
        await town.do("adam", flow.used, town.estate.chain, 2, "It is gone.")
    before = await password(town, OTHER)
    for _ in range(2):
        await town.do("bo", flow.used, town.estate.chain, 2, "The safe in Basel was open.")
    assert (await kinds(town)).count("kit.used") == 1
    assert "was used" in await why()
    await town.rotate()
    assert await password(town, OTHER) != before
    await town.verify()


async def test_a_copy_that_was_exchanged_or_is_gone(town: Town) -> None:
    await issued(town, 1)
    path = town.folder / "kits" / "kit-1-copy-1.bgk"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(Tampered):
        await desk(town).file(1, 1)
    path.unlink()
    for number, copy in ((1, 1), (1, 2), (2, 1)):
        with pytest.raises(NotFound):
            await desk(town).file(number, copy)


@contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """A disk of its own below `folder`, with one file that fills it."""
    folder.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", folder], check=True)
    filler = folder / "filler"
    try:
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while file.write(b"\0" * 4096):
                pass
        yield filler
    finally:
        subprocess.run(["umount", folder], check=True)


async def agreed(town: Town) -> None:
    await town.do("carol", flow.want, town.estate.chain, 1)
    await town.rotate()
    for login in ("carol", "cem"):
        await signed(town, login)


async def test_a_folder_that_can_not_be_made_uses_nothing_up(town: Town) -> None:
    (town.folder / "kits").write_text("in the way")
    await agreed(town)
    with pytest.raises(Unavailable, match="can't be made"):
        await desk(town).make()
    assert "secret.release" not in await kinds(town)
    (town.folder / "kits").unlink()
    assert await desk(town).make()
    await town.verify()


@pytest.mark.server
async def test_a_full_disk_leaves_no_kit_and_a_clear_way_on(town: Town) -> None:
    """The vault has made it, and it can't be put down: it is not issued, and custodians begin anew."""
    with full_disk(town.folder / "kits") as filler:
        await agreed(town)
        with pytest.raises(Unavailable, match="could not write"):
            await desk(town).make()
        assert [one.name for one in filler.parent.iterdir()] == [filler.name]
        filler.unlink()
        assert not await desk(town).make()  # what was signed served once
        said = await kinds(town)
        assert "kit.issued" not in said
        assert said[-1] == "kit.refused"
        await agreed(town)
        assert await desk(town).make()
        assert opened(town, await desk(town).file(1, 1), 1, 2)["accounts"]
        await town.verify()


async def test_an_issue_that_nobody_signed_for_is_found(town: Town) -> None:
    from breakglass.audit.verify import verify
    from breakglass.model.change import Fact

    await issued(town, 1)
    entry = next(parse(leaf) for _, leaf, _ in await town.store.read(evidence.leaves_from, 0, 1000)
                 if parse(leaf).kind == kits.ISSUED)  # fmt: skip
    await town.system(lambda work: work.note(Fact(kits.ISSUED, entry.about, {**entry.data, "number": 7})))
    report = verify(f"sqlite:///{town.folder / 'breakglass.db'}", pin=town.settings.roster_pin)
    assert "Not enough custodians signed for this kit" in report.findings[0].words


def test_a_statement_names_accounts_in_one_form() -> None:
    from breakglass.trust import kit

    assert kit.read_accounts("acc_a:1 acc_b:22") == {"acc_a": 1, "acc_b": 22}
    for wrong in ("", "acc_a", "acc_a:0", "acc_b:1 acc_a:1", "acc_a:1  acc_b:1", "acc_a:1 acc_a:1", "acc_a:01", "x:1"):
        with pytest.raises(Malformed):
            kit.read_accounts(wrong)
