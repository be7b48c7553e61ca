"""`seal.json`: the seal as text, whose shape is checked to the letter.

    {"format": 2, "deployment": …, "check": …, "slots": [{"kind": "custodians", …}, {"kind": "file", …}, …]}

Each kind of slot stands there once at most, `custodians` always. A version that does not know a kind refuses the file.
"""

import json
from typing import Any, NoReturn

from breakglass.errors import Malformed
from breakglass.vault.custodian_slot import CustodianSlot
from breakglass.vault.file_slot import NAME_BYTES, FileSlot
from breakglass.vault.pkcs11_slot import IV_BYTES, SEALED_BYTES, Pkcs11Slot, TokenKey, is_label
from breakglass.vault.seal import CHECK_BYTES, NoCustodians, Seal
from breakglass.vault.shares import PublicSet, Salted
from breakglass.vault.slot import WRAPPED_BYTES

FORMAT = 2


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
        slots.append(_file_json(seal.file))
    if seal.pkcs11 is not None:
        slots.append(_pkcs11_json(seal.pkcs11))
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
    pkcs11: Pkcs11Slot | None = None
    for slot in slots:
        match slot.get("kind") if isinstance(slot, dict) else None:
            case "custodians" if custodians is None:
                custodians = _custodian_slot(slot)
            case "file" if file is None:
                file = _file_slot(slot)
            case "pkcs11" if pkcs11 is None:
                pkcs11 = _pkcs11_slot(slot)
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
    check = _hex(members["check"], CHECK_BYTES)
    return Seal(deployment=deployment, check=check, custodians=custodians, file=file, pkcs11=pkcs11)


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
    return CustodianSlot(public=public, wrapped=_hex(found["wrapped"], WRAPPED_BYTES))


def _file_slot(slot: dict[str, Any]) -> FileSlot:
    path = slot.get("path", "")
    found = _members(slot, "kind", "key", "wrapped", *(["path"] if path != "" else []))
    if not isinstance(path, str) or "\0" in path:
        _no()
    name, wrapped = _hex(found["key"], NAME_BYTES), _hex(found["wrapped"], WRAPPED_BYTES)
    return FileSlot(key_name=name, wrapped=wrapped, path=path)


def _file_json(slot: FileSlot) -> dict[str, str]:
    found = {"kind": "file", "key": slot.key_name.hex(), "wrapped": slot.wrapped.hex()}
    return {**found, "path": slot.path} if slot.path else found


def _pkcs11_slot(slot: dict[str, Any]) -> Pkcs11Slot:
    found = _members(slot, "kind", "token", "key", "iv", "sealed_key", "wrapped")
    if not is_label(found["token"]) or not is_label(found["key"]):
        _no()
    return Pkcs11Slot(
        at=TokenKey(token=found["token"], key=found["key"]),
        iv=_hex(found["iv"], IV_BYTES),
        sealed_key=_hex(found["sealed_key"], SEALED_BYTES),
        wrapped=_hex(found["wrapped"], WRAPPED_BYTES),
    )


def _pkcs11_json(slot: Pkcs11Slot) -> dict[str, str]:
    return {
        "kind": "pkcs11",
        "token": slot.at.token,
        "key": slot.at.key,
        "iv": slot.iv.hex(),
        "sealed_key": slot.sealed_key.hex(),
        "wrapped": slot.wrapped.hex(),
    }


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
