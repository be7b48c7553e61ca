"""The page of password changes: how far those are that were asked for together, and how many are owed in all."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from breakglass.http.house import House
from breakglass.model.rotation import Rotation, State
from breakglass.storage.tables import ENTITIES
from breakglass.views import rotations
from breakglass.web.app import make
from breakglass.web.routes.rotations import OWED_SHOWN
from tests.kit import ACCOUNT, Town
from tests.web.visitor import Visitor, words

OTHER = "acc_plc-root"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with Town.found(tmp_path) as town:
        yield town


async def test_how_far_they_are(town: Town) -> None:
    app = make(House(town.services()))
    carol = await Visitor(app, town, "carol").sign_in()
    ivy = await Visitor(app, town, "ivy").sign_in()
    for form in ({"because": "suspicion"}, {"account": ACCOUNT, "because": "whim"}):
        await carol.post("/rotations", form, status=422)
    await ivy.post("/rotations", {"account": ACCOUNT, "because": "demand"}, status=403)
    both: dict[str, Any] = {"account": [ACCOUNT, OTHER], "because": "suspicion"}
    assert await carol.post("/rotations", both) == "/rotations"
    page = words(await ivy.get("/rotations"))
    assert "2 changes, asked for together" in page
    assert "0 proven, 2 owed." in page
    [one] = await town.store.read(lambda look: look.find(Rotation, account=OTHER, state=State.OWED))
    table = ENTITIES[Rotation]
    with town.store.engine.begin() as conn:
        conn.execute(table.update().where(table.c.id == one.id), {"state": "done", "done_at": one.owed_at})
    assert "1 proven, 1 owed." in words(await ivy.get("/rotations"))
    await town.rotate()
    page = words(await ivy.get("/rotations"))
    assert "asked for together" not in page
    assert "Nothing is owed" in page
    assert await town.store.read(rotations.many) == ()


async def test_more_than_the_list_holds(town: Town) -> None:
    [one, *_] = await town.store.read(lambda look: look.find(Rotation, account=ACCOUNT))
    table = ENTITIES[Rotation]
    with town.store.engine.begin() as conn:
        kept = dict(conn.execute(table.select().where(table.c.id == one.id)).one()._mapping)
        rows = [{**kept, "id": f"rot_{n:020d}", "state": "owed", "done_at": None} for n in range(OWED_SHOWN + 3)]
        conn.execute(table.insert(), rows)
    ivy = await Visitor(make(House(town.services())), town, "ivy").sign_in()
    page = words(await ivy.get("/rotations"))
    assert f"{OWED_SHOWN + 3} owed" in page
    assert f"The newest {OWED_SHOWN} of them." in page
