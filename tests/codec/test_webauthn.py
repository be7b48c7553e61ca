"""Assertions: what the passkey signed, where it may sign, who was there. Each lie is told once, and caught."""

import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from breakglass.codec import armor, base64url, sshsig, webauthn
from breakglass.codec.sshwire import string, uint32
from breakglass.codec.webauthn import Assertion, Verified
from breakglass.errors import BadSignature, Malformed
from tests.authenticator import AT, BE, BS, ED, ORIGIN, RP, UP, UV, Passkey

TEXT = b"breakglass-statement-v1\nkind: approve\n"
PASSKEY = Passkey("bo")
ASSERTION = PASSKEY.assertion(TEXT)
SIGNED = webauthn.armor(ASSERTION)
CLIENT = json.loads(ASSERTION.client_data)


def judged(assertion: Assertion | str, message: bytes = TEXT, **wanted: Any) -> Verified:
    text = assertion if isinstance(assertion, str) else webauthn.armor(assertion)
    return webauthn.verify(text, message, **{**PASSKEY.wanted, **wanted})


def said(**lies: Any) -> Verified:
    return judged(PASSKEY.assertion(TEXT, **lies))


@pytest.mark.parametrize("kind", ["ES256", "EdDSA", "RS256"])
def test_what_was_signed_is_accepted(kind: str) -> None:
    passkey = Passkey("bo", kind)
    found = judged(passkey.assertion(TEXT), public=passkey.cose)
    assert (found.origin, found.counter, found.bound_to_device) == (ORIGIN, 0, False)
    with pytest.raises(BadSignature, match="does not fit"):
        judged(passkey.assertion(TEXT), public=Passkey("cy", kind).cose)


def test_the_text_form_comes_back() -> None:
    assert webauthn.parse(SIGNED) == ASSERTION
    assert webauthn.armored(SIGNED)
    assert not webauthn.armored("-----BEGIN SSH SIGNATURE-----\n")
    # CRLF, as a form sends it; without the last line end; broken into other lines.
    lines = SIGNED.splitlines()
    body = "".join(lines[1:-1])
    narrow = "\n".join(body[at : at + 40] for at in range(0, len(body), 40))
    for text in (SIGNED.replace("\n", "\r\n"), SIGNED.rstrip(), f"{lines[0]}\n{narrow}\n{lines[-1]}\n"):
        assert judged(text).origin == ORIGIN


# -- a lying page -----------------------------------------------------------------------------------------------------
def test_another_text_was_signed_than_was_shown() -> None:
    other = TEXT.replace(b"approve", b"deny")
    with pytest.raises(BadSignature, match="another text"):
        judged(PASSKEY.assertion(other))
    with pytest.raises(BadSignature, match="another text"):
        judged(ASSERTION, other)


@pytest.mark.parametrize(
    "challenge",
    ["", None, 7, [], CLIENT["challenge"] + "=", CLIENT["challenge"] + "A", CLIENT["challenge"][:-1],
     CLIENT["challenge"].upper(), base64url.write(TEXT), base64url.write(bytes(32))],
)  # fmt: skip
def test_other_challenges(challenge: Any) -> None:
    with pytest.raises(BadSignature, match="another text"):
        said(challenge=challenge)


@pytest.mark.parametrize(
    "origin",
    [None, 7, ["https://host.example"], "", "https://evil.example", "https://host.example/", "https://host.example:443",
     "https://host.example:8443", "http://host.example", "https://gate.host.example", "https://host.example.evil",
     "https://HOST.example", "https://hosť.example", "android:apk-key-hash:x"],
)  # fmt: skip
def test_other_origins(origin: Any) -> None:
    with pytest.raises(BadSignature, match="not one of ours"):
        said(origin=origin)


def test_each_origin_of_the_roster_counts() -> None:
    second = "https://gate.host.example"
    assert judged(PASSKEY.assertion(TEXT, origin=second), origins=[ORIGIN, second]).origin == second
    with pytest.raises(BadSignature):
        judged(ASSERTION, origins=[second])
    with pytest.raises(BadSignature):
        judged(ASSERTION, origins=[])


@pytest.mark.parametrize("type_", [None, 7, "", "webauthn.create", "payment.get", "WebAuthn.get", "webauthn.get "])
def test_other_purposes(type_: Any) -> None:
    with pytest.raises(BadSignature, match="another purpose"):
        said(type=type_)


@pytest.mark.parametrize(
    "lie",
    [{"crossOrigin": True}, {"crossOrigin": "false"}, {"crossOrigin": 1}, {"crossOrigin": 0},
     {"topOrigin": "https://evil.example"}, {"topOrigin": ORIGIN}],
)  # fmt: skip
def test_inside_somebody_elses_page(lie: dict[str, Any]) -> None:
    with pytest.raises(BadSignature, match="inside a page"):
        said(**lie)


def test_what_browsers_say_besides_does_not_matter() -> None:
    """None of these raises."""
    said(crossOrigin=None)
    said(other_keys_can_be_added_here="do not compare clientDataJSON against a template")
    said(tokenBinding={"status": "supported"})


# -- a lying authenticator --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "rp", ["evil.example", "host", "gate.host.example", "HOST.example", "https://host.example", "ssh:"]
)
def test_other_domains(rp: str) -> None:
    with pytest.raises(BadSignature, match="another domain"):
        said(rp=rp)


def test_somebody_must_be_there_and_be_verified() -> None:
    for flags in (0, UV, UV | BE | BS):
        with pytest.raises(BadSignature, match="Nobody was there"):
            said(flags=flags)
    for flags in (UP, UP | BE, UP | BE | BS):
        with pytest.raises(BadSignature, match="who you are"):
            said(flags=flags)


def test_backups() -> None:
    assert said(flags=UP | UV).bound_to_device
    assert not said(flags=UP | UV | BE).bound_to_device
    with pytest.raises(Malformed, match="contradicts itself"):
        said(flags=UP | UV | BS)


@pytest.mark.parametrize(
    ("flags", "more"),
    [(AT, b""), (ED, b""), (ED, b"\xa0"), (AT, bytes(18) + b"\xa0"), (AT | ED, b"\xa0"), (0, b"\x00"), (0, b"\xa0"),
     (ED, b"\xbf\xff"), (0, bytes(3000))],
)  # fmt: skip
def test_nothing_that_was_not_asked_for(flags: int, more: bytes) -> None:
    with pytest.raises(Malformed, match="not asked for"):
        said(flags=UP | UV | flags, more_data=more)


def test_the_counter_is_told_and_not_compared() -> None:
    """Passkeys on several devices say 0 for ever; a text counts once, whatever the counter says."""
    passkey = Passkey("bo", counter=41)
    first, second = (judged(passkey.assertion(TEXT)).counter for _ in range(2))
    assert (first, second) == (42, 43)
    passkey.counter = 6
    assert judged(passkey.assertion(TEXT)).counter == 7


def test_another_credential_or_key() -> None:
    other = Passkey("cy")
    with pytest.raises(BadSignature, match="another passkey"):
        judged(other.assertion(TEXT))
    with pytest.raises(BadSignature, match="does not fit"):
        judged(replace(other.assertion(TEXT), credential=PASSKEY.credential))
    with pytest.raises(BadSignature, match="another passkey"):
        judged(replace(ASSERTION, credential=other.credential))


# -- changed, cut, stretched ------------------------------------------------------------------------------------------
PARTS = st.sampled_from(["credential", "authenticator_data", "client_data", "signature"])
OF_EACH_KIND = [(one, one.assertion(TEXT)) for one in (Passkey("bo", kind) for kind in ("ES256", "EdDSA", "RS256"))]


@given(st.sampled_from(OF_EACH_KIND), PARTS, st.data())
def test_every_changed_byte_is_refused(made: tuple[Passkey, Assertion], part: str, data: st.DataObject) -> None:
    passkey, assertion = made
    changed = bytearray(getattr(assertion, part))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises((Malformed, BadSignature)):
        judged(replace(assertion, **{part: bytes(changed)}), public=passkey.cose)


@given(st.sampled_from(OF_EACH_KIND), PARTS, st.data())
def test_every_part_cut_or_continued_is_refused(
    made: tuple[Passkey, Assertion], part: str, data: st.DataObject
) -> None:
    passkey, assertion = made
    whole = getattr(assertion, part)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    longer = whole + data.draw(st.binary(min_size=1, max_size=40))
    for changed in (cut, longer):
        with pytest.raises((Malformed, BadSignature)):
            judged(replace(assertion, **{part: changed}), public=passkey.cose)


@given(st.data())
def test_every_changed_character_of_the_armour_is_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(SIGNED) - 1))
    changed = SIGNED[:place] + data.draw(st.characters()) + SIGNED[place + 1 :]
    assume(changed.replace("\n", "") != SIGNED.replace("\n", ""))
    with pytest.raises((Malformed, BadSignature)):
        judged(changed)


@given(st.text(max_size=300))
def test_any_text_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        webauthn.parse(text)


@given(st.binary(max_size=400))
def test_any_bytes_in_the_armour_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        webauthn.parse(armor.write(webauthn.LABEL, data))


WHOLE = b"".join(map(string, (ASSERTION.credential, ASSERTION.authenticator_data, ASSERTION.client_data)))


@pytest.mark.parametrize(
    "data",
    [b"WEBAUTHN", b"WEBAUTHN" + uint32(2) + WHOLE + string(ASSERTION.signature), b"SSHSIG" + uint32(1) + WHOLE,
     b"WEBAUTHN" + uint32(1) + WHOLE, b"WEBAUTHN" + uint32(1) + WHOLE + string(ASSERTION.signature) + b"\x00",
     b"WEBAUTHN" + uint32(1) + WHOLE + uint32(0xFFFFFFFF)],
)  # fmt: skip
def test_the_frame_is_exact(data: bytes) -> None:
    with pytest.raises(Malformed):
        webauthn.parse(armor.write(webauthn.LABEL, data))
    good = b"WEBAUTHN" + uint32(1) + WHOLE + string(ASSERTION.signature)
    assert webauthn.parse(armor.write(webauthn.LABEL, good)) == ASSERTION


def test_one_armour_is_not_the_other() -> None:
    with pytest.raises(Malformed):
        sshsig.parse(SIGNED)
    with pytest.raises(Malformed):
        sshsig.parse(SIGNED.replace("WEBAUTHN ASSERTION", "SSH SIGNATURE"))


@pytest.mark.parametrize(
    "client",
    [b"", b"{", b"[]", b'"x"', b"7", b"null", b"\xff", b"\xef\xbb\xbf" + ASSERTION.client_data, b"{" * 2000,
     b"[" * 2000, ASSERTION.client_data + b"x", ASSERTION.client_data.replace(b"{", b'{"origin":"https://evil.example",'),
     ASSERTION.client_data.replace(b"}", b',"type":"webauthn.get"}'), ASSERTION.client_data.replace(b"}", b',"x":NaN}'),
     ASSERTION.client_data.replace(b"false", b"9" * 1800), ASSERTION.client_data.decode().encode("utf-16")],
)  # fmt: skip
def test_client_data_that_reads_in_two_ways_or_none(client: bytes) -> None:
    """Really signed, so that only the reading refuses it."""
    with pytest.raises((Malformed, BadSignature)):
        said(client=client)


def test_too_long() -> None:
    with pytest.raises(Malformed, match="longer than"):
        judged("-----BEGIN WEBAUTHN ASSERTION-----\n" + "A" * 50_000_000)
    for lies in (
        {"client_data": b"{" + b" " * webauthn.CLIENT_DATA_MAX + b"}"},
        {"signature": bytes(513)},
        {"signature": b""},
    ):
        with pytest.raises(Malformed, match="too long or empty"):
            judged(replace(ASSERTION, **lies))
    for size in (0, 15, 1024):
        with pytest.raises(Malformed, match="credential"):
            judged(replace(ASSERTION, credential=bytes(size)))


def test_the_roster_s_key_is_read_strictly_here_too() -> None:
    with pytest.raises(Malformed):
        judged(ASSERTION, public=PASSKEY.cose + b"\x00")


def test_which_text_it_is_for() -> None:
    assert webauthn.is_for(SIGNED, TEXT)
    assert not webauthn.is_for(SIGNED, TEXT + b"x")


@given(st.binary(max_size=100))
def test_base64url(data: bytes) -> None:
    text = base64url.write(data)
    assert base64url.read(text, "value") == data
    for wrong in (text + "=", text + "\n", text + "A===", " " + text, text + "é"):
        with pytest.raises(Malformed):
            base64url.read(wrong, "value")


@pytest.mark.parametrize("text", ["A", "AB", "AAB", "AA==", "A+/A", "AAAAA"])
def test_base64url_has_one_text_for_one_value(text: str) -> None:
    with pytest.raises(Malformed):
        base64url.read(text, "value")


def test_the_domain_is_what_is_hashed() -> None:
    assert ASSERTION.authenticator_data[:32] == sha256(RP.encode()).digest()
