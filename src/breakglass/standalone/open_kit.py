#!/usr/bin/env python3
"""Opens a Breakglass emergency kit. It needs Python 3.11 and the package `cryptography`: no Breakglass, no network.

    python3 open_kit.py kit-1-copy-1.bgk                      asks for the shares, shows what is in it, no password
    python3 open_kit.py kit-1-copy-1.bgk --show root@db1      and this password
    python3 open_kit.py --join codes.txt --output kit.bgk     a kit again from its printed codes, one a line, in any order

What it does, step by step, is docs/formats/kit.md. A share is typed as it stands on its paper; small letters, spaces and
dashes don't matter.
"""

import argparse
import base64
import getpass
import hashlib
import hmac
import json
import re
import struct
import sys

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAGIC = b"breakglass kit 1\n"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
PART = re.compile(r"BGK1 ([1-9][0-9]{0,9})/([1-9]) ([1-9][0-9]?)/([1-9][0-9]?) ([A-Za-z0-9_-]+)")
CHUNK, TAG = 65536, 16


class Bad(Exception):
    """What is wrong, in words for who stands there."""


def need(condition, words):
    if not condition:
        raise Bad(words)


# -- the file ---------------------------------------------------------------------------------------------------------
class Kit:
    def __init__(self, data):
        need(data.startswith(MAGIC), "This is no kit.")
        self.head, place = sized(data, len(MAGIC))
        self.body, place = sized(data, place)
        self.signed, self.note = data[:place], data[place:].decode("utf-8", "replace")
        try:
            self.header = json.loads(self.head)
            self.seal, self.keys = json.loads(self.header["seal"]), json.loads(self.header["keys"])
            [self.slot] = [one for one in self.seal["slots"] if one["kind"] == "custodians"]
            self.deployment = self.header["deployment"]
        except (ValueError, KeyError, TypeError):
            raise Bad("The kit is damaged: its first part can't be read. Take another copy.") from None

    def title(self):
        one = self.header
        return f"Emergency kit {one['number']}, copy {one['copy']}, of {one['origin']}, made {one['made_at'][:10]}"


def sized(data, place):
    size = int.from_bytes(data[place : place + 4], "big")
    need(len(data) >= place + 4 + size, "The kit is cut short. Take another copy.")
    return data[place + 4 : place + 4 + size], place + 4 + size


def bind(*parts):
    """Each part with its length before it; numbers as 8 bytes."""
    out = b""
    for part in parts:
        raw = part.to_bytes(8, "big") if isinstance(part, int) else part.encode() if isinstance(part, str) else part
        out += len(raw).to_bytes(4, "big") + raw
    return out


def unbox(key, box, bound, words):
    try:
        return AESGCM(key).decrypt(box[:12], box[12:], bound)
    except (InvalidTag, ValueError):
        raise Bad(words) from None


# -- shares -----------------------------------------------------------------------------------------------------------
class Share:
    def __init__(self, text):
        """Names the group with a typing error, counted after BGS1."""
        letters = re.sub(r"[\s\-_.\u2010-\u2015\u2212]+", "", text).upper().translate(str.maketrans("OIL", "011"))
        need(letters.startswith("BGS1"), "A share begins with BGS1.")
        letters = letters[4:]
        groups = [letters[n : n + 5] for n in range(0, len(letters), 5)]
        wrong = [n for n, group in enumerate(groups[:17], 1) if not fits(group, n)]
        need(not wrong, f"There is a typing error in group {', '.join(map(str, wrong))} of 17 (counted after BGS1).")
        need(len(letters) == 85, "The share is too short or too long: it has 17 groups of 5 after BGS1.")
        body = [ALPHABET.index(letter) for group in groups for letter in group[:4]]
        digest = hashlib.sha256(b"breakglass share text\x00" + bytes(body[:-4])).digest()
        need(body[-4:] == [digest[n] & 31 for n in range(4)], "The share's last check does not fit: enter it again.")
        self.set, (self.index, self.k, self.n, form) = gathered(body[:8], 5), body[8:12]
        need(form == 1, "This share was written by another version.")
        self.value = gathered(body[12:-4], 32)


def fits(group, place):
    if len(group) != 5 or any(letter not in ALPHABET for letter in group):
        return False
    total, numbers = 0, [ALPHABET.index(letter) for letter in group]
    for number in numbers[:4]:
        total = (total ^ number) << 1
        total ^= -(total >> 5) & 0x25
    return total ^ place == numbers[4]


def gathered(numbers, size):
    value = 0
    for number in numbers:
        value = value << 5 | number
    return (value >> len(numbers) * 5 - size * 8).to_bytes(size, "big")


def check(share, slot):
    """Is it exactly the share that was given out under this number?"""
    need(
        share.set.hex() == slot["set"],
        f"Share {share.index} belongs to another set of shares: this kit wants those that held when it was made.",
    )
    need(1 <= share.index <= slot["n"], f"Share {share.index} does not exist.")
    said = slot["commitments"][share.index - 1]
    domain = bind("breakglass share", share.set, share.index, share.k, share.n)
    digest = hashlib.sha256(bind(domain, bytes.fromhex(said["salt"]), share.value)).hexdigest()
    need(hmac.compare_digest(digest, said["sha256"]), f"Share {share.index} is not the one that was given out.")


def multiply(a, b):
    """In GF(2^8), with the polynomial of AES."""
    product = 0
    for bit in range(8):
        product ^= -(b >> bit & 1) & a
        a = a << 1 ^ (-(a >> 7) & 0x11B)
    return product


def invert(a):
    result = 1
    for bit in (1, 1, 1, 1, 1, 1, 1, 0):
        result = multiply(result, result)
        if bit:
            result = multiply(result, a)
    return result


def combine(shares, slot):
    """Lagrange's interpolation at 0, byte by byte."""
    points, result = sorted(shares)[: slot["k"]], bytearray(32)
    for point in points:
        weight = 1
        for other in points:
            if other != point:
                weight = multiply(weight, multiply(other, invert(other ^ point)))
        for place in range(32):
            result[place] ^= multiply(shares[point].value[place], weight)
    domain = bind("breakglass shared secret", bytes.fromhex(slot["set"]))
    digest = hashlib.sha256(bind(domain, bytes.fromhex(slot["digest"]["salt"]), bytes(result))).hexdigest()
    need(hmac.compare_digest(digest, slot["digest"]["sha256"]), "The kit is damaged: right shares don't open it.")
    return bytes(result)


# -- from the shares to the content -----------------------------------------------------------------------------------
def root_of(kit, shares):
    slot = kit.slot
    hashes = [bytes.fromhex(one[part]) for one in (*slot["commitments"], slot["digest"]) for part in ("salt", "sha256")]
    public = bind("breakglass shares", bytes.fromhex(slot["set"]), slot["k"], slot["n"], *hashes)
    bound = bind("breakglass seal slot", "custodians", kit.deployment, public)
    return unbox(
        combine(shares, slot), bytes.fromhex(slot["wrapped"]), bound, "The kit is damaged: its seal does not open."
    )


def derived(root, deployment, label):
    info = bind("breakglass vault key", deployment, label)
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(root)


def must_be_signed(kit, root):
    """By the vault whose root key the shares made: its grant key is wrapped with that, and can't be another's."""
    wrapped = bytes.fromhex(kit.keys["wrapped"]["grant"])
    need(wrapped[:5] == b"BGKW\x01", "The kit is damaged: its keys have another form.")
    words = "The kit is damaged: its keys do not belong to these shares."
    bound = bind("breakglass wrapped key", "grant")
    grant = unbox(derived(root, kit.deployment, "wrap"), wrapped[5:], bound, words)
    public = Ed25519PrivateKey.from_private_bytes(grant).public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    one, hashed = kit.header, hashlib.sha256(kit.signed).hexdigest()
    text = "".join(f"{line}\n" for line in ("breakglass-kit-v1", one["deployment"], one["number"], one["copy"], hashed))
    line = re.fullmatch("\u2014 ([^ +]+) ([A-Za-z0-9+/=]+)\n", kit.note[len(text) + 1 :])
    need(kit.note[: len(text) + 1] == text + "\n" and line, "The kit was changed: it is not what was signed.")
    raw = base64.b64decode(line[2])
    id = hashlib.sha256(line[1].encode() + b"\n\x01" + public).digest()[:4]
    need(raw[:4] == id and line[1] == f"{one['origin']}/grant", "The kit is signed by somebody else.")
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(raw[4:], text.encode())
    except InvalidSignature:
        raise Bad("The kit was changed: its signature does not hold.") from None


def content_of(kit, root):
    private = X25519PrivateKey.from_private_bytes(derived(root, kit.deployment, "backup"))
    key = hpke(private, kit.body[:80], bind("breakglass kit key", 1, kit.head))
    place, number, found = 80, 0, b""
    while True:
        sealed = kit.body[place : place + CHUNK + TAG]
        place += len(sealed)
        last = place >= len(kit.body)
        try:
            found += AESGCM(key).decrypt(struct.pack(">7xIB", number, last), sealed, None)
        except (InvalidTag, ValueError):
            raise Bad("The kit was changed or cut short.") from None
        if last:
            return json.loads(found)
        number += 1


def hpke(private, sealed, info):
    """RFC 9180, base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; one message."""
    enc, cipher = sealed[:32], sealed[32:]
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    kem, suite = b"KEM\x00\x20", b"HPKE\x00\x20\x00\x01\x00\x02"
    shared = private.exchange(X25519PublicKey.from_public_bytes(enc))
    prk = extract(b"", b"HPKE-v1" + kem + b"eae_prk" + shared)
    secret = expand(prk, b"\x00\x20HPKE-v1" + kem + b"shared_secret" + enc + public, 32)
    ids = extract(b"", b"HPKE-v1" + suite + b"psk_id_hash")
    context = b"\x00" + ids + extract(b"", b"HPKE-v1" + suite + b"info_hash" + info)
    prk = extract(secret, b"HPKE-v1" + suite + b"secret")
    key = expand(prk, b"\x00\x20HPKE-v1" + suite + b"key" + context, 32)
    nonce = expand(prk, b"\x00\x0cHPKE-v1" + suite + b"base_nonce" + context, 12)
    try:
        return AESGCM(key).decrypt(nonce, cipher, b"")
    except (InvalidTag, ValueError):
        raise Bad("The kit was changed, or belongs to another vault.") from None


def extract(salt, data):
    return hmac.digest(salt or bytes(32), data, "sha256")


def expand(prk, info, size):
    return hmac.digest(prk, info + b"\x01", "sha256")[:size]


def opened(kit, shares):
    """The content, once enough shares are there: {index: Share}."""
    root = root_of(kit, shares)
    must_be_signed(kit, root)
    return content_of(kit, root)


# -- printed codes ----------------------------------------------------------------------------------------------------
def join(text):
    """The file again, from its codes in any order, however often each."""
    parts, names = {}, set()
    for line in filter(None, map(str.strip, text.replace("QR-Code:", "\n").splitlines())):
        shape = PART.fullmatch(line)
        need(shape, f"This is no code of a kit: {line[:30]}…")
        names.add((shape[1], shape[2], shape[4]))
        parts[int(shape[3])] = shape[5]
    need(len(names) == 1, "These are codes of several kits or copies, or none.")
    count = int(names.pop()[2])
    missing = [str(n) for n in range(1, count + 1) if n not in parts]
    need(not missing, f"Codes are missing: {', '.join(missing)} of {count}.")
    whole = "".join(parts[n] for n in range(1, count + 1))
    return base64.urlsafe_b64decode(whole + "=" * (-len(whole) % 4))


# -- the person in front of it ----------------------------------------------------------------------------------------
def ask(kit, files):
    """Shares, until there are enough: from files, or typed, each without being shown."""
    shares, needed = {}, kit.slot["k"]
    for path in files:
        with open(path, encoding="utf-8") as file:
            one = Share(file.read())
        check(one, kit.slot)
        shares[one.index] = one
    while len(shares) < needed:
        need(not files, f"{needed} different shares are needed, and {len(shares)} are here.")
        try:
            one = Share(getpass.getpass(f"Share {len(shares) + 1} of {needed} (not shown): "))
            check(one, kit.slot)
            if one.index in shares:
                raise Bad(f"Share {one.index} was entered before: another custodian's is needed.")
            shares[one.index] = one
        except Bad as wrong:
            print(wrong, file=sys.stderr)
    return shares


def listed(content):
    for one in content["accounts"]:
        yield f"{one['username']}@{one['target']}    {one['protocol']}://{one['host']}:{one['port']}    {one['scenario']}"
        yield f"    known by {one['host_key']}"


def main(words=None):
    parser = argparse.ArgumentParser(description="Open a Breakglass emergency kit.")
    parser.add_argument("kit", nargs="?", help="the file")
    parser.add_argument("--show", metavar="USER@TARGET", help="the password or key of this login")
    parser.add_argument("--playbooks", action="store_true", help="what to do, and who is who")
    parser.add_argument(
        "--share-file", action="append", default=[], metavar="FILE", help="a share as a file; give it k times"
    )
    parser.add_argument("--join", metavar="FILE", help="codes that were scanned; - for standard input")
    parser.add_argument("--output", metavar="FILE", help="where --join writes the kit")
    given = parser.parse_args(words)
    try:
        if given.join:
            need(given.output, "Name the file for the kit with --output.")
            with sys.stdin if given.join == "-" else open(given.join, encoding="utf-8") as codes:
                data = join(codes.read())
            with open(given.output, "xb") as file:
                file.write(data)
            return 0
        need(given.kit, "Name the kit's file.")
        with open(given.kit, "rb") as file:
            kit = Kit(file.read())
        print(kit.title(), file=sys.stderr)
        content = opened(kit, ask(kit, given.share_file))
    except (Bad, OSError) as wrong:
        print(f"{wrong}\nTake another copy of the kit, or another share.", file=sys.stderr)
        return 7
    for line in listed(content):
        print(line)
    if given.playbooks:
        for one in content["playbooks"]:
            print(f"\n{one['title']}\n{one['playbook']}")
        print("\n" + "\n".join(f"{one['name']}, {one['department']}" for one in content["people"]))
    if given.show:
        found = [one for one in content["accounts"] if f"{one['username']}@{one['target']}" == given.show]
        if not found:
            print(f"There is no {given.show} in this kit.", file=sys.stderr)
            return 3
        print(base64.b64decode(found[0]["secret"]).decode("utf-8", "replace"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
