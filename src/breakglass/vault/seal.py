"""The seal: the root key, wrapped once for each way to open it; any one slot opens it alone.

    root key ─┬─ custodians   wrapped by a key that k of n shares make    (always there, never removable)
              └─ file         wrapped by a key in another file            (starts without people)

A slot is bound to its kind, its deployment and all of its public part, so a slot moved from elsewhere or a changed
threshold does not open. The check value tells a wrong root key apart before anything is opened with it. Nothing in a
`Seal` is secret; it is kept as `seal.json`, whose shape `from_json` checks to the letter.
Why the custodians are mandatory: an automatic unseal that dies must never lock the vault (hashicorp/vault#9316).
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, NoReturn

from breakglass.errors import Malformed, NotFound, Refused, Tampered
from breakglass.model.secret import Secret
from breakglass.vault.box import KEY_BYTES, OVERHEAD, bind, close_box, open_box, random_key
from breakglass.vault.shares import PublicSet, Salted, Share, combine, split

FORMAT = 2
_WRAPPED_BYTES = KEY_BYTES + OVERHEAD
_CHECK_BYTES = 32
_NAME_BYTES = 8


class NoCustodians(Refused):
    """A seal that people could not open."""

    code = "no_custodians"


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodianSlot:
    public: PublicSet
    wrapped: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSlot:
    """`key_name` is a public fingerprint: it tells a wrong key file from a changed slot."""

    key_name: bytes
    wrapped: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """All slots of one deployment. `check` is what `root_check` gives for the right root key."""

    deployment: str
    check: bytes
    custodians: CustodianSlot
    file: FileSlot | None = None

    def open_by_shares(self, shares: Iterable[Share]) -> Secret:
        """The root key. Raises `WrongShare`, `NotEnoughShares`, `Tampered`."""
        return self._checked(open_custodian_slot(self.custodians, shares, deployment=self.deployment))

    def open_by_file(self, key: Secret) -> Secret:
        """The root key. Raises `NotFound` without a file slot, `Refused` for another file's key, `Tampered`."""
        if self.file is None:
            raise NotFound("This seal has no file slot.", what_to_do="Unseal with the custodians' shares.")
        return self._checked(open_file_slot(self.file, key, deployment=self.deployment))

    def with_custodians(self, slot: CustodianSlot) -> "Seal":
        """The seal with another custodians' slot. It holds once shares of the *new* set have opened it (rekeying)."""
        return replace(self, custodians=slot)

    def _checked(self, root: Secret) -> Secret:
        if hmac.compare_digest(root_check(root, self.deployment), self.check):
            return root
        root.wipe()
        raise Tampered(
            "The slot opened, but to another root key than this vault's.",
            what_to_do="Somebody replaced a slot. Restore the seal file from a backup; "
            "call the custodians and the auditors.",
            about=self.deployment,
        )


def new_seal(root: Secret, deployment: str, k: int, n: int, *, alone: bool = False) -> tuple[Seal, tuple[Share, ...]]:
    """A seal with its custodians' slot, and the shares to hand out."""
    slot, shares = make_custodian_slot(root, k, n, deployment=deployment, alone=alone)
    return Seal(deployment=deployment, check=root_check(root, deployment), custodians=slot), shares


def root_check(root: Secret, deployment: str) -> bytes:
    """HMAC-SHA-256 under the root key: tells nothing about it, and fits no other."""
    return hmac.digest(root.reveal(), bind("breakglass root check", deployment), "sha256")


def make_custodian_slot(
    root: Secret, k: int, n: int, *, deployment: str, alone: bool = False
) -> tuple[CustodianSlot, tuple[Share, ...]]:
    """The root key under a fresh key that is shared k of n and then forgotten. `ValueError` for impossible numbers."""
    with random_key() as key:
        made = split(key, k, n, alone=alone)
        wrapped = close_box(key, root, _custodian_bound(made.public, deployment))
    return CustodianSlot(public=made.public, wrapped=wrapped), made.shares


def open_custodian_slot(slot: CustodianSlot, shares: Iterable[Share], *, deployment: str) -> Secret:
    """The root key. Raises `WrongShare`, `NotEnoughShares`, `Tampered`."""
    with combine(shares, slot.public) as key:
        return open_box(key, slot.wrapped, _custodian_bound(slot.public, deployment), refusal=_changed)


def make_file_slot(root: Secret, key: Secret, *, deployment: str) -> FileSlot:
    """The root key under the key of a `KeyFile`."""
    name = _key_name(key, deployment)
    return FileSlot(key_name=name, wrapped=close_box(key, root, _file_bound(name, deployment)))


def open_file_slot(slot: FileSlot, key: Secret, *, deployment: str) -> Secret:
    """The root key. Raises `Refused` for another file's key, `Tampered` for a changed slot."""
    if not hmac.compare_digest(_key_name(key, deployment), slot.key_name):
        raise Refused(
            "The key file belongs to another seal.",
            what_to_do="Point to the key file of this deployment, or unseal with the custodians' shares.",
            about=deployment,
        )
    return open_box(key, slot.wrapped, _file_bound(slot.key_name, deployment), refusal=_changed)


def _custodian_bound(public: PublicSet, deployment: str) -> bytes:
    return bind("breakglass seal slot", "custodians", deployment, public.canonical())


def _file_bound(key_name: bytes, deployment: str) -> bytes:
    return bind("breakglass seal slot", "file", deployment, key_name)


def _key_name(key: Secret, deployment: str) -> bytes:
    return hashlib.sha256(bind("breakglass file key", deployment, key.reveal())).digest()[:_NAME_BYTES]


def _changed() -> Tampered:
    return Tampered(
        "A seal slot was changed, or belongs to another deployment.",
        what_to_do="Restore the seal file from a backup or use another slot; call the custodians and the auditors.",
    )


# seal.json ------------------------------------------------------------------------------------------------------------


def to_json(seal: Seal) -> str:
    """One JSON object; binary values in hex. The same seal gives the same text."""
    public = seal.custodians.public
    slots: list[dict[str, Any]] = [
        {
            "kind": "custodians",
            "set": public.set_id,
            "k": public.k,
            "n": public.n,
            "commitments": [_salted_json(one) for one in public.commitments],
            "digest": _salted_json(public.digest),
            "wrapped": seal.custodians.wrapped.hex(),
        }
    ]
    if seal.file is not None:
        slots.append({"kind": "file", "key": seal.file.key_name.hex(), "wrapped": seal.file.wrapped.hex()})
    outer = {"format": FORMAT, "deployment": seal.deployment, "check": seal.check.hex(), "slots": slots}
    return json.dumps(outer, indent=1, ensure_ascii=True) + "\n"


def from_json(text: str) -> Seal:
    """The seal again. Raises `NoCustodians`, and `Malformed` for anything that `to_json` does not write.

    That includes unknown, missing or repeated members, other types and other lengths.
    """
    try:
        outer = json.loads(text, object_pairs_hook=_once, parse_constant=_no)
    except (ValueError, RecursionError):
        _no()
    members = _members(outer, "format", "deployment", "check", "slots")
    slots = members["slots"]
    if members["format"] != FORMAT or type(members["format"]) is not int or not isinstance(slots, list):
        _no()
    custodians: CustodianSlot | None = None
    file: FileSlot | None = None
    for slot in slots:
        match slot.get("kind") if isinstance(slot, dict) else None:
            case "custodians" if custodians is None:
                custodians = _custodian_slot(slot)
            case "file" if file is None:
                file = _file_slot(slot)
            case _:
                _no()
    if custodians is None:
        raise NoCustodians(
            "The seal has no custodians' slot: if its other slots failed, nobody could open the vault.",
            what_to_do="Restore the seal file from a backup. Breakglass never writes one without custodians.",
        )
    deployment = members["deployment"]
    if not isinstance(deployment, str) or not deployment:
        _no()
    return Seal(deployment=deployment, check=_hex(members["check"], _CHECK_BYTES), custodians=custodians, file=file)


def _custodian_slot(slot: dict[str, Any]) -> CustodianSlot:
    found = _members(slot, "kind", "set", "k", "n", "commitments", "digest", "wrapped")
    if any(type(found[name]) is not int for name in ("set", "k", "n")) or not isinstance(found["commitments"], list):
        _no()
    try:
        public = PublicSet(
            set_id=found["set"],
            k=found["k"],
            n=found["n"],
            commitments=tuple(_salted_from(one) for one in found["commitments"]),
            digest=_salted_from(found["digest"]),
        )
    except ValueError:
        _no()
    return CustodianSlot(public=public, wrapped=_hex(found["wrapped"], _WRAPPED_BYTES))


def _file_slot(slot: dict[str, Any]) -> FileSlot:
    found = _members(slot, "kind", "key", "wrapped")
    return FileSlot(key_name=_hex(found["key"], _NAME_BYTES), wrapped=_hex(found["wrapped"], _WRAPPED_BYTES))


def _salted_json(one: Salted) -> dict[str, str]:
    return {"salt": one.salt.hex(), "sha256": one.digest.hex()}


def _salted_from(value: object) -> Salted:
    found = _members(value, "salt", "sha256")
    return Salted(salt=_hex(found["salt"]), digest=_hex(found["sha256"]))


def _members(value: object, *names: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(names):
        _no()
    return value


def _hex(value: object, size: int | None = None) -> bytes:
    # `bytes.fromhex` also takes spaces and capitals: one value, one spelling.
    try:
        raw = bytes.fromhex(value) if isinstance(value, str) else _no()
    except ValueError:
        _no()
    if raw.hex() != value or size not in (None, len(raw)):
        _no()
    return raw


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        _no()
    return dict(pairs)


def _no(_: object = None) -> NoReturn:
    raise Malformed(
        "The seal file does not have the shape that this version writes.",
        what_to_do="Restore it from a backup, or use the version of Breakglass that wrote it. Never edit it by hand.",
    )
