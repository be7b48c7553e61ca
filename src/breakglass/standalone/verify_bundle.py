#!/usr/bin/env python3
"""Verify a Breakglass evidence bundle, on a machine that has no Breakglass: this file, Python 3.11 and `cryptography`.

    python3 verify_bundle.py BUNDLE --roster-hash HEX [--recording FILE]... [--json]

It prints what was checked and `verified`, or the name of the first bad record. Exit code 0 or 7 (2: wrong usage).

It is written from the specifications (docs/formats: bundle, log, statement), shares no code with Breakglass, and asks
nobody. What you must know from elsewhere is the hash of the founding roster, which `breakglass init` printed: everything
in the bundle is believed only because a line of signatures leads to it.

    roster hash ─▶ roster 0 ─▶ log key ─▶ checkpoint ─▶ entries ─▶ roster 1 …, approvals, grant, sessions, review
"""

import argparse
import base64
import binascii
import hashlib
import json
import re
import struct
import sys
import unicodedata
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

BAD, USAGE = 7, 2


class Bad(Exception):
    """What is wrong, in words."""


def need(condition, words):
    if not condition:
        raise Bad(words)


# -- bytes and texts --------------------------------------------------------------------------------------------------
def b64(text, url=False):
    """Base64 in its one canonical form; base64url without padding."""
    try:
        if url:
            data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            again = base64.urlsafe_b64encode(data).decode().rstrip("=")
        else:
            data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
            again = base64.b64encode(data).decode()
    except (ValueError, binascii.Error):
        raise Bad("something is not base64") from None
    need(again == text, "base64 is not in its canonical form")
    return data


def sha(data):
    return hashlib.sha256(data).digest()


def loads(text):
    """JSON of objects, arrays, texts, whole numbers and booleans, in which no member stands twice."""

    def once(pairs):
        found = dict(pairs)
        need(len(found) == len(pairs), "a member of a JSON object stands twice")
        return found

    def refuse(what):
        raise Bad(f"JSON holds {what}")

    try:
        return json.loads(text, object_pairs_hook=once, parse_float=refuse, parse_constant=refuse)
    except (ValueError, RecursionError):
        raise Bad("it is not JSON") from None


def canonical(data):
    """A document in canonical JSON (statement.md, Roster)."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Bad("it is not UTF-8") from None
    value = loads(text)
    try:
        again = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        same = again.encode() == data
    except (ValueError, RecursionError):
        same = False
    need(same and no_null(value), "it is not in its canonical form")
    return value


def no_null(value):
    if isinstance(value, dict):
        return all(map(no_null, value.values()))
    if isinstance(value, list):
        return all(map(no_null, value))
    return isinstance(value, (str, int))


def member(value, name, kind):
    found = value.get(name) if isinstance(value, dict) else None
    need(type(found) is kind, f"{name} is missing, or of another kind")
    return found


HIDDEN = {0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0, 0x17B4, 0x17B5, 0x2800}
HIDDEN |= {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)}
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def seen(c):
    kind = unicodedata.category(c)
    return ord(c) not in HIDDEN and kind not in INVISIBLE and (c == " " or kind != "Zs")


def lines(text, title):
    """The lines `name: value` of a text, in order (statement.md, Text with one fact a line)."""
    need(text.startswith(title + "\n") and text.endswith("\n"), f"it is not a {title} text")
    found = []
    for line in text[len(title) + 1 : -1].split("\n"):
        name, colon, value = line.partition(": ")
        need(colon and re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name), "a line is not `name: value`")
        need(
            0 < len(value) <= 4000 and value.strip() == value,
            f"the line {name} is empty, too long or begins with a space",
        )
        need(all(map(seen, value)), f"the line {name} has characters that can't be seen")
        need(unicodedata.normalize("NFC", value) == value, f"the line {name} is not in NFC")
        found.append((name, value))
    return found


def instant(text):
    need(re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", text), "an instant has another form")
    return moment(text[:-1] + "+00:00")


def moment(text):
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Bad("there is no such instant") from None
    need(at.utcoffset() == timedelta(0), "an instant is not in UTC")
    return at


# -- the tree (RFC 6962; RFC 9162, 2.1) -------------------------------------------------------------------------------
def node(left, right):
    return sha(b"\x01" + left + right)


def hashes_of(values):
    found = []
    for value in values:
        need(type(value) is str, "a hash is not text")
        found.append(b64(value))
        need(len(found[-1]) == 32, "a hash has not 32 bytes")
    return found


def must_be_in(leaf, index, proof, size, root):
    need(0 <= index < size, f"there is no entry {index} in a log of {size}")
    fn, sn, r = index, size - 1, sha(b"\x00" + leaf)
    for p in proof:
        need(sn, "its proof is too long")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    need(not sn, "its proof is too short")
    need(r == root, "it is not in the log of the checkpoint")


def must_begin_with(old, old_root, proof, size, root):
    need(0 <= old <= size, f"a log of {size} entries can't have had {old}")
    if old == 0:
        need(not proof and old_root == sha(b""), "the empty log has another root")
        return
    if old == size:
        need(not proof and old_root == root, "two logs have this size")
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    need(path, "its proof is too short")
    fn, sn = old - 1, size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        need(sn, "its proof is too long")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    need(not sn, "its proof is too short")
    need(fr == old_root and sr == root, "the checkpoint's log does not begin with it")


# -- signed notes (c2sp.org/signed-note) ------------------------------------------------------------------------------
def open_note(note, vkey):
    """The text that the key signed, which alone may have signed it."""
    need(not any(c < " " and c != "\n" for c in note), "the note holds control characters")
    text, blank, below = note.rpartition("\n\n")
    need(blank and below.endswith("\n") and below.count("\n") == 1, "the note has not one signature")
    text += "\n"
    shape = re.fullmatch(r"([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", vkey)
    need(shape, "the roster's key is no verifier key")
    public = b64(shape[3])
    id = sha(shape[1].encode() + b"\n" + public)[:4]
    need(len(public) == 33 and public[0] == 1 and id.hex() == shape[2], "the roster's key is no Ed25519 verifier key")
    line = re.fullmatch("\u2014 ([^ +]+) ([A-Za-z0-9+/=]+)\n", below)
    need(line and line[1] == shape[1], "the note is signed by another key than the roster names")
    raw = b64(line[2])
    need(raw[:4] == id, "the note is signed by another key than the roster names")
    edwards(public[1:], raw[4:], text.encode(), "the note's signature does not hold")
    return text


def cosigner(text, line, vkeys):
    """Who of these witnesses cosigned a checkpoint's text by this line (c2sp.org/tlog-cosignature)."""
    found = re.fullmatch("\u2014 ([^ +]+) ([A-Za-z0-9+/=]+)", line)
    need(found, "it has a line that is no signature")
    raw = b64(found[2])
    need(len(raw) == 4 + 8 + 64, "it has a line that is no cosignature")
    for vkey in vkeys:
        name, id, public = vkey.split("+", 2)
        if (name, id) == (found[1], raw[:4].hex()):
            public = b64(public)
            need(len(public) == 33 and public[0] == 4, "the roster's key is no witness's key")
            need(sha(name.encode() + b"\n" + public)[:4].hex() == id, "the roster's key has an id that is not its own")
            time = int.from_bytes(raw[4:12], "big")
            need(time < 2**63, "a cosignature's time is too large")
            message = f"cosignature/v1\ntime {time}\n{text}".encode()
            edwards(public[1:], raw[12:], message, f"the cosignature of {name} does not hold")
            return name
    raise Bad("it has a line by somebody whom no roster names")


def edwards(public, signature, data, words):
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        raise Bad(words) from None


# -- SSH signatures (PROTOCOL.sshsig, PROTOCOL.u2f) and passkeys (WebAuthn Level 2) ------------------------------------
class Wire:
    def __init__(self, data):
        self.data, self.place = data, 0

    def take(self, size):
        end = self.place + size
        need(end <= len(self.data), "a signature or key is cut short")
        taken, self.place = self.data[self.place : end], end
        return taken

    def uint32(self):
        return int.from_bytes(self.take(4), "big")

    def string(self):
        return self.take(self.uint32())

    def mpint(self):
        raw = self.string()
        value = int.from_bytes(raw, "big")
        need(
            raw == (value.to_bytes((value.bit_length() + 8) // 8, "big") if value else b""),
            "a number is not in its shortest form",
        )
        return value

    def done(self):
        need(self.place == len(self.data), "a signature or key has bytes left over")


def packed(*parts):
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def unarmor(text, label):
    if text.count("\r\n") == text.count("\n"):
        text = text.replace("\r\n", "\n")
    begin, end = f"-----BEGIN {label}-----\n", f"\n-----END {label}-----"
    text = text.removesuffix("\n")
    need(
        len(text) <= 20000 and text.startswith(begin) and text.endswith(end),
        "the signature is not framed as it must be",
    )
    body = text[len(begin) : -len(end)]
    need(re.fullmatch(r"[A-Za-z0-9+/=]{1,76}(\n[A-Za-z0-9+/=]{1,76})*", body), "the signature is not base64 in lines")
    return b64(body.replace("\n", ""))


CURVES = {
    "ecdsa-sha2-nistp256": (b"nistp256", ec.SECP256R1, hashes.SHA256),
    "ecdsa-sha2-nistp384": (b"nistp384", ec.SECP384R1, hashes.SHA384),
    "ecdsa-sha2-nistp521": (b"nistp521", ec.SECP521R1, hashes.SHA512),
    "sk-ecdsa-sha2-nistp256@openssh.com": (b"nistp256", ec.SECP256R1, hashes.SHA256),
}
RSA_HASHES = {"rsa-sha2-256": hashes.SHA256, "rsa-sha2-512": hashes.SHA512}


def ssh_blob(line):
    words = line.split(" ")
    need(len(words) == 2, "a public key is not `type base64`")
    blob = b64(words[1])
    need(Wire(blob).string().decode("ascii", "replace") == words[0], "a public key is of another type than it says")
    return blob


def fingerprint(blob):
    return "SHA256:" + base64.b64encode(sha(blob)).decode().rstrip("=")


def sshsig(armored, message, blob):
    """Did the key with this blob sign exactly `message`, in the namespace `breakglass`?"""
    wire = Wire(unarmor(armored, "SSH SIGNATURE"))
    need(wire.take(6) == b"SSHSIG" and wire.uint32() == 1, "it is no SSH signature of version 1")
    need(wire.string() == blob, "another key signed it than the one that the text names")
    namespace, reserved, algorithm = wire.string(), wire.string(), wire.string()
    inner = Wire(wire.string())
    wire.done()
    need(namespace == b"breakglass", "it was signed for another purpose")
    need(algorithm in (b"sha256", b"sha512"), "it uses another hash than SHA-256 or SHA-512")
    digest = hashlib.new(algorithm.decode(), message).digest()
    data = b"SSHSIG" + packed(namespace, reserved, algorithm, digest)

    key = Wire(blob)
    kind = key.string().decode("ascii", "replace")
    kind_signed, signature = inner.string().decode("ascii", "replace"), inner.string()
    secure = kind.startswith("sk-")
    try:
        if kind in ("ssh-ed25519", "sk-ssh-ed25519@openssh.com"):
            public = ed25519.Ed25519PublicKey.from_public_bytes(key.string())
        elif kind in CURVES:
            need(key.string() == CURVES[kind][0], "the key names another curve than its type")
            point = key.string()
            need(point[:1] == b"\x04", "the key is not an uncompressed point")
            public = ec.EllipticCurvePublicKey.from_encoded_point(CURVES[kind][1](), point)
        elif kind == "ssh-rsa":
            e, n = key.mpint(), key.mpint()
            need(2048 <= n.bit_length() <= 16384, "an RSA key is too short or too long")
            public = rsa.RSAPublicNumbers(e, n).public_key()
        else:
            raise Bad("the key is of a type that won't do")
        if secure:
            application = key.string()
            need(application.startswith(b"ssh:"), "the security key is for another application than SSH")
            seen_flags = inner.take(5)
            need(seen_flags[0] & 1, "the security key was not touched")
            data = sha(application) + seen_flags + sha(data)
        key.done()
        inner.done()
        need(
            kind_signed in RSA_HASHES if kind == "ssh-rsa" else kind_signed == kind,
            "it uses another algorithm than its key",
        )
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, data)
        elif isinstance(public, rsa.RSAPublicKey):
            need(len(signature) == (public.key_size + 7) // 8, "an RSA signature has another length than its key")
            public.verify(signature, data, padding.PKCS1v15(), RSA_HASHES[kind_signed]())
        else:
            numbers = Wire(signature)
            r, s = numbers.mpint(), numbers.mpint()
            numbers.done()
            public.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(CURVES[kind][2]()))
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        raise Bad("the signature does not fit the text") from None


def cbor_map(data):
    """A COSE key in CTAP2's canonical CBOR: whole numbers to whole numbers or bytes (statement.md, Passkeys)."""
    wire = Wire(data)

    def head():
        first = wire.take(1)[0]
        major, short = first >> 5, first & 31
        if short < 24:
            return major, short
        need(short in (24, 25), "a COSE key has a length that won't do")
        value = int.from_bytes(wire.take(short - 23), "big")
        need(value >= (24 if short == 24 else 256), "a COSE key has a length that is not the shortest")
        return major, value

    major, count = head()
    need(major == 5 and count <= 5, "it is no COSE key")
    found = []
    for _ in range(2 * count):
        major, value = head()
        need(major in (0, 1, 2), "a COSE key holds something else than numbers and bytes")
        found.append(value if major == 0 else -1 - value if major == 1 else wire.take(value))
    wire.done()
    return list(zip(found[::2], found[1::2], strict=True))


def cose(data):
    members = cbor_map(data)
    values = dict(members)
    order = [label for label, _ in members]
    try:
        if order == [1, 3, -1, -2, -3] and (values[1], values[3], values[-1]) == (2, -7, 1):
            need(len(values[-2]) == len(values[-3]) == 32, "a passkey's key has another length")
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + values[-2] + values[-3])
        if order == [1, 3, -1, -2] and (values[1], values[3], values[-1]) == (1, -8, 6):
            return ed25519.Ed25519PublicKey.from_public_bytes(values[-2])
        if order == [1, 3, -1, -2] and (values[1], values[3]) == (3, -257):
            n, e = values[-1], values[-2]
            need(n[:1] != b"\0" and e[:1] != b"\0", "a passkey's key is not in its shortest form")
            key = rsa.RSAPublicNumbers(int.from_bytes(e, "big"), int.from_bytes(n, "big")).public_key()
            need(2048 <= key.key_size <= 4096, "a passkey's RSA key is too short or too long")
            return key
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise Bad("a passkey's key holds no key") from None
    raise Bad("a passkey's key is of a kind that won't do")


def webauthn(armored, message, key):
    """Did this passkey sign exactly `message`, its person present and verified, on a page of the roster's?"""
    wire = Wire(unarmor(armored, "WEBAUTHN ASSERTION"))
    need(wire.take(8) == b"WEBAUTHN" and wire.uint32() == 1, "it is no assertion of version 1")
    credential, auth, client, signature = wire.string(), wire.string(), wire.string(), wire.string()
    wire.done()
    need(credential == b64(member(key, "credential", str), url=True), "another passkey signed it")
    need(
        16 <= len(credential) <= 1023 and len(auth) == 37 and len(client) <= 2048 and 1 <= len(signature) <= 512,
        "a part of it has another length",
    )
    try:
        said = loads(client.decode())
    except UnicodeDecodeError:
        raise Bad("its client data is not UTF-8") from None
    need(isinstance(said, dict) and said.get("type") == "webauthn.get", "it was made for another purpose")
    challenge = base64.urlsafe_b64encode(sha(message)).decode().rstrip("=")
    need(said.get("challenge") == challenge, "another text was signed than this one")
    origin = said.get("origin")
    need(isinstance(origin, str) and origin in member(key, "origins", list), "it was made on a page of somebody else's")
    need(said.get("crossOrigin", False) is False and "topOrigin" not in said, "it was made inside another page")
    flags = auth[32]
    need(auth[:32] == sha(member(key, "rp", str).encode()), "it was made for another domain")
    need(flags & 1 and flags & 4, "nobody was there, or nobody was verified")
    need(not flags & 0xC0 and (flags & 8 or not flags & 16), "its flags can't be")
    public, data = cose(b64(member(key, "public", str), url=True)), auth + sha(client)
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, data)
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
        else:
            public.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Bad("the signature does not fit the text") from None


# -- statements -------------------------------------------------------------------------------------------------------
COMMON = ("kind", "deployment", "subject", "person", "key", "roster", "log", "nonce", "not-after")
TERMS = (
    "requester", "requester-key", "target", "account", "username", "endpoint", "host-key", "connector", "condition",
    "reason", "duration", "lane", "permissions", "recording", "policy",
)  # fmt: skip
ITEM = ("number", "name", "opens", "place")
KINDS = {
    "approve": TERMS,
    "deny": ("requester", "account", "reason"),
    "roster": ("next", "changes"),
    "replay": ("session", "stream"),
    "review": ("request", "grant", "account", "recordings", "classification", "summary"),
    "clock": ("now",),
    "erase": ("entries", "because"),
    "kek": ("next",),
    "override": ("until", "because"),
    "next-log": ("origin", "former", "because"),
    "kit": ("number", "accounts", "copies"),
    "check-out": (*ITEM, "recorded", "seal", "holder", "until", "request", "because"),
    "return": (*ITEM, "holder", "seal", "remark"),
    "inspection": (*ITEM, "recorded", "seal", "remark"),
}


class Statement:
    def __init__(self, text, signature):
        need(len(text) <= 40000, "a statement is too long")
        found = lines(text, "breakglass-statement-v1")
        self.text, self.signature, self.facts = text, signature, dict(found)
        self.kind = self.facts.get("kind")
        need(self.kind in KINDS, "a statement is of a kind that is not known")
        names = tuple(name for name, _ in found)
        need(names == COMMON + KINDS[self.kind], f"it is not how a statement of kind {self.kind} reads")
        roster = re.fullmatch(r"(0|[1-9][0-9]{0,8}) ([0-9a-f]{64})", self.facts["roster"])
        log = re.fullmatch(r"(0|[1-9][0-9]{0,17}) ([A-Za-z0-9+/]{43}=)", self.facts["log"])
        need(
            roster and log and re.fullmatch(r"[0-9a-f]{32}", self.facts["nonce"]),
            "its roster, log or nonce has another form",
        )
        self.version, self.roster = int(roster[1]), roster[2]
        self.size, self.root = int(log[1]), b64(log[2])
        self.person, self.key, self.nonce = self.facts["person"], self.facts["key"], self.facts["nonce"]
        self.not_after = instant(self.facts["not-after"])

    def signed_under(self, roster):
        """Did the key that it names sign it, and is it this person's in this roster? Returns that key's entry."""
        person = roster.person(self.person)
        for key in member(person, "keys", list):
            passkey = key.get("kind", "ssh") == "passkey"
            blob = b64(member(key, "public", str), url=True) if passkey else ssh_blob(member(key, "public", str))
            if fingerprint(blob) != self.key:
                continue
            if passkey:
                webauthn(self.signature, self.text.encode(), key)
            else:
                sshsig(self.signature, self.text.encode(), blob)
            return key
        raise Bad(f"the roster does not give the key {self.key} to {self.person}")


def statements(data):
    """The statements of an entry: `statement` and `signature`, or both with `-0`, `-1` …"""
    endings = {}
    for name in data:
        shape = re.fullmatch(r"(?:statement|signature)(-.*)?", name, re.DOTALL)
        if shape:
            endings[shape[1] or ""] = True
    return [Statement(member(data, f"statement{end}", str), member(data, f"signature{end}", str)) for end in endings]


# -- the roster -------------------------------------------------------------------------------------------------------
class Roster:
    def __init__(self, document):
        self.value, self.hash = canonical(document), hashlib.sha256(document).hexdigest()
        need(len(document) <= 60000 and self.value.get("format") == "breakglass-roster-v1", "it is no roster")
        self.version, self.previous = member(self.value, "version", int), member(self.value, "previous", str)
        self.deployment, self.origin = member(self.value, "deployment", str), member(self.value, "origin", str)
        self.issued_at = instant(member(self.value, "issued_at", str))
        self.keys = member(self.value, "keys", dict)
        asked = self.value.get("witnesses", {"known": [], "quorum": 0})
        self.witnesses = [member(one, "key", str) for one in member(asked, "known", list)]
        self.witness_quorum = member(asked, "quorum", int)

    def person(self, id):
        people = member(self.value, "people", dict)
        need(id in people, f"the roster does not know {id}")
        return people[id]

    def thing(self, table, id):
        return member(member(self.value, table, dict), id, dict)

    def with_role(self, role):
        return {id for id, one in member(self.value, "people", dict).items() if role in one["roles"]}

    def groups(self, at):
        """The groups of everybody whose term has not ended."""
        found = {}
        for id, one in member(self.value, "people", dict).items():
            if not one.get("expires_at") or at < instant(one["expires_at"]):
                found[id] = set(one["groups"])
        return found


def quorum_lacks(quorum, people, groups):
    """Distinct people on the places of a quorum, each on one (augmenting paths)."""
    places = [part["group"] for part in quorum for _ in range(part["count"])]
    holder = {}

    def seat(person, tried):
        for place, group in enumerate(places):
            if place not in tried and group in groups.get(person, ()):
                tried.add(place)
                if place not in holder or seat(holder[place], tried):
                    holder[place] = person
                    return True
        return False

    for person in sorted(set(people)):
        seat(person, set())
    return [group for place, group in enumerate(places) if place not in holder]


WAIT = timedelta(hours=72)


def adopt(rosters, data, pin):
    """The next version of the roster, when the statements with it are what the version before asks for."""
    after, said = Roster(member(data, "document", str).encode()), statements(data)
    need(member(data, "statements", int) == len(said), "it does not hold as many statements as it says")
    named = (member(data, "version", int), member(data, "hash", str))
    need(named == (after.version, after.hash), "it names another version than its document")
    before = rosters[-1] if rosters else after
    if not rosters:
        need(after.hash == pin, "it is not the roster whose hash you gave")
        need((after.version, after.previous) == (0, ""), "it is not a founding roster")
    else:
        need(
            (after.version, after.previous) == (before.version + 1, before.hash),
            "it does not follow the version before",
        )
        need((after.deployment, after.origin) == (before.deployment, before.origin), "it is of another deployment")
        need(after.issued_at >= before.issued_at, "it is older than the version before")
    signers, known = set(), {one.version: one.hash for one in [*rosters, *([] if rosters else [after])]}
    for one in said:
        need(
            one.kind == "roster" and one.facts["deployment"] == before.deployment,
            "a statement with it is about something else",
        )
        need(
            one.facts["subject"] == f"{after.deployment}/roster/{after.version}",
            "a statement with it is for another version",
        )
        need(one.facts["next"] == f"{after.version} {after.hash}", "a statement with it is for another document")
        need(known.get(one.version) == one.roster, "a statement with it names a roster that is not here")
        one.signed_under(before)
        signers.add(one.person)
    if not rosters:
        custodians = after.with_role("custodian")
        need(custodians and custodians <= signers, "a founding custodian did not sign it")
    else:
        lacking = quorum_lacks(member(before.value, "changes", list), signers, before.groups(after.issued_at))
        need(not lacking, f"it lacks signatures of: {', '.join(lacking)}")
        if len(signers & before.with_role("approver")) < 2:
            new_keys_wait(before, after)
    return after, said


def new_keys_wait(before, after):
    was = {}
    for id, one in before.value["people"].items():
        for key in one["keys"]:
            was[id, key["public"]] = key
    for id, one in after.value["people"].items():
        for key in one["keys"]:
            until, old = after.issued_at + WAIT, was.get((id, key["public"]))
            if old is not None and same_key(old, key):
                until = min(until, instant(old["approves_from"]))
            need(instant(key["approves_from"]) >= until, f"a new key of {id} would approve too early")


def same_key(old, key):
    if key.get("kind", "ssh") != old.get("kind", "ssh"):
        return False
    if key.get("kind", "ssh") == "ssh":
        return True
    return (old["credential"], old["rp"]) == (key["credential"], key["rp"]) and set(key["origins"]) <= set(
        old["origins"]
    )


# -- the bundle -------------------------------------------------------------------------------------------------------
AT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00"
CARRIES = {
    "request.approval": "approve", "request.denied": "deny", "review.signed": "review", "erasure.signed": "erase",
    "next_log.signed": "next-log",
}  # fmt: skip
TURNS = {"custody.taken": "check-out", "custody.returned": "return"}
GONE = "(erased)"
GRANT = (
    "deployment", "grant", "request", "person", "key", "account", "username", "endpoint", "host-key", "connector",
    "permissions", "recording", "roster", "opened-at", "not-after",
)  # fmt: skip
REQUEST = {"pending": {"approved", "denied", "cancelled", "expired"}}
ENDS = {"closed", "revoked", "expired"}


class Event:
    def __init__(self, leaf, opened):
        need(len(leaf.encode()) <= 65535, "it is too long")
        value = loads(leaf)
        members = ("v", "kind", "at", "by", "about", "data")
        need(isinstance(value, dict) and tuple(value) == members, "it has other members than an entry")
        need(value["v"] == 1 and type(value["v"]) is int, "it is of a version that is not known")
        self.kind, self.about, self.by = (member(value, name, str) for name in ("kind", "about", "by"))
        need(re.fullmatch(AT, member(value, "at", str), re.ASCII), "its instant has another form")
        self.at, self.data = moment(value["at"]), member(value, "data", dict)
        need(all(type(one) in (str, int, bool) for one in self.data.values()), "its data is not flat")
        self.private, self.missing = [name[:-1] for name in self.data if name.endswith("#")], False
        need(set(opened) <= set(self.private), "it opens a value that the log does not commit to")
        need(not opened or set(opened) == set(self.private), "some of its private values are gone, and some are not")
        self.data = dict(self.restored(opened))

    def restored(self, opened):
        """Its data with the private values that the leaf commits to (log.md, Private values)."""
        for marked, value in self.data.items():
            if not marked.endswith("#"):
                yield marked, value
                continue
            name = marked[:-1]
            need(name not in self.data, f"it says its {name} twice")
            need(type(value) is str and len(b64(value)) == 32, f"its {name} is no commitment")
            if name not in opened:
                self.missing = True
                yield name, GONE
                continue
            need(
                isinstance(opened[name], dict) and tuple(opened[name]) == ("salt", "value"),
                "an opening has no such form",
            )
            salt, text = b64(member(opened[name], "salt", str)), member(opened[name], "value", str)
            committed = sha(b"breakglass-private-v1\0" + salt + name.encode() + b"\0" + text.encode())
            need(len(salt) == 16 and committed == b64(value), f"its {name} is not what the log committed to")
            yield name, text

    def text(self, name):
        return member(self.data, name, str)


def entry_members(one):
    """Of a record of the bundle: `opened` stands only where the leaf commits to private values."""
    more = ("opened",) if isinstance(one, dict) and "opened" in one else ()
    return ("index", "leaf", *more, "proof")


def entry_numbers(line):
    need(re.fullmatch(r"(0|[1-9][0-9]{0,9})( [1-9][0-9]{0,9})*", line), "it does not name entries as it must")
    found = [int(one) for one in line.split(" ")]
    need(len(found) <= 300 and found == sorted(set(found)), "it does not name entries as it must")
    return found


class Judge:
    """One bundle from its first byte to its last; `where` is the record that is looked at."""

    def __init__(self, pin):
        self.pin, self.where = pin, "the file"
        self.rosters, self.nonces, self.roots, self.used = [], {}, {}, set()
        self.made, self.state, self.approvers, self.grant, self.ended = None, "", {}, None, ""
        self.sessions, self.recordings, self.rotations, self.review = {}, {}, {}, None
        self.tried, self.proofs = {}, {}
        self.private, self.erasing = {}, {}
        self.log, self.going_on = 1, {}
        self.taken = {}
        self.count = self.people_saw = self.witnessed = self.checked = 0

    def judge(self, data):
        top = canonical(data)
        names = ("checkpoint", "entries", "format", "heads", "request", "witnessed")
        need(isinstance(top, dict) and tuple(top) in (names, names[:-1]), "it has other members than a bundle")
        need(top["format"] == "breakglass-bundle-v1", "it is no bundle of version 1")
        self.request, entries = member(top, "request", str), member(top, "entries", list)
        found = [self.shape(one, entry_members(one), "index") for one in entries]
        need(len(found) >= 2 and found[0][0] == 0, "it does not begin with the founding roster")
        events = []
        for index, one, _ in found:
            self.where = f"entry {index}"
            opened = one.get("opened", {})
            need(isinstance(opened, dict) and (opened or "opened" not in one), "a record opens nothing")
            events.append(Event(member(one, "leaf", str), opened))
        self.where = "entry 0"
        need(events[0].kind == "roster.adopted", "it is no roster")
        founding, _ = adopt([], events[0].data, self.pin)
        self.checkpoint(member(top, "checkpoint", str), founding)
        self.heads(member(top, "heads", list))
        before, hashed = -1, hashlib.sha256()
        for index, one, proof in found:
            self.where = f"entry {index}"
            need(index > before, "the entries are not in order")
            before, leaf = index, one["leaf"].encode()
            must_be_in(leaf, index, proof, self.size, self.root)
            if index != found[-1][0]:
                hashed.update(index.to_bytes(8, "big") + sha(b"\x00" + leaf))
        self.manifest(events[-1], len(found) - 1, hashed.hexdigest(), found[-2][0])
        for (index, _, _), event in zip(found[:-1], events[:-1], strict=True):
            self.where = f"entry {index} ({event.kind})"
            self.entry(index, event)
        for index, (event, erased) in self.private.items():
            self.where = f"entry {index} ({event.kind})"
            need(erased or not event.missing, "its private values are gone, and nothing says that they were erased")
        self.where = "the checkpoint"
        need(self.number == self.log, "custodians' words for the log that it is of are not here")
        if "witnessed" in top:
            self.witnesses(member(top, "witnessed", list))
        self.where = "the bundle"
        need(self.made, f"it does not hold its request {self.request}")
        need(set(self.roots) == self.used, "it holds a head that no statement names")

    def shape(self, one, names, number):
        need(isinstance(one, dict) and tuple(one) == names, "a record has other members than it must")
        value = member(one, number, int)
        need(0 <= value < 10**18, "a number is too large")
        return value, one, hashes_of(member(one, "proof", list))

    def checkpoint(self, signed, founding):
        self.where = "the checkpoint"
        self.founding = founding
        self.number, self.size, self.root = self.signed_head(signed)
        self.origin = self.log_name(self.number)

    def signed_head(self, signed):
        """Number of the log, size and root."""
        origin, founded = signed.partition("\n")[0], self.founding.origin
        after = re.fullmatch(r"/([1-9][0-9]{0,7})", origin[len(founded) :]) if origin != founded else None
        number = int(after[1]) if after else 1
        need(origin == self.log_name(number), "it is of another log")
        text = open_note(signed, self.log_key(number))
        shape = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n", text)
        need(shape and shape[1] == origin, "it is of another log, or of another form")
        return number, int(shape[2]), b64(shape[3])

    def log_name(self, number):
        """A log that lost its end is followed by the next one, whose name has its number (log.md, The next log)."""
        return self.founding.origin if number == 1 else f"{self.founding.origin}/{number}"

    def log_key(self, number):
        """It signs with the same key, under its own name."""
        name, _, public = member(self.founding.keys, "log", str).split("+", 2)
        need(name == self.founding.origin, "the roster's key has another name than its log")
        id = sha(self.log_name(number).encode() + b"\n" + b64(public))[:4].hex()
        return f"{self.log_name(number)}+{id}+{public}"

    def witnesses(self, signed):
        """Checkpoints that witnesses of the rosters cosigned: up to where did as many as are asked for see this log?"""
        self.where = "the witnessed checkpoints"
        need(signed, "there is none")
        keys = {key for roster in self.rosters for key in roster.witnesses}
        before, reached = 0, {}
        for one in signed:
            need(
                isinstance(one, dict) and tuple(one) == ("checkpoint", "proof"),
                "a record has other members than it must",
            )
            text, blank, below = member(one, "checkpoint", str).rpartition("\n\n")
            log_line, *lines = below.split("\n")
            need(blank and lines and not lines.pop(), "it has no signatures")
            number, size, root = self.signed_head(f"{text}{blank}{log_line}\n")
            need(number <= self.log, "it is of a log that custodians did not sign for")
            self.where = f"the witnessed checkpoint over {size} entries"
            need(size > before, "the witnessed checkpoints are not in order")
            must_begin_with(size, root, hashes_of(member(one, "proof", list)), self.size, self.root)
            names = [cosigner(text + "\n", line, keys) for line in lines]
            need(names and len(names) == len(set(names)), "it has no line by a witness, or two by one")
            before = size
            reached.update(dict.fromkeys(names, size))
        newest = self.rosters[-1]
        sizes = sorted((reached.get(vkey.split("+")[0], 0) for vkey in newest.witnesses), reverse=True)
        needed = max(1, newest.witness_quorum)
        self.witnessed = sizes[needed - 1] if len(sizes) >= needed else 0

    def heads(self, heads):
        before = -1
        for one in heads:
            size, value, proof = self.shape(one, ("proof", "root", "size"), "size")
            self.where = f"the head over {size} entries"
            need(size > before, "the heads are not in order")
            [root] = hashes_of([value["root"]])
            must_begin_with(size, root, proof, self.size, self.root)
            before, self.roots[size] = size, root

    def manifest(self, last, count, hashed, before):
        need(
            last.kind == "evidence.exported" and last.about == self.request, "the bundle does not end with its manifest"
        )
        said = (member(last.data, "entries", int), last.text("hash"))
        need(
            said == (count, hashed),
            "the bundle does not hold just what its manifest names: something was left out, or put in",
        )
        need(before < member(last.data, "size", int), "the bundle holds an entry that its manifest can't name")
        self.exported_at = last.at

    # -- one entry after the other ---------------------------------------------------------------------------------
    def entry(self, index, event):
        kind, data = event.kind, event.data
        thing, _, verb = kind.partition(".")
        if kind == "roster.adopted":
            roster, said = adopt(self.rosters, data, self.pin)
            need(event.about == roster.deployment, "it is of another deployment")
            need(not self.rosters or roster.keys.get("log") == self.rosters[0].keys["log"], "it names another log key")
            self.rosters.append(roster)
            for one in said:
                self.use(index, event, one)
            return
        if event.private:
            self.private[index] = (event, False)
        if kind == "entry.erased":
            self.erased(event)
        if kind == "next_log.begun":
            self.goes_on(event)
        if kind in TURNS:
            self.turn(index, event)
            return
        wanted = "replay" if data.get("purpose") == "replay" else CARRIES.get(kind)
        said = None
        if wanted or statements(data):
            found = statements(data)
            need(len(found) == 1, "it does not carry just one statement")
            said = found[0]
            self.statement(index, event, said, wanted or said.kind)
        if kind == "request.made":
            need(event.about == self.request and self.made is None, "it is another request's")
            self.made, self.state = event, "pending"
        elif thing == "request" and verb in REQUEST["pending"]:
            need(
                event.about == self.request and verb in REQUEST.get(self.state, ()),
                f"a request that is {self.state} can't be {verb}",
            )
            self.state = verb
        elif kind == "grant.opened":
            self.open_grant(event)
        elif thing == "grant" and verb in ENDS:
            need(self.grant and event.about == self.grant["grant"] and not self.ended, "it is no grant that is open")
            self.ended = verb
        elif kind == "session.connecting":
            self.connecting(event)
        elif kind in ("session.started", "session.ended"):
            need(event.about in self.sessions, "there is no such session before it")
            self.sessions[event.about] = verb
        elif kind in ("recording.head", "recording.complete", "recording.truncated"):
            self.recorded(event, verb)
        elif kind in ("recording.lost", "recording.restored"):
            need(event.about in self.recordings, "there is no such recording before it")
            self.recordings[event.about]["lost"] = verb == "lost"
        elif kind == "rotation.owed":
            need(self.grant and event.text("grant") == self.grant["grant"], "it is another grant's rotation")
            self.rotations[event.about] = "owed"
        elif kind == "rotation.done":
            need(self.rotations.get(event.about) == "verified", "it was done without being proven")
            need(data.get("proof", "") == self.proofs.get(event.about, ""), "it was done with another proof")
            self.rotations[event.about] = "done"
        elif thing == "rotation":
            need(event.about in self.rotations, "it is another grant's rotation")
            if verb in ("staged", "applying", "applied", "verified", "unknown", "refused", "reconcile"):
                self.rotations[event.about] = verb
            self.proof(event, verb)
        elif kind == "review.opened":
            named = (event.text("grant"), event.text("request"), event.text("account"))
            need(
                self.grant and named == (self.grant["grant"], self.request, self.grant["account"]),
                "it is another grant's review",
            )
            need(self.review is None, "there is a second review")
            self.review = {"id": event.about, "signed": False}
        elif kind == "review.signed":
            self.signed_review(event, said)

    def proof(self, event, verb):
        """Two lines: which secret was accepted, which refused. Both logins came after the candidate was sent last."""
        here = self.tried.setdefault(event.about, {})
        if verb == "staged":
            here["staged"] = event.text("credential")
        elif verb == "applying":
            here["logins"] = {}
        elif verb == "login_tried":
            here.setdefault("logins", {})[event.text("credential")] = str(event.data.get("version"))
        elif verb == "verified":
            proof = self.proofs[event.about] = event.data.get("proof", "")
            if not proof:  # from before proofs were kept
                return
            lines = [line.split(" ") for line in str(proof).split("\n")]
            need(len(lines) == 2 and [line[0] for line in lines] == ["new", "old"], "its proof is none")
            for line, word in zip(lines, ("accepted", "refused"), strict=True):
                if line == ["old", "none"]:
                    continue
                need(len(line) == 6 and line[3] == word, "its proof is none")
                need(here.get("logins", {}).get(line[1]) == line[2], "it proves a login that was not made")
            need(lines[0][1] == here.get("staged"), "it proves another secret than the one that was to be set")
            need(lines[1][1] != lines[0][1], "it proves one secret as both")

    def statement(self, index, event, said, kind):
        facts = said.facts
        subject = event.about
        need(
            said.kind == kind and facts["subject"] == subject,
            f"its statement is about {facts['subject']}, not about {subject}",
        )
        roster = self.rosters[-1]
        need(facts["deployment"] == roster.deployment, "its statement is of another deployment")
        need(0 <= said.version < len(self.rosters), "its statement names a roster that did not exist then")
        need(
            self.rosters[said.version].hash == said.roster, "its statement names a roster that is not this deployment's"
        )
        said.signed_under(self.rosters[said.version])
        # A step that ran while a version was adopted judged by the one before: any of these may hold it.
        wrong = None
        for version in range(len(self.rosters) - 1, said.version - 1, -1):
            try:
                self.fits(self.rosters[version], event, said)
                break
            except Bad as one:
                wrong = wrong or one
        else:
            raise wrong
        self.use(index, event, said)
        if kind == "approve":
            need(said.person not in self.approvers, f"{said.person} approved it twice")
            self.approvers[said.person] = not said.signature.startswith("-----BEGIN WEBAUTHN")

    def fits(self, roster, event, said):
        """May this person say this, under this roster?"""
        person, facts, key = roster.person(said.person), said.facts, said.signed_under(roster)
        need(said.person in roster.groups(event.at), f"the term of {said.person} had ended")
        if said.kind in ("approve", "deny"):
            need(self.made, "there is no request before it")
            account = roster.thing("accounts", self.made.text("account"))
            policy = roster.thing("policies", member(account, "policy", str))
            groups = {part["group"] for part in policy["quorum"]}
            counts = "approver" in person["roles"] and said.person != self.made.by and groups & set(person["groups"])
            need(counts, f"the word of {said.person} does not count for this request")
            if said.kind == "deny":
                named = (facts["requester"], facts["account"])
                need(named == (self.made.by, self.made.text("account")), "it denies another request")
                return
            need(event.at >= instant(member(key, "approves_from", str)), "its key is too new to approve with")
            for name, value in self.terms(roster, account, policy).items():
                need(facts[name] == value, f"it approves something else than was asked for: {name}")
        elif said.kind == "erase":
            roles = {"auditor", "custodian"} & set(person["roles"])
            need(roles, f"{said.person} may not have anything erased")
            named = entry_numbers(facts["entries"])
            own = [n for n in named if n in self.private and self.private[n][0].by == said.person]
            need(not own, f"{said.person} had their own entry erased")
            self.erasing.setdefault(event.about, {})[said.person] = (roles, named)
        elif said.kind == "next-log":
            need("custodian" in person["roles"], f"{said.person} is no custodian")
            self.going_on.setdefault((facts["origin"], facts["former"], facts["because"]), set()).add(said.person)
        elif said.kind in TURNS.values():
            item = self.item(event.about, roster.version)
            need(all(facts[name] == item[name] for name in ITEM[1:]), "it describes the item otherwise than the estate")
            holds = said.person == facts["holder"] and "requester" in person["roles"]
            need("custodian" in person["roles"] or holds, f"the word of {said.person} does not count for this")
            need(re.fullmatch(r"[1-9][0-9]{0,8}", facts["number"]), "its number has another form")
        elif said.kind == "replay":
            need(
                facts["session"] == event.about and "auditor" in person["roles"],
                f"{said.person} could not ask for this replay",
            )
        elif said.kind == "review":
            involved = {self.made.by if self.made else "", *self.approvers}
            need(said.person == event.by and "auditor" in person["roles"], f"{said.person} could not sign this review")
            need(said.person not in involved, f"{said.person} asked or approved, and can't review")

    def item(self, id, version):
        """A custody item as the newest roster up to this version has it."""
        for roster in reversed(self.rosters[: version + 1]):
            if id in roster.value.get("custody", {}):
                return roster.thing("custody", id)
        raise Bad(f"no roster knows the item {id}")

    def turn(self, index, event):
        """An item was taken from its safe for this request, or came back: two people signed the same."""
        said = statements(event.data)
        need(said and member(event.data, "statements", int) == len(said), "it holds fewer statements than it says")
        kind, facts = TURNS[event.kind], said[0].facts
        people, custodians = set(), set()
        for one in said:
            need(all(one.facts[name] == facts[name] for name in KINDS[kind]), "its people did not sign the same")
            self.statement(index, event, one, kind)
            people.add(one.person)
            if one.person in self.rosters[one.version].with_role("custodian"):
                custodians.add(one.person)
        holder, taken = facts["holder"], kind == "check-out"
        need(len(people) == len(said) > 1 and custodians, "it was not signed by two people, of whom one is a custodian")
        need(not taken or (holder in people and custodians - {holder}), "who takes it, or a custodian, did not sign")
        wanted = {"number": int(facts["number"]), "seal": facts["seal"], "holder": holder, "request": self.request}
        if taken:
            until, longest = instant(facts["until"]), self.item(event.about, len(self.rosters)).get("out_hours", 24)
            need(
                event.at < until <= event.at + timedelta(hours=longest), "it is out for longer than the estate lets it"
            )
            wanted["until"] = until.isoformat()
            if facts["recorded"] != "none":
                wanted["recorded"] = facts["recorded"]
            need(facts["request"] == self.request, "it was taken for another request")
        else:
            before = (int(facts["number"]) - 1, holder)
            need(self.taken.pop(event.about, None) == before, "it was not out, or somebody else held it")
        told = {name: event.data[name] for name in (*wanted, "until", "recorded") if name in event.data}
        need(told == wanted, "it tells something else than its people signed")
        if taken:
            self.taken[event.about] = (wanted["number"], holder)

    def goes_on(self, event):
        """The log before lost its end: two custodians, or the only one, signed the same for this one."""
        roster, number = self.rosters[-1], self.log + 1
        named = (member(event.data, "number", int), event.text("origin"), event.about)
        need(named == (number, self.log_name(number), f"{roster.deployment}/log"), "it is not the log that comes next")
        said = [who for facts, who in self.going_on.items() if facts[:2] == (named[1], event.text("former"))]
        there = roster.with_role("custodian") & set(roster.groups(event.at))
        enough = max(map(len, said), default=0) >= min(2, len(there))
        need(said and enough, "not enough custodians went on with this log")
        if event.text("checkpoint"):
            before, size, root = self.signed_head(event.text("checkpoint"))
            head = f"{size} {base64.b64encode(root).decode()}"
            need((before, head) == (self.log, event.text("former")), "its checkpoint is not the head that it names")
        need(re.fullmatch(r"[0-9]+ [A-Za-z0-9+/]{43}=", event.text("former")), "it names no head of the log before")
        self.log, self.going_on = number, {}

    def erased(self, event):
        """Private values were taken away from beside the log: an auditor and another person, a custodian, signed."""
        index = member(event.data, "entry", int)
        one, before = self.private.get(index, (None, True))
        need(one and not before and one.missing, f"entry {index} has no such values, or they are still there")
        named = (event.about, event.text("fields"))
        need(named == (one.about, " ".join(sorted(one.private))), f"entry {index} has other private values")
        need(one.kind != "request.made" or not self.approvers, "its reason stands in what people signed")
        those = self.erasing.get(event.text("erasure"), {}).items()
        signers = {person: roles for person, (roles, entries) in those if index in entries}
        both = [{person for person, roles in signers.items() if role in roles} for role in ("auditor", "custodian")]
        need(all(both) and len(both[0] | both[1]) > 1, "it was not signed by an auditor and a custodian")
        self.private[index] = (one, True)

    def terms(self, roster, account, policy):
        target = roster.thing("targets", member(account, "target", str))
        protocol = target.get("protocol", "ssh")
        host_key = target["host_key"] if protocol == "ssh" else f"x509 {target['certificate']}"
        plain = json.dumps(policy, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
        return {
            "requester": self.made.by,
            "requester-key": self.made.text("key"),
            "target": target["name"],
            "account": self.made.text("account"),
            "username": account["username"],
            "endpoint": f"{protocol}://{target['host']}:{target['port']}",
            "host-key": " ".join(host_key.split(" ")[:2]),
            "connector": target.get("connector") or "direct",
            "condition": self.made.text("condition"),
            "reason": self.made.text("reason"),
            "duration": f"{member(self.made.data, 'seconds', int)} seconds",
            "lane": "dual-control",
            "permissions": " ".join(sorted(policy["permissions"])),
            "recording": policy.get("recording", "strict"),
            "policy": hashlib.sha256(plain.encode()).hexdigest(),
        }

    def use(self, index, event, said):
        """The head that its signer saw is this log's; it was used in its time, and once."""
        need(said.size <= index, f"{said.person} saw {said.size} entries before there were any")
        need(
            self.roots.get(said.size) == said.root,
            f"the log of {said.size} entries that {said.person} saw is not this log",
        )
        self.used.add(said.size)
        before = self.nonces.get(said.nonce)
        if before is None:
            need(event.at < said.not_after, "its statement's time was over")
        else:
            again = before == ("secret.release", said.text) and event.kind == "secret.release"
            need(again, "its statement was used before")
        self.nonces[said.nonce] = (event.kind, said.text)
        self.count += 1
        self.people_saw = max(self.people_saw, said.size)

    def open_grant(self, event):
        need(self.state == "approved" and self.grant is None, "its request was not approved, or has a grant")
        roster = self.rosters[-1]
        text = open_note(event.text("token"), member(roster.keys, "grant", str))
        found = lines(text, "breakglass-grant-v1")
        token = dict(found)
        need(tuple(name for name, _ in found) == GRANT, "the grant's token has other lines")
        opened, until = instant(token["opened-at"]), instant(token["not-after"])
        said = (event.about, event.text("request"), moment(event.text("ends_at")))
        need(said == (token["grant"], self.request, until), "it says something else than the vault's token")
        need(token["request"] == self.request, "the token is another request's")
        version, _, hashed = token["roster"].partition(" ")
        need(
            version.isascii() and version.isdigit() and int(version) < len(self.rosters),
            "the token names no roster that is here",
        )
        then = self.rosters[int(version)]
        need(
            (then.hash, then.deployment) == (hashed, token["deployment"]),
            "the token is of another deployment or roster",
        )
        asked = (self.made.by, self.made.text("key"), self.made.text("account"), self.made.data["seconds"])
        given = (token["person"], token["key"], token["account"], (until - opened) // timedelta(seconds=1))
        need(asked == given, "the grant is not what was asked for")
        account = then.thing("accounts", token["account"])
        policy = then.thing("policies", account["policy"])
        terms = self.terms(then, account, policy)
        for name in ("username", "endpoint", "host-key", "connector", "permissions", "recording"):
            need(token[name] == terms[name], f"the grant opens something else than the roster says: {name}")
        lacking = quorum_lacks(policy["quorum"], self.approvers, then.groups(opened))
        need(not lacking, f"the grant lacks approvals of: {', '.join(lacking)}")
        counted = {part["group"] for part in policy["quorum"]}
        ssh = [
            one for one, by_ssh in self.approvers.items() if by_ssh and counted & then.groups(opened).get(one, set())
        ]
        need(len(ssh) >= policy.get("ssh_signatures", 0), "the grant lacks an approval that an SSH key signed")
        self.grant = {**token, "until": until}

    def connecting(self, event):
        grant = self.grant
        need(grant and event.text("grant") == grant["grant"] and not self.ended, "it is not of a grant that is open")
        named = (event.by, event.text("account"))
        need(
            named == (grant["person"], grant["account"]) and event.at < grant["until"],
            "it is not what the grant opened",
        )
        recording = event.text("recording")
        need(event.about not in self.sessions and recording not in self.recordings, "there is such a session before it")
        self.sessions[event.about] = "connecting"
        self.recordings[recording] = {"session": event.about, "state": "open", "heads": [], "lost": False}

    def recorded(self, event, verb):
        one = self.recordings.get(event.about)
        need(one and one["state"] == "open", "it is no recording that is open")
        one["heads"].append((member(event.data, "chunks", int), event.text("head"), member(event.data, "size", int)))
        one["state"] = "open" if verb == "head" else verb

    def signed_review(self, event, said):
        need(
            self.review and event.about == self.review["id"] and not self.review["signed"],
            "there is no such open review",
        )
        named = (event.text("request"), event.text("account"))
        facts = said.facts
        need(
            named == (facts["request"], facts["account"]) == (self.request, self.grant["account"]),
            "it is another request's review",
        )
        need(facts["grant"] == self.grant["grant"], "it is another grant's review")
        named = [one for one in self.recordings.values() if one["heads"] and one["heads"][-1][1]]
        heads = sorted(one["heads"][-1][1] for one in named if not one["lost"])
        heads += sorted("lost:" + one["heads"][-1][1] for one in named if one["lost"])
        line = " ".join(heads) or "none"
        if len(heads) > 50:
            line = f"{len(heads)} recordings {hashlib.sha256(line.encode()).hexdigest()}"
        need(facts["recordings"] == line, "the review was signed over other recordings than these")
        self.review["signed"] = True

    # -- recordings: their files, by hash, without a key ---------------------------------------------------------------
    def recording(self, path):
        self.where = f"recording {path}"
        with open(path, "rb") as file:
            start = file.read(8)
            size = int.from_bytes(start[4:], "big")
            need(len(start) == 8 and start[:4] == b"BGR1" and size <= 1 << 16, "it does not begin as a recording")
            body = file.read(size)
            fields, place = [], 0
            for fixed in (0, 0, 8, 0):
                if not fixed:
                    fixed = int.from_bytes(body[place : place + 2], "big")
                    place += 2
                fields.append(body[place : place + fixed])
                place += fixed
            need(len(body) == size == place, "its header has another length")
            found = [one for one in self.recordings.values() if one["session"].encode() == fields[0]]
            need(found and fields[1] in (b"screen", b"keys"), "it is no recording of this request")
            heads = found[0]["heads"] if fields[1] == b"screen" else []
            self.chain(file, heads, found[0]["state"], sha(start + body), 8 + size)
        self.checked += 1

    def chain(self, file, heads, state, last, total):
        wanted, seq, ended = {n: (digest, size) for n, digest, size in heads if n}, 0, False
        until = heads[-1][2] if state == "truncated" and heads else None
        while True:
            if until is not None and total >= until:
                break  # what a crash tore off behind it was never named to anybody
            head = file.read(45)
            if not head:
                break
            need(len(head) == 45 and not ended, f"it is torn, or goes on, after chunk {seq}")
            length, kind, number, before = struct.unpack(">IBQ32s", head)
            need(16 <= length <= (1 << 24) + 31 and kind in (1, 2), f"chunk {seq + 1} has an impossible head")
            need((number, before) == (seq, last), f"chunk {seq + 1} does not follow the one before it")
            body, stored = file.read(length), file.read(32)
            need(len(body) == length and len(stored) == 32, f"it is torn after chunk {seq}")
            last = sha(head + body)
            need(last == stored, f"chunk {seq + 1} was changed")
            seq, total, ended = seq + 1, total + 45 + length + 32, kind == 2
            if seq in wanted:
                need(wanted.pop(seq) == (last.hex(), total), f"chunk {seq} is not the one that the log names")
        need(not wanted, f"it was cut: the log names {max(wanted, default=0)} chunks")
        need(ended or state != "complete", "it stops without its END")
        need(not heads or state == "open" or seq == heads[-1][0], "it goes on where the log says that it ended")


def run(data, pin, recordings=()):
    """(ok, what was found) of one bundle: what the command prints, for other programs too."""
    judge = Judge(pin)
    try:
        judge.judge(data)
        for path in recordings:
            judge.recording(path)
    except Bad as bad:
        return False, {"ok": False, "bad": judge.where, "words": str(bad)}
    except OSError as error:
        return False, {"ok": False, "bad": judge.where, "words": f"it can't be read: {error.strerror}"}
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, RecursionError):
        # Some member is missing or of another kind. Whatever was signed has all of them: this was not.
        return False, {"ok": False, "bad": judge.where, "words": "it has another shape than it must"}
    return True, {
        "ok": True,
        "request": judge.request,
        "state": judge.state,
        "deployment": judge.rosters[-1].deployment,
        "origin": judge.origin,
        "size": judge.size,
        "seen_by_people": judge.people_saw,
        "witnessed": judge.witnessed,
        "exported_at": judge.exported_at.isoformat(timespec="microseconds"),
        "roster": judge.rosters[-1].version,
        "statements": judge.count,
        "grants": int(judge.grant is not None),
        "sessions": len(judge.sessions),
        "recordings": len(judge.recordings),
        "checked": judge.checked,
        "rotations": judge.rotations,
        "reviewed": bool(judge.review and judge.review["signed"]),
    }


def main(words=None):
    parser = argparse.ArgumentParser(description="Verify a Breakglass evidence bundle.")
    parser.add_argument("bundle", help="the file")
    parser.add_argument("--roster-hash", required=True, metavar="HEX", help="of the founding roster, from elsewhere")
    parser.add_argument("--recording", action="append", default=[], metavar="FILE", help="a recording that it names")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(words)
    if not re.fullmatch(r"[0-9a-f]{64}", given.roster_hash):
        parser.error("--roster-hash has 64 hexadecimal digits")
    try:
        with open(given.bundle, "rb") as file:
            data = file.read()
    except OSError as error:
        parser.error(f"{given.bundle} can't be read: {error.strerror}")
    ok, found = run(data, given.roster_hash, given.recording)
    if given.json:
        print(json.dumps(found, indent=2, ensure_ascii=False))
    elif not ok:
        safe = "".join(c if seen(c) else "?" for c in f"BAD {found['bad']}: {found['words']}")
        print(f"{safe}\nNOT verified. Keep the file as it is; call the auditors.")
    else:
        rotations = ", ".join(f"{id} {state}" for id, state in found["rotations"].items()) or "none"
        print(
            f"{found['request']} of {found['deployment']}: {found['state']}; as of {found['exported_at']}\n"
            f"log {found['origin']}, {found['size']} entries under the checkpoint; roster version {found['roster']}\n"
            f"{found['statements']} statements with their signatures, {found['grants']} grant, {found['sessions']} sessions\n"
            f"rotations: {rotations}; review {'signed' if found['reviewed'] else 'not signed'}\n"
            f"{found['recordings']} recordings named by hash, {found['checked']} checked against their files\n"
            f"people saw this log up to {found['seen_by_people']} entries, its witnesses up to {found['witnessed']}\n"
            "what is behind both rests on the log's key\n"
            "verified"
        )
    return 0 if ok else BAD


if __name__ == "__main__":
    sys.exit(main())
