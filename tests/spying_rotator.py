"""Rotators that also write each password that they set to a file, for tests that search; by itself `linux-password`."""

import os
from collections.abc import Sequence
from pathlib import Path

from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Place, Remainder, Rotator
from breakglass.plugins.linux_password import plugin as real

SPY_FILE = "BREAKGLASS_TEST_SPY_FILE"


class Spy:
    def __init__(self, real: Rotator) -> None:
        self.real, self.name = real, real.name

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        keep(new)
        await self.real.change(place, current, new)

    async def works(self, place: Place, secret: Secret) -> bool:
        return await self.real.works(place, secret)

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Remainder]:
        return await self.real.end_remains(place, secret)


def keep(new: Secret) -> None:
    with Path(os.environ[SPY_FILE]).open("ab") as file:
        file.write(new.reveal() + b"\n")


def plugin() -> Rotator:
    return Spy(real())
