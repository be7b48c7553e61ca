"""Reading a roster's JSON strictly: each member is asked for by name, what is left over is an error that names its
place.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from breakglass.codec import base64url, canonical, cose, instant, lines, origin, sshwire, webauthn, x509
from breakglass.errors import Malformed
from breakglass.model.condition import Condition
from breakglass.model.ids import UserId, checked
from breakglass.model.people import PERSONAL, Key, Passkey, Person, Role
from breakglass.model.policy import Part, Permission, Policy, Quorum, RecordingMode
from breakglass.model.target import (
    Account,
    AccountId,
    Domain,
    DomainId,
    Endpoint,
    Environment,
    PasswordRules,
    Protocol,
    RotateAt,
    SecretKind,
    Target,
    TargetId,
)

ORIGINS_MAX = 8
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")


class Obj:
    """One JSON object with the path at which it stands."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise Malformed(f"{path} must be an object.", what_to_do="Correct the document there.")
        self._left: dict[str, Any] = dict(value)
        self.path, self.value = path, value

    def take(self, name: str, kind: type, default: Any = None) -> Any:
        value = self._left.pop(name, default)
        if value is None:
            raise Malformed(f"{self.path}.{name} is missing.", what_to_do="Add it.")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise Malformed(f"{self.path}.{name} must be {kind.__name__}.", what_to_do="Correct the document there.")
        return value

    def text(self, name: str, default: str | None = None, *, empty: bool = False, longest: int = 1000) -> str:
        value: str = self.take(name, str, default)
        if (not value and not empty) or len(value) > longest or not _plain(value) or value.strip() != value:
            raise Malformed(
                f"{self.path}.{name} is empty, over {longest} characters, or has characters that can't be seen.",
                what_to_do="Correct the document there.",
            )
        return value

    def ssh_key(self, name: str, *, longest: int) -> bytes:
        """A public key as OpenSSH writes it in a `.pub` file: its blob."""
        try:
            return sshwire.key_blob(self.text(name, longest=longest))
        except Malformed as wrong:
            if wrong.message.startswith(self.path):
                raise
            raise Malformed(f"{self.path}.{name}: {wrong.message}", what_to_do=wrong.what_to_do) from None

    def prose(self, name: str, *, longest: int) -> str:
        """Text of several lines."""
        value: str = self.take(name, str)
        if not value.strip() or len(value) > longest or not all(map(_plain, value.split("\n"))):
            raise Malformed(
                f"{self.path}.{name} is empty or over {longest} characters.", what_to_do="Correct it there."
            )
        return value

    def name(self, name: str, default: str | None = None) -> str:
        """A short name as it stands in `alice+db1`: lower case letters, digits, `-` and `.`."""
        value = self.text(name, default, longest=40)
        if not set(value) <= _NAME_CHARACTERS:
            raise Malformed(
                f"{self.path}.{name} is {value!r}.", what_to_do="Use lower case letters, digits, dashes and dots only."
            )
        return value

    def id(self, name: str, prefix: str) -> str:
        return checked(prefix, self.take(name, str))

    def number(self, name: str, default: int | None = None, *, least: int = 0, most: int = 2**40) -> int:
        value: int = self.take(name, int, default)
        if not least <= value <= most:
            raise Malformed(f"{self.path}.{name} is {value}.", what_to_do=f"It must be {least} to {most}.")
        return value

    def seconds(self, name: str, *, least: int, most: int) -> timedelta:
        return timedelta(seconds=self.number(name, least=least, most=most))

    def instant(self, name: str, default: str | None = None) -> datetime:
        return instant.read(self.take(name, str, default))

    def one_of(self, name: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        value: str = self.take(name, str, default)
        if value not in allowed:
            raise Malformed(f"{self.path}.{name} is {value[:40]!r}.", what_to_do=f"One of: {', '.join(allowed)}.")
        return value

    def names(self, name: str, allowed: frozenset[str] | None = None) -> list[str]:
        values = self.take(name, list)
        for value in values:
            if not isinstance(value, str) or not _is_one_of(value, allowed):
                known = ", ".join(sorted(allowed)) if allowed is not None else "names"
                raise Malformed(f"{self.path}.{name} has {str(value)[:40]!r}.", what_to_do=f"Use: {known}.")
        if len(set(values)) != len(values):
            raise Malformed(f"{self.path}.{name} names something twice.", what_to_do="Name it once.")
        return list(values)

    def obj(self, name: str, default: dict[str, Any] | None = None) -> "Obj":
        return Obj(self.take(name, dict, default), f"{self.path}.{name}")

    def objects(self, name: str) -> Iterator["Obj"]:
        for n, value in enumerate(self.take(name, list)):
            yield Obj(value, f"{self.path}.{name}[{n}]")

    def members(self, prefix: str) -> Iterator[tuple[str, "Obj"]]:
        for id in list(self._left):
            yield checked(prefix, id), self.obj(id)
        self.done()

    def done(self) -> None:
        """Raises `Malformed` when something was left unread: a misspelt member must not be silently nothing."""
        if self._left:
            raise Malformed(
                f"{self.path} has {min(self._left)[:40]!r}.", what_to_do="It is not known there: remove it."
            )


def _plain(text: str) -> bool:
    """It can stand on a line of a statement: what is seen is what is signed."""
    return lines.visible(text) and unicodedata.normalize("NFC", text) == text


def _is_one_of(value: str, allowed: frozenset[str] | None) -> bool:
    if allowed is not None:
        return value in allowed
    return bool(value) and len(value) <= 40 and _plain(value) and value.strip() == value


def quorum(obj: Obj, name: str, groups: frozenset[str]) -> Quorum:
    parts = []
    for part in obj.objects(name):
        parts.append(Part(part.one_of("group", tuple(sorted(groups))), part.number("count", least=1, most=20)))
        part.done()
    if not parts or len({part.group for part in parts}) != len(parts):
        raise Malformed(f"{obj.path}.{name} is empty or names a group twice.", what_to_do="Name each group once.")
    return tuple(parts)


def policies(obj: Obj, groups: frozenset[str]) -> tuple[Mapping[str, Policy], Mapping[str, str]]:
    found, hashes = {}, {}
    for id, one in obj.members("pol"):
        hashes[id], places = canonical.digest(one.value), quorum(one, "quorum", groups)
        found[id] = Policy(
            id=id,
            quorum=places,
            max_for=one.seconds("max_seconds", least=60, most=7 * 86400),
            decide_for=one.seconds("decide_seconds", least=60, most=7 * 86400),
            permissions=frozenset(map(Permission, one.names("permissions", frozenset(Permission)))),
            recording=RecordingMode(one.one_of("recording", tuple(RecordingMode), "strict")),
            bulk_cap=one.number("bulk_cap", 16 * 1024 * 1024, most=2**40),
            ssh_signatures=one.number("ssh_signatures", 0, most=sum(part.count for part in places)),
        )
        one.done()
    return found, hashes


def domains(obj: Obj) -> Mapping[str, Domain]:
    found = {}
    for id, one in obj.members("dom"):
        found[id] = Domain(id=DomainId(id), name=one.text("name", longest=80))
        one.done()
    return found


def targets(obj: Obj, domains: Mapping[str, Domain]) -> Mapping[str, Target]:
    found: dict[str, Target] = {}
    for id, one in obj.members("tgt"):
        protocol = Protocol(one.one_of("protocol", tuple(Protocol), "ssh"))
        endpoint = Endpoint(
            protocol=protocol,
            host=one.text("host", longest=253),
            port=one.number("port", least=1, most=65535),
            host_key=sshwire.line(one.ssh_key("host_key", longest=2000))
            if protocol is Protocol.SSH
            else x509.pin(one.text("certificate", longest=x509.LONGEST), f"{one.path}.certificate"),
            connector=one.text("connector", "", empty=True),
        )
        found[id] = Target(
            id=TargetId(id),
            name=one.name("name"),
            domain=DomainId(one.one_of("domain", tuple(sorted(domains)))),
            environment=Environment(one.one_of("environment", tuple(Environment))),
            endpoint=endpoint,
        )
        one.done()
    _once("target", [target.name for target in found.values()])
    return found


def accounts(obj: Obj, targets: Mapping[str, Target], policies: Mapping[str, Policy]) -> Mapping[str, Account]:
    found: dict[str, Account] = {}
    for id, one in obj.members("acc"):
        rules, options = one.obj("password", {}), one.obj("rotator_options", {})
        found[id] = Account(
            id=AccountId(id),
            name=one.name("name"),
            target=TargetId(one.one_of("target", tuple(sorted(targets)))),
            username=one.text("username", longest=64),
            justification=one.text("justification"),
            scenario=one.text("scenario"),
            policy=one.one_of("policy", tuple(sorted(policies))),
            rotator=one.name("rotator"),
            rotator_options={name: options.text(name) for name in options.value},
            rotate_at=RotateAt(one.one_of("rotate_at", tuple(RotateAt), "login")),
            rotate_every=timedelta(days=days) if (days := one.number("rotate_every_days", 0, most=366)) else None,
            secret=SecretKind(one.one_of("secret", tuple(SecretKind), "password")),
            password=_password(rules),
            kit=one.take("kit", bool, default=False),
            rotates_with=tuple(map(AccountId, _names(one, "rotates_with", frozenset(obj.value) - {id}))),
            helper=AccountId(one.id("helper", "acc")) if "helper" in one.value else None,
            dormant=one.take("dormant", bool, default=False),
        )
        rules.done()
        one.done()
    _once("account", [f"{account.name} on {account.target}" for account in found.values()])
    for id, account in found.items():
        _can_be_helped(account, found, f"{obj.path}.{id}")
    return found


def _can_be_helped(account: Account, others: Mapping[str, Account], path: str) -> None:
    """Who helps signs in on the same target at any time; who sleeps needs one, and is of no use in an emergency kit."""
    helper = others.get(account.helper or "")
    if account.helper is not None and (helper is None or helper is account or helper.target != account.target):
        raise Malformed(f"{path}.helper is not another account of the same target.", what_to_do="Name one that is.")
    if helper is not None and helper.dormant:
        raise Malformed(f"{path}.helper is dormant itself.", what_to_do="Name one that can always sign in.")
    if account.dormant and helper is None:
        raise Malformed(
            f"{path} is dormant and has no helper.",
            what_to_do="Name in `helper` a privileged account of the same target, which enables and disables it.",
        )
    if account.dormant and account.kit:
        raise Malformed(
            f"{path} is dormant and in the emergency kit.",
            what_to_do="Choose one: who opens the kit could not sign in with a disabled account.",
        )


def _names(one: Obj, name: str, allowed: frozenset[str]) -> list[str]:
    return one.names(name, allowed) if name in one.value else []


def _password(rules: Obj) -> PasswordRules:
    default = PasswordRules()
    alphabet = rules.text("alphabet", default.alphabet, longest=128)
    length = rules.number("length", default.length, least=16, most=128)
    if len(set(alphabet)) != len(alphabet) or len(alphabet) < 16 or " " in alphabet or not alphabet.isascii():
        raise Malformed(
            f"{rules.path}.alphabet won't do.", what_to_do="Give at least 16 different ASCII characters, no space."
        )
    return PasswordRules(length=length, alphabet=alphabet)


def conditions(obj: Obj) -> Mapping[str, Condition]:
    found = {}
    for id, one in obj.members("cnd"):
        found[id] = Condition(id=id, title=one.text("title", longest=120), playbook=one.prose("playbook", longest=8000))
        one.done()
    return found


def people(obj: Obj, groups: frozenset[str]) -> Mapping[str, Person]:
    found: dict[str, Person] = {}
    for id, one in obj.members("usr"):
        keys = tuple(key(each) for each in one.objects("keys"))
        expires = one.text("expires_at", "", empty=True)
        found[id] = Person(
            id=UserId(id),
            login=one.name("login"),
            name=one.text("name", longest=80),
            department=one.text("department", longest=80),
            roles=frozenset(map(Role, one.names("roles", frozenset(PERSONAL)))),
            groups=frozenset(one.names("groups", groups)),
            keys=keys,
            expires_at=instant.read(expires) if expires else None,
        )
        one.done()
    _once("login", [person.login for person in found.values()])
    every = [one for person in found.values() for one in person.keys]
    _once("key", [one.fingerprint for one in every])
    _once("credential", [one.passkey.credential for one in every if one.passkey])
    return found


def key(one: Obj) -> Key:
    """A person's key, of either kind."""
    passkey = None
    if one.one_of("kind", ("ssh", "passkey"), "ssh") == "ssh":
        blob = one.ssh_key("public", longest=4000)
        public = sshwire.line(blob)
    else:
        public = one.text("public", longest=4000)
        # Canonical COSE begins with 0xA4 or 0xA5, an SSH key's blob with 0x00: no two keys of different kinds have one
        # fingerprint, as long as SHA-256 holds.
        blob = base64url.read(public, f"{one.path}.public")
        cose.read(blob)
        passkey = _passkey(one)
    found = Key(
        fingerprint=sshwire.fingerprint(blob),
        public=public,
        label=one.text("label", longest=80),
        approves_from=one.instant("approves_from"),
        passkey=passkey,
    )
    one.done()
    return found


def _passkey(one: Obj) -> Passkey:
    credential, rp = one.text("credential", longest=1400), one.text("rp", longest=253)
    if len(base64url.read(credential, f"{one.path}.credential")) not in webauthn.CREDENTIAL_BYTES:
        raise Malformed(
            f"{one.path}.credential is too short or too long.", what_to_do="Give the id that the browser named."
        )
    origin.must_be_domain(rp)
    origins = one.take("origins", list)
    if not 0 < len(origins) <= ORIGINS_MAX or not all(isinstance(each, str) for each in origins):
        raise Malformed(
            f"{one.path}.origins must be 1 to {ORIGINS_MAX} texts.", what_to_do=f"Give them as `https://{rp[:60]}`."
        )
    for each in origins:
        origin.must_be_origin(each, rp)
    _once("origin", origins)
    return Passkey(credential=credential, rp=rp, origins=tuple(origins))


def _once(what: str, names: list[str]) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise Malformed(f"The {what} {min(twice)} stands twice.", what_to_do="Each must be unique.")
