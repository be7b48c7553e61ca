"""Alerts reach every channel at least once, a dead channel holds nobody else up, and nothing is ever silent."""

import asyncio
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from breakglass.errors import Malformed, Unavailable
from breakglass.model.change import Fact
from breakglass.model.people import SYSTEM
from breakglass.model.ticket import Ticket, TicketLine
from breakglass.plugin_api.notifier import Alert, Notifier, Severity
from breakglass.storage import outbox
from breakglass.storage.outbox import Told
from breakglass.storage.work import Work
from breakglass.vigilance import file
from breakglass.vigilance.alerts import Alerts, channels
from breakglass.vigilance.duties import handlers
from tests.kit import Town


class Channel:
    """Keeps what it took; raises `failing` while there is one."""

    def __init__(self, failing: Exception | None = None) -> None:
        self.failing, self.got = failing, list[Alert]()

    async def send(self, alert: Alert) -> None:
        if self.failing:
            raise self.failing
        self.got.append(alert)


class Plugin:
    name = "mine"

    def open(self, address: str) -> Notifier | None:
        return Channel() if address.startswith("mine:") else None


async def find(town: Town, kind: str) -> Told:
    """The newest entry of this kind."""
    all_ = [await town.store.read(outbox.told, n) for n in range(town.log.size)]
    return [one for one in all_ if one.kind == kind][-1]


async def note(town: Town, kind: str, about: str = "1", **data: Any) -> Told:
    def step(work: Work) -> None:
        work.note(Fact(kind, about, data))

    await town.store.run(SYSTEM, step)
    return await find(town, kind)


async def test_every_channel_hears_and_is_not_told_twice(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        id = await town.ask()
        good, bad = Channel(), Channel(Unavailable("it is down", what_to_do=""))
        alerts = Alerts(town.store, town.estate, [("one", good), ("two", bad)])
        made = await find(town, "request.made")
        with pytest.raises(Unavailable) as down:
            await alerts.tell(made)
        assert "two: it is down" in down.value.message
        assert "one" not in down.value.message
        bad.failing = None
        await alerts.tell(made)
        [alert] = good.got
        assert [alert] == bad.got
        assert alert.id == f"{town.settings.deployment}/{made.index}"
        assert (alert.about, alert.severity, alert.at) == (id, Severity.CRITICAL, made.at)


async def test_a_channel_that_hangs_or_fails_wildly_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("breakglass.vigilance.alerts.SEND_WITHIN", 0.1)

    class Hangs(Channel):
        async def send(self, alert: Alert) -> None:
            await asyncio.sleep(30)

    async with Town.found(tmp_path, password="") as town:
        good = Channel()
        to = [("a", Hangs()), ("b", Channel(ValueError("https://token@example.org"))), ("c", good)]
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable) as down:
                await Alerts(town.store, town.estate, to).tell(await note(town, "vault.tampered", why="it was cut"))
        assert len(good.got) == 1
        assert "token" not in down.value.message + caplog.text


async def test_a_dead_channel_is_told_elsewhere_and_not_for_ever(tmp_path: Path) -> None:
    async with Town.found(tmp_path, password="") as town:
        dead, good = Channel(Unavailable("gone", what_to_do="")), Channel()
        fact = await note(town, "duty.dead", duty="alert", problem="unavailable")
        await Alerts(town.store, town.estate, [("a", dead), ("b", good)]).tell(fact)
        assert len(good.got) == 1
        with pytest.raises(Unavailable):  # but somebody must have heard it
            await Alerts(town.store, town.estate, [("a", dead)]).tell(fact)


async def test_without_a_channel_the_file_still_tells(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        path = tmp_path / "alerts.jsonl"
        duties = handlers(town.store, town.estate, {}, (), path)
        bell = asyncio.Event()

        async def nothing(_: Told) -> None:
            """The vault's duties are not this test's."""

        vault = dict.fromkeys(("grant", "void", "retire"), nothing)
        work = asyncio.create_task(outbox.work_off(town.store, {**vault, **duties}, bell))
        id, _ = await town.granted()
        async with asyncio.timeout(20):
            while not path.exists() or "may use root on db1" not in path.read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        work.cancel()
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert {line["kind"] for line in lines} >= {
            "request.made",
            "request.approval",
            "request.approved",
            "grant.opened",
        }
        assert len({line["id"] for line in lines}) == len(lines)
        assert all(line["title"] for line in lines)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert id in path.read_text()


async def test_the_ticket_is_told_once(tmp_path: Path) -> None:
    async with Town.found(tmp_path) as town:
        id = await town.ask()
        duties = handlers(town.store, town.estate, {}, (), tmp_path / "alerts.jsonl")
        made = await find(town, "request.made")
        await asyncio.gather(*[duties["ticket"](made) for _ in range(4)])
        [ticket] = await town.store.read(lambda look: list(look.find(Ticket, request=id)))
        [line] = await town.store.read(lambda look: list(look.find(TicketLine, ticket=ticket.id)))
        assert line.text.startswith("Alice asks for root on db1")
        await duties["ticket"](await note(town, "vault.tampered", why="it belongs to no request"))
        assert len(await town.store.read(lambda look: list(look.find(TicketLine)))) == 1


async def test_a_full_file_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "LARGEST", 1000)
    async with Town.found(tmp_path, password="") as town:
        path = tmp_path / "alerts.jsonl"
        alerts = Alerts(town.store, town.estate, [("file", file.AlertFile(path))])
        for n in range(8):
            await alerts.tell(await note(town, "vault.tampered", why=f"number {n}"))
        assert "number 7" in path.read_text()
        assert path.with_name("alerts.jsonl.1").exists()
        for one in (path, path.with_name("alerts.jsonl.1")):
            assert one.stat().st_size <= 1000
            assert all(json.loads(line) for line in one.read_text().splitlines())


async def test_a_file_that_cannot_be_written_is_a_channel_that_is_down(tmp_path: Path) -> None:
    async with Town.found(tmp_path, password="") as town:
        alerts = Alerts(town.store, town.estate, [("file", file.AlertFile(tmp_path / "no folder" / "alerts.jsonl"))])
        with pytest.raises(Unavailable):
            await alerts.tell(await note(town, "vault.tampered", why="it was cut"))


def test_a_bad_address_is_named_by_its_place_only() -> None:
    assert [name for name, _ in channels({"mine": Plugin()}, ["mine:a", "mine:b"])] == [
        "alert address 1",
        "alert address 2",
    ]
    with pytest.raises(Malformed) as wrong:
        channels({"mine": Plugin()}, ["mine:a", "other://token"])
    assert "Address 2" in wrong.value.message
    assert "token" not in wrong.value.message + wrong.value.what_to_do
    with pytest.raises(Malformed):
        channels({}, ["mine:a"])
