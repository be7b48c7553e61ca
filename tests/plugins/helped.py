"""What every rotator that disables accounts, or resets them, must keep: on a real target, judged by logins.

class TestMine(HelpedContract):
    rotator, place, current      as in the rotator contract
    @pytest.fixture
    def helper(self): ...        the Helper: another account of the target, with the rights
    @pytest.fixture
    def powerless(self): ...     a Helper without them
    TELLS = True                 whether the target tells a disabled account from a wrong secret
"""

from dataclasses import replace
from typing import Any

import pytest

from breakglass.errors import TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import Admission, ChangeRefused, CurrentRefused, Disables, Helper, Place, Resets
from breakglass.testing.rotator_contract import NoWay, fresh_secret, holds_no_secret


class HelpedContract:
    TELLS = True

    async def test_a_disabled_account_lets_nobody_in_and_says_why(
        self, rotator: Disables, place: Place, current: Secret, helper: Helper
    ) -> None:
        assert await rotator.enabled(place, helper)
        assert await rotator.admits(place, current) is Admission.IN
        for _ in range(2):  # a second time is no error
            await rotator.disable(place, helper)
            assert not await rotator.enabled(place, helper)
        shut = Admission.SHUT if self.TELLS else Admission.REFUSED
        assert await rotator.admits(place, current) is shut
        assert await rotator.admits(place, fresh_secret()) is Admission.REFUSED, "a wrong secret looks like a right one"
        for _ in range(2):
            await rotator.enable(place, helper)
            assert await rotator.enabled(place, helper)
        assert await rotator.admits(place, current) is Admission.IN

    async def test_a_reset_by_the_helper(self, rotator: Any, place: Place, current: Secret, helper: Helper) -> None:
        new = fresh_secret()
        for _ in range(2):
            await rotator.reset(place, helper, new)
        assert await rotator.works(place, new) is True
        assert await rotator.works(place, current) is False

    async def test_a_helper_whose_secret_is_refused(
        self, rotator: Disables, place: Place, current: Secret, helper: Helper
    ) -> None:
        wrong = replace(helper, secret=fresh_secret())
        for act in self.acts(rotator, place, wrong):
            with pytest.raises(CurrentRefused) as refused:
                await act
            holds_no_secret(refused.value, wrong.secret, current)
        assert await rotator.admits(place, current) is Admission.IN

    async def test_a_helper_that_may_not(
        self, rotator: Disables, place: Place, current: Secret, powerless: Helper
    ) -> None:
        for act in self.acts(rotator, place, powerless):
            with pytest.raises(ChangeRefused) as refused:
                await act
            assert not isinstance(refused.value, CurrentRefused)
            assert refused.value.what_to_do
            holds_no_secret(refused.value, powerless.secret, current)
        assert await rotator.admits(place, current) is Admission.IN

    async def test_a_target_that_is_away(self, rotator: Disables, place: Place, helper: Helper) -> None:
        away = replace(helper, place=replace(helper.place, dial=NoWay()))
        for act in (*self.acts(rotator, place, away), rotator.enabled(place, away)):
            with pytest.raises(TargetDown):
                await act

    def acts(self, rotator: Disables, place: Place, helper: Helper) -> list[Any]:
        found = [rotator.enable(place, helper), rotator.disable(place, helper)]
        return [*found, rotator.reset(place, helper, fresh_secret())] if isinstance(rotator, Resets) else found
