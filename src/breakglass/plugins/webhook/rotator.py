"""What each answer of the service means for the engine: the package's table, as code."""

import re
from collections.abc import Sequence
from datetime import timedelta

from breakglass.codec.lines import clean
from breakglass.errors import Malformed, OutcomeUnknown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import ChangeRefused, CurrentRefused, Place, Remainder
from breakglass.plugins.webhook.call import Answer, Lost, call

_PATH = re.compile(r"(/[A-Za-z0-9._~-]{1,60}){1,8}")
_MOST = 100


class Webhook:
    """A secret that a service changes. Keeps the contract of `breakglass.plugin_api.rotator`."""

    name = "webhook"

    def __init__(
        self, *, connect_within: timedelta = timedelta(seconds=10), answer_within: timedelta = timedelta(seconds=25)
    ) -> None:
        self._connect_within, self._answer_within = connect_within, answer_within

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        try:
            answer = await self._call(place, "change", current=_text(current), new=_text(new))
        except Lost:
            raise _unknown(place, "the change, and no answer came") from None
        match answer.status:
            case 200:
                return
            case 401:
                if await self.works(place, new):  # an earlier attempt has set it
                    return
                raise CurrentRefused(
                    f"{place.endpoint} refuses the current secret of {place.username}.",
                    what_to_do="Look whether it was changed by hand.",
                    about=str(place.endpoint),
                )
            case 409 | 422:
                raise ChangeRefused(
                    f"{place.endpoint} refused the new secret of {place.username} (status {answer.status}).",
                    what_to_do="Look into the service's log, and fit the account's password rules to what it takes.",
                    about=str(place.endpoint),
                )
            case _:
                raise _unknown(place, f"the change with status {answer.status}")

    async def works(self, place: Place, secret: Secret) -> bool:
        try:
            answer = await self._call(place, "verify", secret=_text(secret))
        except Lost:
            raise _unknown(place, "the question, and no answer came") from None
        found = answer.body.get("works") if answer.status == 200 and isinstance(answer.body, dict) else None
        if not isinstance(found, bool):
            raise _unknown(place, f"the question with status {answer.status} and no `works`")
        return found

    async def end_remains(self, place: Place, secret: Secret) -> Sequence[Remainder]:
        try:
            answer = await self._call(place, "remains", secret=_text(secret))
        except Lost:
            raise _unknown(place, "the question, and no answer came") from None
        found = answer.body.get("remains") if answer.status == 200 and isinstance(answer.body, dict) else None
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise _unknown(place, f"the question with status {answer.status} and no `remains`")
        return [
            Remainder(kind=clean(str(one.get("kind")))[:40], what=clean(str(one.get("what")))[:200])
            for one in found[:_MOST]
        ]

    async def _call(self, place: Place, verb: str, **secrets: str) -> Answer:
        path = place.options.get("path", "/breakglass")
        if not _PATH.fullmatch(path):
            raise Malformed(
                "The rotator option `path` is no path of an address.",
                what_to_do="Write it as in `/breakglass`.",
                about=place.username,
            )
        body = {"username": place.username, **secrets}
        return await call(place, f"{path}/{verb}", body, connect=self._connect_within, answer=self._answer_within)


def _unknown(place: Place, what: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{place.endpoint} answered {what}.",
        what_to_do="It is probed what works, and then gone on from there. If it stays so, look into the service's log.",
        about=str(place.endpoint),
    )


def _text(secret: Secret) -> str:
    try:
        return secret.reveal().decode()
    except UnicodeDecodeError:
        pass  # outside, so that the bytes do not hang on the error as its context
    raise Malformed("A secret for a webhook must be text.", what_to_do="Store one of UTF-8 text for this account.")
