"""The front end in the SSH door: the whole story for somebody who has `ssh` and a key, and nothing else.

    ssh gate request db1 idp-down 30m Sign-in is down since 03:15
    ssh gate statement req_… | ssh-keygen -Y sign -n breakglass -f KEY | ssh gate approve req_…

It takes the same steps and shows the same views as the API. Standard output carries the answer alone, so that it can be
piped: `statement` prints the exact text and nothing else.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from breakglass.codec import sshsig, webauthn
from breakglass.codec.lines import clean
from breakglass.config import Settings
from breakglass.errors import Malformed, NotFound, WrongState
from breakglass.flow import approve, ask, clock, close, keep
from breakglass.flow.estate import Estate
from breakglass.gateway.desk import Caller
from breakglass.model.ids import GrantId, RequestId, SessionId, checked
from breakglass.model.people import Actor
from breakglass.storage.store import Store
from breakglass.storage.work import Read, Step
from breakglass.trust.roster import Roster
from breakglass.trust.statement import Kind
from breakglass.vault.client import VaultClient
from breakglass.views import clock as clocks
from breakglass.views import grants, overview, requests, sessions, words
from breakglass.views import vault as vaults
from breakglass.views.book import Book, connect_line
from breakglass.views.say import minutes_of

P = ParamSpec("P")
T = TypeVar("T")
Stdin = Callable[[], Awaitable[bytes]]
Answer = tuple[int, str, str]

HELP = """\
status                                            Am I in? What am I waiting for? What's next?
request [ACCOUNT+]TARGET CONDITION FOR REASON…    ask for access: request db1 idp-down 30m Sign-in is down
                                                  (also as --condition, --for, --reason, --account)
list                                              requests, the newest first
show REQUEST                                      one request and what happened
statement REQUEST [deny [REASON…]]                the text to sign, and nothing else
approve REQUEST < SIGNATURE                       also: the text, then its signature, as one file (offline approval)
deny REQUEST < SIGNATURE
cancel REQUEST                                    withdraw your own request
close [GRANT|REQUEST]                             end your access: the password changes
sessions                                          who is where
kill SESSION WHY…                                 cut a session and revoke its grant
clock                                             does the server's clock stand right? (custodians: also
clock statement                                   the text that confirms the time, and nothing else
clock confirm < SIGNATURE                         to bring your signature)
help
To approve in one line:
  ssh gate statement REQUEST | ssh-keygen -Y sign -n breakglass -f KEY | ssh gate approve REQUEST
"""
OPTIONS = frozenset({"--account", "--condition", "--for", "--reason"})
_ARMOR = re.compile(rf"^-----BEGIN (?:{sshsig.LABEL}|{webauthn.LABEL})-----", re.MULTILINE)
"""Where a signature begins, of an SSH key or a passkey: at the start of a line, as no line of a statement can."""


class Around(Protocol):
    """What the gate is told of its node."""

    @property
    def settings(self) -> Settings: ...
    @property
    def vault(self) -> VaultClient: ...
    @property
    def alarm(self) -> Callable[[], str]: ...
    @property
    def ssh_at(self) -> Callable[[], tuple[str, int]] | None: ...


class Gate:
    def __init__(self, store: Store, estate: Estate, around: Around) -> None:
        self.store, self.estate, self._around = store, estate, around
        self._commands: dict[str, Callable[[Actor, list[str], Stdin], Awaitable[str]]] = {
            "status": self._status,
            "request": self._request,
            "list": self._list,
            "show": self._show,
            "statement": self._statement,
            "approve": self._approve,
            "deny": self._deny,
            "cancel": self._cancel,
            "close": self._close,
            "sessions": self._sessions,
            "kill": self._kill,
            "clock": self._clock,
            "help": self._help,
        }

    async def run(self, caller: Caller, argv: list[str], stdin: Stdin) -> Answer:
        """Exit status, standard output, standard error. Raises `BreakglassError`; the door shows it."""
        actor = self._roster.actor(caller.login, caller.key, self.store.now())
        if not argv:
            return 0, await self._status(actor, [], stdin), HELP
        command = self._commands.get(argv[0])
        if command is None:
            raise Malformed(f"There is no command {argv[0][:40]!r}.", what_to_do="See them with: help")
        return 0, await command(actor, argv[1:], stdin), ""

    # -- looking ------------------------------------------------------------------------------------------------------
    async def _status(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        vault = await asyncio.to_thread(vaults.of, self._around.vault, self._around.alarm())
        return words.text(
            words.overview(await self._see(overview.overview, actor, vault=vault, wall=self.store.clock.now()))
        )

    async def _list(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        return words.text(words.requests(await self._see(requests.listed, actor)))

    async def _show(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        id = _one(rest, "req", "show REQUEST")
        return words.text(words.request_page(await self._see(requests.page, actor, id)))

    async def _sessions(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        return words.text(words.sessions(await self._see(sessions.listed, actor, live=False)))

    async def _help(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        return HELP

    # -- asking -------------------------------------------------------------------------------------------------------
    async def _request(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        given, typed = _taken_out(rest)
        left = iter(typed)
        place = next(left, "")
        condition = given.get("--condition") or next(left, "")
        lasting = given.get("--for") or next(left, "")
        reason = given.get("--reason") or " ".join(left)
        if not reason:
            raise Malformed(
                "A request names target, condition, how long, and the reason.",
                what_to_do="For example: request db1 idp-down 30m Sign-in is down since 03:15",
            )
        account, _, target = place.rpartition("+")
        id = RequestId(keep.new_id("req"))
        roster = self._roster
        await self._do(
            actor,
            ask.ask,
            roster,
            id,
            target=target,
            account=given.get("--account") or account or None,
            condition=_condition(roster, condition),
            reason=reason,
            access_for=timedelta(minutes=minutes_of(lasting)),
        )
        return words.text(words.request_page(await self._see(requests.page, actor, id)))

    async def _cancel(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        id = RequestId(_one(rest, "req", "cancel REQUEST"))
        await self._do(actor, approve.cancel, id)
        return await self._after(actor, id)

    # -- deciding -----------------------------------------------------------------------------------------------------
    async def _statement(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        id = RequestId(_one(rest[:1], "req", "statement REQUEST [deny [REASON…]]"))
        kind = Kind.APPROVE
        if rest[1:]:
            if rest[1] not in ("approve", "deny"):
                raise Malformed(f"{rest[1][:40]!r} is neither approve nor deny.", what_to_do="See them with: help")
            kind = Kind(rest[1])
        reason = clean(" ".join(rest[2:]))
        return (await self._do(actor, approve.offer, self.estate.chain, id, kind, reason)).text()

    async def _approve(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        id = RequestId(_one(rest, "req", "approve REQUEST < SIGNATURE"))
        text, signature = _text_and_signature(await stdin(), f"statement {id}")
        await self._do(actor, approve.approve, self.estate.chain, id, signature, text)
        return await self._after(actor, id)

    async def _deny(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        id = RequestId(_one(rest, "req", "deny REQUEST < SIGNATURE"))
        text, signature = _text_and_signature(await stdin(), f"statement {id} deny")
        await self._do(actor, approve.deny, self.estate.chain, id, signature, text)
        return await self._after(actor, id)

    # -- ending -------------------------------------------------------------------------------------------------------
    async def _close(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        id = await self._grant_of(actor, rest)
        await self._do(actor, close.close, id)
        return words.text(words.grant(await self._see(grants.one, actor, id)))

    async def _grant_of(self, actor: Actor, rest: list[str]) -> GrantId:
        """The grant that is named, or that of the request that is named, or the only live one of this person."""
        if len(rest) == 1 and rest[0].startswith("req_"):
            id = checked("req", rest[0])
            page = await self._see(requests.page, actor, id)
            if page.grant is None:
                raise WrongState("This request has no grant.", what_to_do=f"Withdraw it with: cancel {id}", about=id)
            return GrantId(page.grant.id)
        if rest:
            return GrantId(_one(rest, "grt", "close [GRANT|REQUEST]"))
        mine = await self._see(grants.mine, actor)
        if len(mine) != 1:
            have = ", ".join(one.id for one in mine) or "none"
            raise NotFound(f"You have {len(mine)} live grants.", what_to_do=f"Say which one to close: {have}.")
        return GrantId(mine[0].id)

    async def _kill(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        id = SessionId(_one(rest[:1], "ses", "kill SESSION WHY…"))
        why = clean(" ".join(rest[1:]))
        if not 0 < len(why) <= 500:
            raise Malformed("Why?", what_to_do=f"Say it in one sentence: kill {id} WHY…", about=id)
        await self._do(actor, close.kill, id, why)
        return f"{id} is being cut, and its grant is revoked.\n"

    # -- the clock -----------------------------------------------------------------------------------------------------
    async def _clock(self, actor: Actor, rest: list[str], stdin: Stdin) -> str:
        wall, vault = self.store.clock.now(), await asyncio.to_thread(vaults.of, self._around.vault, "")
        if rest == ["statement"]:
            offered = await self._do(actor, clock.offer, self.estate.chain, wall, frozen=vault.clock_frozen)
            return offered.text()
        if rest == ["confirm"]:
            text, signature = _text_and_signature(await stdin(), "clock statement")
            await self._do(actor, clock.sign, self.estate.chain, self.store.clock.now(), signature, text)
            return "Your word about the time is taken. See what follows with: clock\n"
        if rest:
            raise Malformed(f"{rest[0][:40]!r} is neither statement nor confirm.", what_to_do="See them with: help")
        return words.text(words.clock(await self._see(clocks.shown, wall=wall, vault=vault)))

    # -- with the house -----------------------------------------------------------------------------------------------
    @property
    def _roster(self) -> Roster:
        return self.estate.roster

    async def _do(self, actor: Actor, step: Step[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return (await self.store.run(actor, step, *args, **kwargs)).value

    async def _see(self, view: Callable[Concatenate[Read, Book, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        settings, at = self._around.settings, self._around.ssh_at
        host, port = at() if at else (settings.ssh_host, settings.ssh_port)
        return await self.store.read(view, Book(self.estate.chain, connect_line(host, port)), *args, **kwargs)

    async def _after(self, actor: Actor, id: RequestId) -> str:
        page = await self._see(requests.page, actor, id)
        return words.text([f"{id}  {page.request.state}", page.request.sentence])


def _taken_out(typed: list[str]) -> tuple[dict[str, str], list[str]]:
    """Options as `breakglass request` has them, wherever they stand, and the other words."""
    given: dict[str, str] = {}
    rest: list[str] = []
    left = iter(typed)
    for word in left:
        name, equals, value = word.partition("=")
        if name in OPTIONS and name not in given:
            given[name] = value if equals else next(left, "")
        else:
            rest.append(word)
    return given, rest


def _condition(roster: Roster, text: str) -> str:
    """`cnd_idp-down`, or `idp-down` for short."""
    return f"cnd_{text}" if f"cnd_{text}" in roster.conditions else text


def _one(words: list[str], prefix: str, usage: str) -> str:
    if len(words) != 1:
        raise Malformed("This command names one thing.", what_to_do=f"Use it like: {usage}")
    return checked(prefix, words[0])


def _text_and_signature(data: bytes, statement: str) -> tuple[str | None, str]:
    """What came in: a signature, or a text and its signature. `statement`: the command that gives the text."""
    try:
        found = _ARMOR.search(sent := data.decode())
    except UnicodeDecodeError:
        found = None
    if found is None:
        raise Malformed(
            "No signature came in.",
            what_to_do=f"ssh gate {statement} | ssh-keygen -Y sign -n breakglass -f KEY | ssh gate …",
        )
    return (sent[: found.start()] or None), sent[found.start() :]
