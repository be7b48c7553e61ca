"""The pages by which an estate is prepared and proven: people, proposals, accounts, log, vault."""

import re
from dataclasses import replace

import yaml

from breakglass.http.house import House
from breakglass.web.app import make
from tests.kit import ACCOUNT, Town
from tests.web.conftest import Come
from tests.web.test_story import text_of
from tests.web.visitor import Visitor, words


async def test_a_change_of_the_estate(town: Town, come: Come) -> None:
    adam, carol, cem = await come("adam"), await come("carol"), await come("cem")
    estate = yaml.safe_load(await adam.get("/estate.yaml"))
    estate["people"]["usr_bo"]["groups"] = ["responders", "security"]
    estate["people"]["usr_eve"]["roles"] = ["auditor"]
    where = await adam.post("/proposals", {"text": yaml.safe_dump(estate)})
    page = words(await adam.get(where))
    assert "Your signature does not count for changes of the estate." in page
    page = await carol.get(where)
    assert "Bo bo the group security" in words(page)
    assert "approving access to root on db1" in words(page)
    assert "+    groups:" in page or "+    - security" in page
    for person in (carol, cem):
        text = text_of(await person.get(where))
        assert "kind: roster" in text
        sent = await person.post(f"{where}/sign", {"signature": town.people[person.login].sign(text)})
    assert sent == "/proposals"
    assert "Version 1 holds." in words(await adam.get("/proposals"))
    assert "version 1 of the signed estate" in words(await adam.get("/people"))
    await adam.get(where, 404)


async def test_a_bad_estate_is_refused_beside_what_was_typed(come: Come) -> None:
    adam = await come("adam")
    for text, why in (
        ("a: [", "This is not YAML in line 1"),
        ("- 1", "This holds no estate."),
        ("people: {}", "is missing or not known"),
        ("&a [*a]", ""),
    ):
        page = await adam.post("/proposals", {"text": text}, 422)
        assert why in words(page)
    sent = await adam.http.post("/proposals", data={"csrf": adam.csrf}, files={"file": ("estate.yaml", b"a: [")})
    assert sent.status_code == 422
    assert "not YAML" in words(sent.text)


async def test_a_credential_is_stored_by_hand_and_never_shown(town: Town, come: Come) -> None:
    carol = await come("carol")
    where, secret = f"/accounts/{ACCOUNT}", "Tr0ub4dor-and-3"
    page = await carol.post(f"{where}/credential", {"secret": secret, "again": "other"}, 422)
    assert "not the same" in words(page)
    assert secret not in page
    assert await carol.post(f"{where}/credential", {"secret": secret, "again": secret}) == where
    page = await carol.get(where)
    assert secret not in page
    assert "People have seen the stored one" in words(page)


async def test_the_log_is_filtered_proven_and_verified(come: Come, town: Town) -> None:
    ivy, request = await come("ivy"), await town.ask()
    page = await ivy.get("/audit")
    assert "Not verified on this page yet" in words(page)
    assert "Verified:" not in page
    only = words(await ivy.get(f"/audit?about={request}"))
    assert "1 entries" in only
    assert "Alice asks for root on db1" in only
    assert "No such entries" in words(await ivy.get("/audit?about=nothing"))
    older = re.search(r'href="(/audit\?[^"]*before=\d+)"', page)
    if older:
        await ivy.get(older[1].replace("&amp;", "&"))
    entry = words(await ivy.get("/audit/0"))
    assert "Leaf hash" in entry
    assert "Verified:" in words(await ivy.post("/audit/verify", {}, 200))


async def test_a_log_that_does_not_verify_is_shown_in_red(town: Town, come: Come) -> None:
    finding = {"level": "leaf", "where": "entry 3", "words": "its hash is another one", "more": 0, "index": 3}

    async def bad() -> dict[str, object]:
        return {"ok": False, "findings": [finding]}

    app = make(House(replace(town.services(), verify_log=bad)))
    ivy = await Visitor(app, town, "ivy").sign_in()
    page = await ivy.post("/audit/verify", {}, 200)
    assert "The log does not verify" in words(page)
    assert "entry 3 (leaf): its hash is another one" in words(page)
    assert "Verified:" not in page


async def test_unsealing(town: Town, come: Come) -> None:
    carol, cem, alice = await come("carol"), await come("cem"), await come("alice")
    assert "Sealed" not in words(await alice.get("/vault"))
    assert await carol.post("/vault/seal") == "/vault"
    home = words(await alice.get("/"))
    assert "The vault is sealed" in home
    assert "Unseal the vault." in words(await carol.get("/"))
    page = await carol.post("/vault/unseal", {"share": "not a share"}, 422)
    assert "not a share" not in page
    await carol.post("/vault/unseal", {"share": town.shares[0]})
    assert "1 more share is needed" in words(await cem.get("/vault"))
    await cem.post("/vault/unseal", {"share": town.shares[1]})
    assert "The vault is open." in words(await alice.get("/vault"))


async def test_people_and_accounts_stand_as_the_estate_has_them(town: Town, come: Come) -> None:
    ivy = await come("ivy")
    people = words(await ivy.get("/people"))
    assert town.people["alice"].key in people
    accounts = await ivy.get("/accounts")
    assert "OT · PLANT" in accounts
    assert "Password proven" in words(accounts)
    assert "There is no" in words(await ivy.get("/accounts/acc_nowhere", 404))
    assert "Correct-Horse" not in accounts


async def test_many_passwords_change_at_once(town: Town, come: Come) -> None:
    carol = await come("carol")
    both = {"account": [ACCOUNT, "acc_plc-root"], "because": "suspicion"}
    assert await carol.post("/rotations", both) == "/rotations"
    page = words(await carol.get("/rotations"))
    assert "2 owed" in page
    assert "because somebody may know it" in page
    assert "No account is chosen." in words(await carol.post("/rotations", {"because": "demand"}, 422))
    assert "Why they should change" in words(await carol.post("/rotations", {"account": ACCOUNT}, 422))
    assert "There is no" in words(await carol.post("/rotations", {"account": "acc_no", "because": "demand"}, 404))
