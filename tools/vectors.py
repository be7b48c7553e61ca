#!/usr/bin/env python3
"""Write docs/formats/vectors/*.json anew: statements, passkeys, rosters, grants and sign-ins from fixed test keys.

    .venv/bin/python tools/vectors.py            the files must not change when the formats did not

Every private key in them is public: nothing of this opens anything.
"""

import json
import sys
import unicodedata
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256, shake_256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from breakglass.codec import base64url, cose, instant, lines, note, sshsig, sshwire, webauthn
from breakglass.identity import sign_in
from breakglass.model.ids import GrantId, RequestId, UserId
from breakglass.trust import chain as chains
from breakglass.trust import drafting, terms
from breakglass.trust.grant import Token
from breakglass.trust.roster import Roster, parse
from breakglass.trust.statement import NAMESPACE, Kind, Statement
from breakglass.trust.tree import EMPTY_ROOT

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "formats" / "vectors"
AT = datetime(2026, 11, 23, 21, 4, tzinfo=UTC)
DEPLOYMENT, ORIGIN = "dep_vectors", "log.example.org"
PEOPLE = {
    "alice": ("requester", []),
    "bo": ("approver", ["responders"]),
    "cy": ("approver", ["responders"]),
    "dora": ("auditor", []),
    "eve": ("custodian", ["custodians"]),
    "finn": ("custodian", ["custodians"]),
}
Vector = dict[str, Any]


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in everything().items():
        (FOLDER / name).write_text(content)
        sys.stdout.write(f"{name}\n")


def everything() -> dict[str, str]:
    """File name -> content."""
    made = {
        "statements.json": statements(),
        "passkeys.json": passkeys(),
        "roster.json": rosters(),
        "grant.json": grant(),
        "sign-in.json": sign_ins(),
    }
    return {name: json.dumps(one, indent=1, ensure_ascii=True) + "\n" for name, one in made.items()}


# -- keys -------------------------------------------------------------------------------------------------------------
def seed(name: str) -> bytes:
    return sha256(f"breakglass vector {name}".encode()).digest()


def key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(seed(name))


def public(name: str) -> str:
    return f"ssh-ed25519 {b64encode(sshwire.ed25519_blob(key(name).public_key())).decode()}"


def fingerprint(name: str) -> str:
    return sshwire.fingerprint(sshwire.ed25519_blob(key(name).public_key()))


def signature(text: str, name: str, namespace: str = NAMESPACE) -> str:
    return sshsig.sign_ed25519(key(name), text.encode(), namespace)


def keys() -> Vector:
    return {
        name: {"seed": seed(name).hex(), "public": public(name), "fingerprint": fingerprint(name)} for name in PEOPLE
    }


# -- the estate -------------------------------------------------------------------------------------------------------
def estate() -> dict[str, Any]:
    return {
        "changes": [{"group": "custodians", "count": 2}],
        "groups": ["custodians", "responders"],
        "people": {
            f"usr_{name}": {
                "login": name,
                "name": name.title(),
                "department": "Operations",
                "roles": [role],
                "groups": groups,
                "keys": [{"public": public(name), "label": "laptop"}],
            }
            for name, (role, groups) in PEOPLE.items()
        },
        "domains": {"dom_sites": {"name": "Außenstellen"}},
        "targets": {
            "tgt_db1": {
                "name": "db1",
                "domain": "dom_sites",
                "environment": "production",
                "host": "db1.example.org",
                "port": 22,
                "host_key": public("host"),
            }
        },
        "accounts": {
            "acc_db1-root": {
                "name": "root",
                "target": "tgt_db1",
                "username": "root",
                "justification": "The database must be reachable when sign-in is not.",
                "scenario": "The identity provider is down.",
                "policy": "pol_two",
                "rotator": "linux-password",
            }
        },
        "conditions": {"cnd_signin": {"title": "Sign-in is down", "playbook": "Call the desk: 4711.\nThen ask."}},
        "policies": {
            "pol_two": {
                "quorum": [{"group": "responders", "count": 2}],
                "max_seconds": 7200,
                "decide_seconds": 3600,
                "permissions": ["exec", "shell"],
            }
        },
    }


def founding() -> Roster:
    vault = {
        "log": note.vkey(ORIGIN, key("log").public_key()),
        "grant": note.vkey(f"{ORIGIN}/grant", key("grant").public_key()),
        "recording": b64encode(seed("recording")).decode(),
    }
    return parse(document_of_0(vault))


def document_of_0(vault: dict[str, str]) -> bytes:
    return drafting.founding(estate(), deployment=DEPLOYMENT, origin=ORIGIN, keys=vault, at=AT)


# -- statements -------------------------------------------------------------------------------------------------------
def drawn(kind: Kind, person: str, subject: str, facts: dict[str, str], roster: Roster) -> Statement:
    return Statement(
        kind=kind,
        deployment=DEPLOYMENT,
        subject=subject,
        person=f"usr_{person}",
        key=fingerprint(person),
        roster_version=roster.version,
        roster_hash=roster.hash,
        log_size=0 if kind is Kind.ROSTER else 7,
        log_root=b64encode(EMPTY_ROOT if kind is Kind.ROSTER else seed("root")).decode(),
        nonce=sha256(f"{kind} {person} {facts}".encode()).hexdigest()[:32],
        not_after=AT + timedelta(hours=1),
        facts=facts,
    )


def agreed(roster: Roster) -> dict[str, str]:
    return terms.terms(
        roster,
        requester=UserId("usr_alice"),
        key=fingerprint("alice"),
        account="acc_db1-root",
        condition="cnd_signin",
        reason="Niemand kommt an die Datenbank: Anmeldung gestört.",
        duration=timedelta(minutes=30),
    ).facts()


def of_each_kind(roster: Roster) -> list[tuple[str, Statement]]:
    request, grant = "req_1f09c2d3e4a5b6c7d8e9", "grt_0a1b2c3d4e5f60718293"
    heads = " ".join(sha256(one).hexdigest() for one in (b"one", b"two"))
    reviewed = {
        "request": request,
        "grant": grant,
        "account": "acc_db1-root",
        "recordings": heads,
        "classification": "emergency",
        "summary": "The index was rebuilt, nothing else.",
    }
    denied = {"requester": "usr_alice", "account": "acc_db1-root", "reason": "The desk says it is up again."}
    changed = {"next": chains.next_line(roster), "changes": "the founding roster"}
    session = "ses_5566778899aabbccddee"
    erased = {"entries": "12 40 41", "because": "A request under the law; the review is over."}
    overridden = {"until": instant.write(AT + timedelta(hours=4)), "because": "The link to both witnesses is cut."}
    gone_on = {
        "origin": f"{ORIGIN}/2",
        "former": f"4711 {b64encode(seed('former')).decode()}",
        "because": "The disk of the database died; this is the copy of Monday.",
    }
    kit = {"number": "3", "accounts": "acc_db1-root:5 acc_plc-root:12", "copies": "2"}
    item = {"number": "7", "name": "Security key 1", "opens": "The tenant's emergency account", "place": "Safe A"}
    taken = {
        **item,
        "recorded": "A-1041",
        "seal": "A-1041",
        "holder": "usr_alice",
        "until": instant.write(AT + timedelta(hours=8)),
        "request": request,
        "because": "The tenant's sign-in policy locks everybody out.",
    }
    returned = {**item, "number": "8", "holder": "usr_alice", "seal": "A-1042", "remark": "none"}
    inspected = {**item, "number": "9", "recorded": "A-1042", "seal": "missing", "remark": "The safe was shut."}
    return [
        ("bo", drawn(Kind.APPROVE, "bo", request, agreed(roster), roster)),
        ("cy", drawn(Kind.DENY, "cy", request, denied, roster)),
        ("eve", drawn(Kind.ROSTER, "eve", chains.subject(roster), changed, roster)),
        ("dora", drawn(Kind.REPLAY, "dora", session, {"session": session, "stream": "screen"}, roster)),
        ("dora", drawn(Kind.REVIEW, "dora", "rev_aabbccddeeff00112233", reviewed, roster)),
        ("finn", drawn(Kind.CLOCK, "finn", f"{DEPLOYMENT}/clock", {"now": instant.write(AT)}, roster)),
        ("dora", drawn(Kind.ERASE, "dora", "era_00112233445566778899", erased, roster)),
        ("finn", drawn(Kind.KEK, "finn", f"{DEPLOYMENT}/kek", {"next": "2"}, roster)),
        ("finn", drawn(Kind.OVERRIDE, "finn", f"{DEPLOYMENT}/witnesses", overridden, roster)),
        ("finn", drawn(Kind.KIT, "finn", f"{DEPLOYMENT}/kit", kit, roster)),
        ("alice", drawn(Kind.CHECK_OUT, "alice", "itm_key-1", taken, roster)),
        ("finn", drawn(Kind.RETURN, "finn", "itm_key-1", returned, roster)),
        ("dora", drawn(Kind.INSPECTION, "dora", "itm_key-1", inspected, roster)),
        ("eve", drawn(Kind.NEXT_LOG, "eve", f"{DEPLOYMENT}/log", gone_on, roster)),
    ]


def statements() -> Vector:
    roster = founding()
    good = [(person, statement.text()) for person, statement in of_each_kind(roster)]
    vectors = [vector(f"{text.split()[2]}", text, person) for person, text in good]
    _, text = good[0]
    first = text.split("\n")
    swapped = "\n".join([*first[:2], first[3], first[2], *first[4:]])
    bad = {
        "one character of the text changed": (text.replace("1800 seconds", "1900 seconds"), text, "bo"),
        "signed by another key than it names": (text, text, "cy"),
        "no line feed at the end": (text[:-1], text[:-1], "bo"),
        "a line feed more at the end": (text + "\n", text + "\n", "bo"),
        "carriage returns": (text.replace("\n", "\r\n"), text.replace("\n", "\r\n"), "bo"),
        "two lines swapped": (swapped, swapped, "bo"),
        "a line twice": (text + first[-2] + "\n", text + first[-2] + "\n", "bo"),
        "a line too few": ("\n".join(first[:-2]) + "\n", "\n".join(first[:-2]) + "\n", "bo"),
        "another title": both(text, "breakglass-statement-v1", "breakglass-statement-v2"),
        "a kind that is not known": both(text, "kind: approve", "kind: bless"),
        "a space at the end of a line": both(text, "lane: dual-control", "lane: dual-control "),
        "two spaces behind the colon": both(text, "lane: dual-control", "lane:  dual-control"),
        "not in NFC": both(text, "gestört", unicodedata.normalize("NFD", "gestört")),
        "a character that turns the text around": both(text, "gestört", "gest\u202eört"),
        "a space of no width": both(text, "gestört", "gest\u200bört"),
        "a space that does not break": both(text, "Niemand kommt", "Niemand\u00a0kommt"),
        "a tab": both(text, "Niemand kommt", "Niemand\tkommt"),
        "a size with a leading zero": both(text, "log: 7 ", "log: 07 "),
        "an instant with an offset": both(text, "22:04:00Z", "22:04:00+00:00"),
        "an instant that there is not": both(text, "2026-11-23T22:04:00Z", "2026-02-30T22:04:00Z"),
        "a nonce in capitals": both(text, first[8], first[8].upper().replace("NONCE", "nonce")),
    }
    for name, (shown, signed, person) in bad.items():
        vectors.append(vector(name, shown, person, signed=signed, verdict="bad"))
    vectors.append(vector("signed for another namespace", text, "bo", verdict="bad", namespace="file"))
    return {
        "what": "Statements and their SSHSIG signatures. ssh_keygen: what `ssh-keygen -Y verify` alone says; it knows "
        "nothing of the text's form, so our reader must refuse more.",
        "namespace": NAMESPACE,
        "deployment": DEPLOYMENT,
        "keys": keys(),
        "vectors": vectors,
    }


def both(text: str, old: str, new: str) -> tuple[str, str, str]:
    """A text that is of another form and yet really signed by the person whom it names."""
    changed = text.replace(old, new, 1)
    if changed == text:
        raise AssertionError(f"{old!r} is not in the text")
    return changed, changed, "bo"


def vector(
    name: str, text: str, person: str, *, signed: str | None = None, verdict: str = "good", namespace: str = NAMESPACE
) -> Vector:
    of = text if signed is None else signed
    return {
        "name": name,
        "text": text,
        "signer": person,
        "signature": signature(of, person, namespace),
        "verdict": verdict,
        "ssh_keygen": "good" if of == text and namespace == NAMESPACE else "bad",
    }


# -- passkeys ---------------------------------------------------------------------------------------------------------
RP, PAGE = "host.example", "https://host.example"
PASSKEYS = {"bo": "ES256", "cy": "EdDSA", "dora": "RS256"}
PRESENT_AND_VERIFIED = 0x05
Private = ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey


def passkey(name: str) -> Private:
    if PASSKEYS[name] == "EdDSA":
        return Ed25519PrivateKey.from_private_bytes(seed(f"passkey {name}"))
    if PASSKEYS[name] == "ES256":
        return ec.derive_private_key(int.from_bytes(seed(f"passkey {name}"), "big") >> 1, ec.SECP256R1())
    # Two primes a little above a fixed place: the same RSA key each time.
    p, q = (
        (int.from_bytes(shake_256(f"breakglass vector rsa {one}".encode()).digest(128), "big") | 3 << 1022 | 1) + above
        for one, above in (("p", 310), ("q", 158))
    )
    d = pow(65537, -1, (p - 1) * (q - 1))
    dp, dq, iq = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, iq, rsa.RSAPublicNumbers(65537, p * q)).private_key()


def pkcs8(name: str) -> str:
    return b64encode(passkey(name).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()


def passkey_entry(name: str) -> Vector:
    return {
        "kind": "passkey",
        "public": base64url.write(cose.write(passkey(name).public_key())),
        "credential": base64url.write(seed(f"credential {name}")),
        "rp": RP,
        "origins": [PAGE],
        "label": "phone",
    }


def asserted(
    text: str, name: str, *, rp: str = RP, flags: int = PRESENT_AND_VERIFIED, more: bytes = b"", **said: Any
) -> str:
    """What an authenticator and a browser make of `text`; `said` changes what the browser says (None: not at all)."""
    truth = {
        "type": "webauthn.get",
        "challenge": webauthn.challenge(text.encode()),
        "origin": PAGE,
        "crossOrigin": False,
    }
    client = json.dumps({one: value for one, value in {**truth, **said}.items() if value is not None}).encode()
    data = sha256(rp.encode()).digest() + bytes([flags]) + bytes(4) + more
    signed, private = data + sha256(client).digest(), passkey(name)
    match private:
        case Ed25519PrivateKey():
            signature = private.sign(signed)
        case rsa.RSAPrivateKey():
            signature = private.sign(signed, PKCS1v15(), SHA256())
        case _:
            signature = private.sign(signed, ec.ECDSA(SHA256(), deterministic_signing=True))
    return webauthn.armor(
        webauthn.Assertion(
            credential=seed(f"credential {name}"), authenticator_data=data, client_data=client, signature=signature
        )
    )


def passkeys() -> Vector:
    equipped = estate()
    for name in PASSKEYS:
        equipped["people"][f"usr_{name}"]["keys"].append(passkey_entry(name))
    vault = {one: getattr(founding().keys, one) for one in ("log", "grant", "recording")}
    document = drafting.founding(equipped, deployment=DEPLOYMENT, origin=ORIGIN, keys=vault, at=AT)
    roster = parse(document)
    prints = {name: sshwire.fingerprint(cose.write(passkey(name).public_key())) for name in PASSKEYS}
    texts = [
        (person, replace(one, key=prints[person]).text()) for person, one in of_each_kind(roster) if person in PASSKEYS
    ]
    vectors = [
        {
            "name": f"{text.split()[2]}, {PASSKEYS[name]}",
            "text": text,
            "signature": asserted(text, name),
            "verdict": "good",
        }
        for name, text in texts
    ]
    text, other = texts[0][1], texts[0][1].replace("1800 seconds", "1900 seconds")
    by_ssh = text.replace(prints["bo"], fingerprint("bo"))
    bad = {
        "the page showed another text": (other, asserted(text, "bo")),
        "the page had another text signed": (text, asserted(other, "bo")),
        "another origin": (text, asserted(text, "bo", origin="https://host.example.org")),
        "another port": (text, asserted(text, "bo", origin="https://host.example:8443")),
        "another domain": (text, asserted(text, "bo", rp="host.example.org")),
        "inside another site's page": (text, asserted(text, "bo", crossOrigin=True)),
        "a registration": (text, asserted(text, "bo", type="webauthn.create")),
        "nobody was present": (text, asserted(text, "bo", flags=0x04)),
        "nobody was verified": (text, asserted(text, "bo", flags=0x01)),
        "backed up, but not to be backed up": (text, asserted(text, "bo", flags=0x15)),
        "extensions that nobody asked for": (text, asserted(text, "bo", flags=0x85, more=b"\xa0")),
        "another person's passkey": (text, asserted(text, "cy")),
        "a passkey for an SSH key": (by_ssh, asserted(by_ssh, "bo")),
        "an SSH key for a passkey": (text, signature(text, "bo")),
    }
    vectors += [{"name": name, "text": one, "signature": by, "verdict": "bad"} for name, (one, by) in bad.items()]
    return {
        "what": "Statements signed by passkeys (WebAuthn assertions), judged under this roster.",
        "roster": document.decode(),
        "keys": {
            name: {"kind": kind, "pkcs8": pkcs8(name), "fingerprint": prints[name]} for name, kind in PASSKEYS.items()
        },
        "vectors": vectors,
    }


# -- rosters, grants, sign-ins ----------------------------------------------------------------------------------------
def carried(after: Roster, before: Roster, *people: str) -> list[Vector]:
    facts = {"next": chains.next_line(after), "changes": "a vector"}
    texts = [(one, drawn(Kind.ROSTER, one, chains.subject(after), facts, before).text()) for one in people]
    return [{"signer": one, "text": text, "signature": signature(text, one)} for one, text in texts]


def rosters() -> Vector:
    vault = {
        "log": note.vkey(ORIGIN, key("log").public_key()),
        "grant": note.vkey(f"{ORIGIN}/grant", key("grant").public_key()),
        "recording": b64encode(seed("recording")).decode(),
    }
    zero = document_of_0(vault)
    before = parse(zero)
    changed = drafting.estate_of(zero)
    changed["conditions"]["cnd_drill"] = {"title": "Drill", "playbook": "Say so on the bridge."}
    changed["people"]["usr_gus"] = {
        "login": "gus",
        "name": "Gus",
        "department": "Operations",
        "roles": ["approver"],
        "groups": ["responders"],
        "keys": [{"public": public("gus")}],
    }
    one = drafting.following(changed, before, at=AT + timedelta(hours=1))
    after = parse(one)
    hurried = json.loads(one)
    hurried["people"]["usr_gus"]["keys"][0]["approves_from"] = instant.write(AT + timedelta(hours=2))
    quick = (json.dumps(hurried, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()
    fast = parse(quick)

    def version(document: bytes, statements: list[Vector]) -> Vector:
        return {"document": document.decode(), "sha256": sha256(document).hexdigest(), "statements": statements}

    first = version(zero, carried(before, before, "eve", "finn"))
    return {
        "what": "Chains of rosters from the pin on. Statements name the roster before; of version 0, itself.",
        "pin": before.hash,
        "keys": keys()
        | {"gus": {"seed": seed("gus").hex(), "public": public("gus"), "fingerprint": fingerprint("gus")}},
        "chains": [
            {
                "name": "two versions",
                "versions": [first, version(one, carried(after, before, "eve", "finn"))],
                "verdict": "good",
            },
            {
                "name": "a custodian did not sign version 0",
                "versions": [version(zero, carried(before, before, "eve"))],
                "verdict": "bad",
            },
            {
                "name": "under-signed",
                "versions": [first, version(one, carried(after, before, "eve"))],
                "verdict": "bad",
            },
            {
                "name": "signed by people who may not",
                "versions": [first, version(one, carried(after, before, "bo", "cy"))],
                "verdict": "bad",
            },
            {
                "name": "signed for another document",
                "versions": [first, version(one, carried(fast, before, "eve", "finn"))],
                "verdict": "bad",
            },
            {
                "name": "version 0 is left out",
                "versions": [version(one, carried(after, before, "eve", "finn"))],
                "verdict": "bad",
            },
            {
                "name": "a new key that would approve at once",
                "versions": [first, version(quick, carried(fast, before, "eve", "finn"))],
                "verdict": "bad",
            },
            {
                "name": "a new key that two approvers countersigned",
                "versions": [first, version(quick, carried(fast, before, "eve", "finn", "bo", "cy"))],
                "verdict": "good",
            },
            {
                "name": "not canonical",
                "versions": [version(zero.replace(b"\n}", b"\n\n}"), carried(before, before, "eve", "finn"))],
                "verdict": "bad",
            },
        ],
    }


def grant() -> Vector:
    roster = founding()
    found = roster.accounts["acc_db1-root"]
    token = Token(
        deployment=DEPLOYMENT,
        grant=GrantId("grt_0a1b2c3d4e5f60718293"),
        request=RequestId("req_1f09c2d3e4a5b6c7d8e9"),
        person=UserId("usr_alice"),
        key=fingerprint("alice"),
        account=found.id,
        username=found.username,
        endpoint=roster.endpoint_of(found),
        permissions="exec shell",
        recording="strict",
        roster=f"{roster.version} {roster.hash}",
        opened_at=AT,
        not_after=AT + timedelta(minutes=30),
    )
    name = f"{ORIGIN}/grant"
    signed = note.sign(token.text(), name, key("grant")).decode()
    longer = token.text().replace("21:34:00Z", "23:34:00Z")
    log_signed = note.sign(token.text(), ORIGIN, key("log")).decode()
    spare = token.text() + "more: lines\n"
    return {
        "what": "Grant tokens: signed notes (C2SP signed-note) under the vault's grant key.",
        "vkey": roster.keys.grant,
        "seed": seed("grant").hex(),
        "vectors": [
            {"name": "a grant", "note": signed, "verdict": "good"},
            {"name": "prolonged", "note": longer + signed[len(token.text()) :], "verdict": "bad"},
            {"name": "signed by the log's key", "note": log_signed, "verdict": "bad"},
            {
                "name": "a line more, really signed",
                "note": note.sign(spare, name, key("grant")).decode(),
                "verdict": "bad",
            },
        ],
    }


def sign_ins() -> Vector:
    values = (("deployment", DEPLOYMENT), ("nonce", "0123456789abcdef" * 2), ("not-after", instant.write(AT)))
    text = lines.write(sign_in.TITLE, values)
    return {
        "what": "The text that is signed to sign in, under its own namespace, and never a decision.",
        "namespace": sign_in.NAMESPACE,
        "keys": keys(),
        "vectors": [
            {
                "name": "alice signs in",
                "text": text,
                "signer": "alice",
                "signature": signature(text, "alice", sign_in.NAMESPACE),
                "verdict": "good",
            },
            {
                "name": "under the namespace of statements",
                "text": text,
                "signer": "alice",
                "signature": signature(text, "alice"),
                "verdict": "bad",
            },
        ],
    }


if __name__ == "__main__":
    main()
