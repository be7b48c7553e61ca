"""Each slot opens the one root key, and only as it was made."""

import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.errors import Malformed, NotFound, Refused, Tampered
from breakglass.vault.box import random_key
from breakglass.vault.custodian_slot import make_custodian_slot, open_custodian_slot
from breakglass.vault.file_slot import make_file_slot, open_file_slot
from breakglass.vault.pkcs11_slot import TokenKey, make_pkcs11_slot, open_pkcs11_slot
from breakglass.vault.seal import NoCustodians, Seal, new_seal
from breakglass.vault.seal_json import from_json, to_json
from breakglass.vault.shares import NotEnoughShares, WrongShare

DEPLOYMENT = "dep_plant"
ROOT, KEY = random_key(), random_key()
PLAIN, SHARES = new_seal(ROOT, DEPLOYMENT, 2, 3)
SEAL = replace(PLAIN, file=make_file_slot(ROOT, KEY, deployment=DEPLOYMENT))
AT, IV, SEALED, TURNED = TokenKey(token="plant", key="breakglass"), bytes(16), bytes(32), random_key()
ALL = replace(
    PLAIN,
    file=make_file_slot(ROOT, KEY, deployment=DEPLOYMENT, path="/etc/breakglass/seal.key"),
    pkcs11=make_pkcs11_slot(ROOT, TURNED, AT, IV, SEALED, deployment=DEPLOYMENT),
)


def flipped(raw: bytes, place: int = 20) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]


def test_any_slot_opens_the_root():
    assert SEAL.open_by_shares(SHARES[1:]).reveal() == ROOT.reveal()
    assert SEAL.open_by_file(KEY).reveal() == ROOT.reveal()
    assert ALL.open_by_file(KEY).reveal() == ALL.open_by_token(TURNED).reveal() == ROOT.reveal()
    assert (PLAIN.kinds, SEAL.kinds, ALL.kinds) == (
        ("custodians",), ("custodians", "file"), ("custodians", "file", "pkcs11"),
    )  # fmt: skip


def test_a_tokens_slot_is_bound_to_everything_that_it_says():
    assert ALL.pkcs11 is not None
    for other in (
        replace(ALL.pkcs11, at=TokenKey(token="plant2", key="breakglass")),
        replace(ALL.pkcs11, at=TokenKey(token="plant", key="breakglass2")),
        replace(ALL.pkcs11, iv=flipped(IV, 3)),
        replace(ALL.pkcs11, sealed_key=flipped(SEALED)),
        replace(ALL.pkcs11, wrapped=flipped(ALL.pkcs11.wrapped)),
    ):
        with pytest.raises(Tampered):
            replace(ALL, pkcs11=other).open_by_token(TURNED)
    with pytest.raises(Tampered):
        ALL.open_by_token(random_key())
    with pytest.raises(Tampered):
        open_pkcs11_slot(ALL.pkcs11, TURNED, deployment="dep_other")
    with pytest.raises(NotFound, match="no pkcs11 slot"):
        SEAL.open_by_token(TURNED)


def test_too_few_or_foreign_shares_do_not():
    _, others = make_custodian_slot(ROOT, 2, 3, deployment=DEPLOYMENT)
    with pytest.raises(NotEnoughShares):
        SEAL.open_by_shares(SHARES[:1])
    with pytest.raises(WrongShare):
        SEAL.open_by_shares([SHARES[0], others[1]])


def test_slots_are_bound_to_their_deployment_and_kind():
    assert SEAL.file is not None
    with pytest.raises(Tampered):
        open_custodian_slot(SEAL.custodians, SHARES, deployment="dep_other")
    with pytest.raises(Refused, match="another seal"):
        open_file_slot(SEAL.file, KEY, deployment="dep_other")
    with pytest.raises(Refused, match="another seal"):
        SEAL.open_by_file(random_key())
    with pytest.raises(Tampered):
        replace(SEAL, custodians=replace(SEAL.custodians, wrapped=SEAL.file.wrapped)).open_by_shares(SHARES)


@pytest.mark.parametrize("place", [0, 12, 40, 59])
def test_changed_wraps_do_not_open(place: int):
    assert SEAL.file is not None
    with pytest.raises(Tampered):
        replace(
            SEAL, custodians=replace(SEAL.custodians, wrapped=flipped(SEAL.custodians.wrapped, place))
        ).open_by_shares(SHARES)
    with pytest.raises(Tampered):
        replace(SEAL, file=replace(SEAL.file, wrapped=flipped(SEAL.file.wrapped, place))).open_by_file(KEY)


def test_the_public_part_is_bound_even_where_no_share_needs_it():
    public = SEAL.custodians.public
    third = replace(public.commitments[2], salt=bytes(16))
    changed = replace(public, commitments=(*public.commitments[:2], third))
    with pytest.raises(Tampered, match="slot was changed"):
        replace(SEAL, custodians=replace(SEAL.custodians, public=changed)).open_by_shares(SHARES[:2])


def test_a_slot_to_another_root_is_noticed():
    other, shares = make_custodian_slot(random_key(), 2, 3, deployment=DEPLOYMENT)
    with pytest.raises(Tampered, match="another root key"):
        replace(SEAL, custodians=other).open_by_shares(shares)
    with pytest.raises(Tampered, match="another root key"):
        replace(SEAL, file=make_file_slot(random_key(), KEY, deployment=DEPLOYMENT)).open_by_file(KEY)


def test_another_custodians_slot_opens_by_its_own_shares():
    slot, shares = make_custodian_slot(ROOT, 3, 4, deployment=DEPLOYMENT)
    rekeyed = SEAL.with_custodians(slot)
    with pytest.raises(WrongShare):
        rekeyed.open_by_shares(SHARES)
    with pytest.raises(NotEnoughShares):
        rekeyed.open_by_shares(shares[:2])
    assert rekeyed.open_by_shares(shares[:3]).reveal() == ROOT.reveal()
    assert rekeyed.open_by_file(KEY).reveal() == ROOT.reveal()
    foreign, foreign_shares = make_custodian_slot(random_key(), 2, 3, deployment=DEPLOYMENT)
    with pytest.raises(Tampered):
        SEAL.with_custodians(foreign).open_by_shares(foreign_shares)


def test_without_a_file_slot_people_are_named():
    with pytest.raises(NotFound) as refused:
        PLAIN.open_by_file(KEY)
    assert "custodians" in refused.value.what_to_do


@pytest.mark.parametrize("seal", [SEAL, PLAIN, ALL, new_seal(ROOT, DEPLOYMENT, 1, 1, alone=True)[0]])
def test_json_there_and_back(seal: Seal):
    assert from_json(to_json(seal)) == seal
    assert to_json(from_json(to_json(seal))) == to_json(seal)


def test_json_holds_no_secret():
    text = to_json(ALL)
    for secret in (ROOT, KEY, TURNED, *(share.value for share in SHARES)):
        assert secret.reveal().hex() not in text


def test_a_seal_without_custodians_is_refused():
    outer = json.loads(to_json(SEAL))
    outer["slots"] = [slot for slot in outer["slots"] if slot["kind"] != "custodians"]
    for kept in (1, 0):
        with pytest.raises(NoCustodians, match="no custodians' slot"):
            from_json(json.dumps(outer | {"slots": outer["slots"][:kept]}))


def every_place(value: object, path: tuple = ()) -> list[tuple]:
    found = [path] if path else []
    if isinstance(value, dict):
        for name in value:
            found += every_place(value[name], (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += every_place(inner, (*path, index))
    return found


OUTER = json.loads(to_json(ALL))
ODD: list[object] = [None, True, 0, -1, 1.5, 2**70, "", "00", "ZZ", "0 0", [], {}, [[]], {"kind": "custodians"}]


def read_and_open_all(text: str) -> None:
    seal = from_json(text)
    seal.open_by_shares(SHARES)
    seal.open_by_file(KEY)
    seal.open_by_token(TURNED)


def test_unchanged_it_opens():
    read_and_open_all(json.dumps(OUTER))


@pytest.mark.parametrize("path", every_place(OUTER), ids=lambda path: ".".join(map(str, path)))
def test_every_odd_value_in_every_place_is_refused_or_does_not_open(path: tuple):
    for odd in [*ODD, "remove", "add", "capitals"]:
        changed = copy.deepcopy(OUTER)
        inner = changed
        for step in path[:-1]:
            inner = inner[step]
        if odd == "remove":
            del inner[path[-1]]
        elif odd == "add":
            inner = inner[path[-1]]
            if not isinstance(inner, dict):
                continue
            inner["extra"] = 1
        elif odd == "capitals":
            if not isinstance(inner[path[-1]], str) or inner[path[-1]] in (
                inner[path[-1]].upper(),
                "custodians",
                "file",
                "pkcs11",
            ):
                continue
            inner[path[-1]] = inner[path[-1]].upper()
        else:
            inner[path[-1]] = odd
        # A slot fewer is another seal, and a renamed deployment has the right shape: neither may open as this one.
        with pytest.raises((Malformed, NoCustodians, Refused, Tampered)):
            read_and_open_all(json.dumps(changed))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        "[" * 100_000,
        to_json(SEAL) + "x",
        to_json(SEAL).replace('"format"', '"check": "00", "format"', 1),
        to_json(SEAL).replace('"format": 2', '"format": 3'),
        to_json(SEAL).replace('"format": 2', '"format": NaN'),
        json.dumps(OUTER | {"slots": OUTER["slots"] * 2}),
        json.dumps(OUTER | {"slots": [*OUTER["slots"], {"kind": "tpm"}]}),
    ],
    ids=range(11),
)
def test_other_texts_are_malformed(text: str):
    with pytest.raises(Malformed):
        from_json(text)


@given(st.text(max_size=100))
def test_random_texts_are_malformed(text: str):
    with pytest.raises(Malformed):
        from_json(text)
