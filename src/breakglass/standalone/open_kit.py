#!/usr/bin/env python3
"""Opens a Breakglass emergency kit. It needs Python 3.11 and the package `cryptography`: no Breakglass, no network.

    python3 open_kit.py kit-1-copy-1.bgk                      asks for the shares, shows what is in it, no password
    python3 open_kit.py kit-1-copy-1.bgk --show root@db1      and this password
    python3 open_kit.py --join codes.txt --output kit.bgk     a kit again from its printed codes, one a line, in any order

What it does, step by step, is docs/formats/kit.md. A share is typed as it stands on its paper, 33 words; the first four
letters of each are enough.
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
PART = re.compile(r"BGK1 ([1-9][0-9]{0,9})/([1-9]) ([1-9][0-9]?)/([1-9][0-9]?) ([A-Za-z0-9_-]+)")
CHUNK, TAG = 65536, 16
GENERATOR = (
    0xE0E040, 0x1C1C080, 0x3838100, 0x7070200, 0xE0E0009, 0x1C0C2412, 0x38086C24, 0x3090FC48, 0x21B1F890, 0x3F3F120,
)  # fmt: skip


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
    """SLIP-0039: 2 words name the set, 2 the share, 26 hold its value, 3 are a checksum (RS1024)."""

    def __init__(self, text):
        """Names the place of an error, counted from 1. Four letters of a word are enough."""
        typed = [word for word in re.split(r"[\s\d.,;:)\-]+", text.lower()) if word]
        numbers = [NUMBERS.get(word[:4]) if len(word) > 3 else None for word in typed]
        for place, (word, number) in enumerate(zip(typed, numbers, strict=True), 1):
            need(number is not None and LIST[number].startswith(word), f"Word {place} can't be right: compare it.")
        need(len(numbers) == 33, f"A share has 33 words, and these are {len(numbers)}.")
        wrong = polymod([*b"shamir", *numbers], 1) ^ 1
        need(not wrong, f"There is an error in the words{where(wrong)}: compare them.")
        head, value = gathered(numbers[:4]), gathered(numbers[4:-3])
        need(head >> 8 & 0x1FFFF == 0 and value >> 256 == 0, "These words are a share, but none of Breakglass's.")
        self.set, self.index, self.k = head >> 25, (head >> 4 & 15) + 1, (head & 15) + 1
        self.value = value.to_bytes(32, "big")


def polymod(numbers, state):
    for number in numbers:
        top = state >> 20
        state = (state & 0xFFFFF) << 10 ^ number
        for bit, generator in enumerate(GENERATOR):
            state ^= -(top >> bit & 1) & generator
    return state


def where(wrong):
    """The place of the one wrong word that would leave this, if it is one."""
    for place in range(33):
        basis = [polymod([1 << bit, *[0] * (32 - place)], 0) for bit in range(10)]
        found = [0]
        for one in basis:
            found += [other ^ one for other in found]
        if wrong in found:
            return f", most likely in word {place + 1}"
    return ""


def gathered(numbers):
    value = 0
    for number in numbers:
        value = value << 10 | number
    return value


def check(share, slot):
    """Is it exactly the share that was given out under this number?"""
    need(
        share.set == slot["set"],
        f"Share {share.index} belongs to another set: this kit wants those that held when it was made ({begins(slot['set'])} …).",
    )
    need(1 <= share.index <= slot["n"], f"Share {share.index} does not exist.")
    said = slot["commitments"][share.index - 1]
    domain = bind("breakglass share", share.set, share.index, share.k)
    digest = hashlib.sha256(bind(domain, bytes.fromhex(said["salt"]), share.value)).hexdigest()
    need(hmac.compare_digest(digest, said["sha256"]), f"Share {share.index} is not the one that was given out.")


def begins(number):
    """The two words with which the shares of this set begin."""
    return f"{LIST[number >> 5]} {LIST[(number & 31) << 5]}"


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


def interpolate(points, at):
    """Lagrange's interpolation, byte by byte."""
    result = bytearray(32)
    for point, value in points.items():
        weight = 1
        for other in points:
            if other != point:
                weight = multiply(weight, multiply(at ^ other, invert(point ^ other)))
        for place in range(32):
            result[place] ^= multiply(value[place], weight)
    return bytes(result)


def combine(shares, slot):
    """SLIP-0039: the secret lies at 255, encrypted under an empty passphrase. With one share it is that share."""
    points = {index - 1: shares[index].value for index in sorted(shares)[: slot["k"]]}
    data = interpolate(points, 255) if len(points) > 1 else next(iter(points.values()))
    left, right, salt = data[:16], data[16:], b"shamir" + slot["set"].to_bytes(2, "big")
    for number in (3, 2, 1, 0):
        made = hashlib.pbkdf2_hmac("sha256", bytes([number]), salt + right, 2500, 16)
        left, right = right, bytes(a ^ b for a, b in zip(left, made, strict=True))
    result = right + left
    domain = bind("breakglass shared secret", slot["set"])
    digest = hashlib.sha256(bind(domain, bytes.fromhex(slot["digest"]["salt"]), result)).hexdigest()
    need(hmac.compare_digest(digest, slot["digest"]["sha256"]), "The kit is damaged: right shares don't open it.")
    return result


# -- from the shares to the content -----------------------------------------------------------------------------------
def root_of(kit, shares):
    slot = kit.slot
    hashes = [bytes.fromhex(one[part]) for one in (*slot["commitments"], slot["digest"]) for part in ("salt", "sha256")]
    public = bind("breakglass shares", slot["set"], slot["k"], slot["n"], *hashes)
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


# -- the words of SLIP-0039: each is known by its first four letters ---------------------------------------------------
WORDS = """
academic acid acne acquire acrobat activity actress adapt adequate adjust admit adorn adult advance advocate afraid
again agency agree aide aircraft airline airport ajar alarm album alcohol alien alive alpha already alto aluminum
always amazing ambition amount amuse analysis anatomy ancestor ancient angel angry animal answer antenna anxiety apart
aquatic arcade arena argue armed artist artwork aspect auction august aunt average aviation avoid award away axis axle
beam beard beaver become bedroom behavior being believe belong benefit best beyond bike biology birthday bishop black
blanket blessing blimp blind blue body bolt boring born both boundary bracelet branch brave breathe briefing broken
brother browser bucket budget building bulb bulge bumpy bundle burden burning busy buyer cage calcium camera campus
canyon capacity capital capture carbon cards careful cargo carpet carve category cause ceiling center ceramic champion
change charity check chemical chest chew chubby cinema civil class clay cleanup client climate clinic clock clogs
closet clothes club cluster coal coastal coding column company corner costume counter course cover cowboy cradle craft
crazy credit cricket criminal crisis critical crowd crucial crunch crush crystal cubic cultural curious curly custody
cylinder daisy damage dance darkness database daughter deadline deal debris debut decent decision declare decorate
decrease deliver demand density deny depart depend depict deploy describe desert desire desktop destroy detailed
detect device devote diagnose dictate diet dilemma diminish dining diploma disaster discuss disease dish dismiss
display distance dive divorce document domain domestic dominant dough downtown dragon dramatic dream dress drift drink
drove drug dryer duckling duke duration dwarf dynamic early earth easel easy echo eclipse ecology edge editor educate
either elbow elder election elegant element elephant elevator elite else email emerald emission emperor emphasis
employer empty ending endless endorse enemy energy enforce engage enjoy enlarge entrance envelope envy epidemic
episode equation equip eraser erode escape estate estimate evaluate evening evidence evil evoke exact example exceed
exchange exclude excuse execute exercise exhaust exotic expand expect explain express extend extra eyebrow facility
fact failure faint fake false family famous fancy fangs fantasy fatal fatigue favorite fawn fiber fiction filter
finance findings finger firefly firm fiscal fishing fitness flame flash flavor flea flexible flip float floral fluff
focus forbid force forecast forget formal fortune forward founder fraction fragment frequent freshman friar fridge
friendly frost froth frozen fumes funding furl fused galaxy game garbage garden garlic gasoline gather general genius
genre genuine geology gesture glad glance glasses glen glimpse goat golden graduate grant grasp gravity gray greatest
grief grill grin grocery gross group grownup grumpy guard guest guilt guitar gums hairy hamster hand hanger harvest
have havoc hawk hazard headset health hearing heat helpful herald herd hesitate hobo holiday holy home hormone
hospital hour huge human humidity hunting husband hush husky hybrid idea identify idle image impact imply improve
impulse include income increase index indicate industry infant inform inherit injury inmate insect inside install
intend intimate invasion involve iris island isolate item ivory jacket jerky jewelry join judicial juice jump junction
junior junk jury justice kernel keyboard kidney kind kitchen knife knit laden ladle ladybug lair lamp language large
laser laundry lawsuit leader leaf learn leaves lecture legal legend legs lend length level liberty library license
lift likely lilac lily lips liquid listen literary living lizard loan lobe location losing loud loyalty luck lunar
lunch lungs luxury lying lyrics machine magazine maiden mailman main makeup making mama manager mandate mansion manual
marathon march market marvel mason material math maximum mayor meaning medal medical member memory mental merchant
merit method metric midst mild military mineral minister miracle mixed mixture mobile modern modify moisture moment
morning mortgage mother mountain mouse move much mule multiple muscle museum music mustang nail national necklace
negative nervous network news nuclear numb numerous nylon oasis obesity object observe obtain ocean often olympic omit
oral orange orbit order ordinary organize ounce oven overall owner paces pacific package paid painting pajamas pancake
pants papa paper parcel parking party patent patrol payment payroll peaceful peanut peasant pecan penalty pencil
percent perfect permit petition phantom pharmacy photo phrase physics pickup picture piece pile pink pipeline pistol
pitch plains plan plastic platform playoff pleasure plot plunge practice prayer preach predator pregnant premium
prepare presence prevent priest primary priority prisoner privacy prize problem process profile program promise
prospect provide prune public pulse pumps punish puny pupal purchase purple python quantity quarter quick quiet race
racism radar railroad rainbow raisin random ranked rapids raspy reaction realize rebound rebuild recall receiver
recover regret regular reject relate remember remind remove render repair repeat replace require rescue research
resident response result retailer retreat reunion revenue review reward rhyme rhythm rich rival river robin rocky
romantic romp roster round royal ruin ruler rumor sack safari salary salon salt satisfy satoshi saver says scandal
scared scatter scene scholar science scout scramble screw script scroll seafood season secret security segment senior
shadow shaft shame shaped sharp shelter sheriff short should shrimp sidewalk silent silver similar simple single
sister skin skunk slap slavery sled slice slim slow slush smart smear smell smirk smith smoking smug snake snapshot
sniff society software soldier solution soul source space spark speak species spelling spend spew spider spill spine
spirit spit spray sprinkle square squeeze stadium staff standard starting station stay steady step stick stilt story
strategy strike style subject submit sugar suitable sunlight superior surface surprise survive sweater swimming swing
switch symbolic sympathy syndrome system tackle tactics tadpole talent task taste taught taxi teacher teammate
teaspoon temple tenant tendency tension terminal testify texture thank that theater theory therapy thorn threaten
thumb thunder ticket tidy timber timely ting tofu together tolerate total toxic tracks traffic training transfer trash
traveler treat trend trial tricycle trip triumph trouble true trust twice twin type typical ugly ultimate umbrella
uncover undergo unfair unfold unhappy union universe unkind unknown unusual unwrap upgrade upstairs username usher
usual valid valuable vampire vanish various vegan velvet venture verdict verify very veteran vexed victim video view
vintage violence viral visitor visual vitamins vocal voice volume voter voting walnut warmth warn watch wavy wealthy
weapon webcam welcome welfare western width wildlife window wine wireless wisdom withdraw wits wolf woman work worthy
wrap wrist writing wrote year yelp yield yoga zero
"""
LIST = WORDS.split()
NUMBERS = {word[:4]: number for number, word in enumerate(LIST)}


if __name__ == "__main__":
    sys.exit(main())
