"""An envelope opens only where, and only as, it was sealed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakglass.errors import Tampered
from breakglass.model.secret import Secret
from breakglass.vault import envelope
from breakglass.vault.box import OVERHEAD, bind, close_box, open_box, random_key
from breakglass.vault.envelope import Bound, Kek

ROW = Bound(table="credential", record="crd_1", version=1, purpose="session")
KEK, OTHER = Kek.generate(1), Kek.generate(2)
KEKS = {1: KEK, 2: OTHER}
CONTENT = OVERHEAD + len(b"correct horse")


@given(st.binary(max_size=2000))
def test_what_was_sealed_comes_out_as_bytes_or_secret(content: bytes):
    for given_as in (content, Secret(content)):
        blob = envelope.seal(given_as, ROW, KEK)
        assert envelope.open(blob, ROW, KEKS).reveal() == content
        assert len(content) < 8 or content not in blob


def test_two_envelopes_of_one_secret_share_nothing():
    one, two = (envelope.seal(b"correct horse", ROW, KEK) for _ in range(2))
    assert one[-CONTENT:] != two[-CONTENT:]
    assert one[13:73] != two[13:73]


@pytest.mark.parametrize(
    "swapped",
    [
        replace(ROW, table="kit"),
        replace(ROW, record="crd_2"),
        replace(ROW, version=2),
        replace(ROW, purpose="reveal"),
        replace(ROW, table="credentialc", record="rd_1"),
    ],
)
def test_another_row_version_or_purpose_does_not_open(swapped: Bound):
    with pytest.raises(Tampered, match="row, version or purpose"):
        envelope.open(envelope.seal(b"correct horse", ROW, KEK), swapped, KEKS)


def test_every_flipped_bit_is_refused():
    blob = envelope.seal(b"correct horse", ROW, KEK)
    # Under every number that a flip can make stands the same key: only the binding is left to refuse it.
    keks = {1 ^ (1 << bit): replace(KEK, id=1 ^ (1 << bit)) for bit in range(32)} | {1: KEK}
    for place in range(len(blob) * 8):
        bad = bytearray(blob)
        bad[place // 8] ^= 1 << place % 8
        with pytest.raises(Tampered):
            envelope.open(bytes(bad), ROW, keks)


@given(st.data())
def test_cut_extended_or_random_bytes_are_refused(data: st.DataObject):
    blob = envelope.seal(b"correct horse", ROW, KEK)
    cut = data.draw(st.integers(0, len(blob) - 1))
    for bad in (blob[:cut], blob + data.draw(st.binary(min_size=1, max_size=9)), data.draw(st.binary(max_size=300))):
        with pytest.raises(Tampered):
            envelope.open(bad, ROW, KEKS)


def test_parts_of_two_envelopes_do_not_mix():
    one, two = (envelope.seal(b"correct horse", ROW, KEK) for _ in range(2))
    with pytest.raises(Tampered):
        envelope.open(one[:-CONTENT] + two[-CONTENT:], ROW, KEKS)


def test_an_unknown_or_wrong_kek_is_refused_in_words():
    blob = envelope.seal(b"correct horse", ROW, KEK)
    with pytest.raises(Tampered, match="under key 1, which the vault does not hold"):
        envelope.open(blob, ROW, {2: OTHER})
    with pytest.raises(Tampered):
        envelope.open(blob, ROW, {1: replace(OTHER, id=1)})
    with pytest.raises(Tampered):
        envelope.open(blob, ROW, {1: replace(KEK, id=2)})


def test_rewrap_moves_to_another_kek_and_leaves_the_content():
    blob = envelope.seal(b"correct horse", ROW, KEK)
    moved = envelope.rewrap(blob, ROW, KEKS, OTHER)
    assert moved[-CONTENT:] == blob[-CONTENT:]
    assert (envelope.kek_of(blob), envelope.kek_of(moved)) == (1, 2)
    assert envelope.open(moved, ROW, {2: OTHER}).reveal() == b"correct horse"
    with pytest.raises(Tampered):
        envelope.open(moved, ROW, {1: KEK})


def test_rewrap_refuses_foreign_and_damaged_envelopes():
    blob = envelope.seal(b"correct horse", ROW, KEK)
    with pytest.raises(Tampered):
        envelope.rewrap(blob, replace(ROW, record="crd_2"), KEKS, OTHER)
    with pytest.raises(Tampered):
        envelope.rewrap(blob[:-1] + bytes([blob[-1] ^ 1]), ROW, KEKS, OTHER)


def test_keys_under_the_root_are_bound_to_their_label():
    root, key = random_key(), random_key()
    blob = envelope.wrap_key(key, root, "kek 1")
    assert envelope.unwrap_key(blob, root, "kek 1").reveal() == key.reveal()
    with pytest.raises(Tampered, match="kek 2"):
        envelope.unwrap_key(blob, root, "kek 2")
    with pytest.raises(Tampered):
        envelope.unwrap_key(blob, random_key(), "kek 1")
    for place in range(len(blob)):
        with pytest.raises(Tampered):
            envelope.unwrap_key(blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :], root, "kek 1")
        with pytest.raises(Tampered):
            envelope.unwrap_key(blob[:place], root, "kek 1")


def test_no_refusal_and_no_repr_shows_the_secret():
    blob = envelope.seal(b"correct horse", ROW, KEK)
    with pytest.raises(Tampered) as refused:
        envelope.open(blob, replace(ROW, version=2), KEKS)
    shown = repr(refused.value) + refused.value.what_to_do + repr(KEK) + repr(envelope.open(blob, ROW, KEKS))
    assert "correct horse" not in shown
    assert repr(KEK.key.reveal()) not in shown
    assert "***" in shown


@given(st.lists(st.text(max_size=5), max_size=4), st.lists(st.text(max_size=5), max_size=4))
def test_bindings_are_equal_only_for_equal_parts(one: list[str], two: list[str]):
    assert (bind(*one) == bind(*two)) == (one == two)


def test_a_short_key_is_a_fault_not_a_weaker_cipher():
    with pytest.raises(ValueError, match="32 bytes"):
        close_box(Secret(bytes(16)), b"x", b"")
    with pytest.raises(ValueError, match="32 bytes"):
        open_box(Secret(bytes(16)), bytes(40), b"", refusal=lambda: Tampered("x", what_to_do="x"))
    with pytest.raises(ValueError, match="too long"):
        envelope.seal(bytes(envelope.MAX_CONTENT + 1), ROW, KEK)


@pytest.mark.parametrize(
    "other",
    [
        replace(ROW, table="kit"),
        replace(ROW, record="crd_2"),
        replace(ROW, version=2),
        replace(ROW, purpose="reveal"),
    ],
)
def test_the_content_is_bound_by_itself_even_under_a_right_wrap(other: Bound):
    # Somebody who holds the KEK moves the record key to another row: the content still belongs to its own.
    blob = envelope.seal(b"correct horse", ROW, KEK)
    start, end = 13, 13 + 60
    record_key = open_box(
        KEK.key, blob[start:end], envelope._wrap_bound(ROW, 1), refusal=lambda: Tampered("x", what_to_do="x")
    )
    for row, opens in ((ROW, True), (other, False)):
        moved = blob[:start] + close_box(KEK.key, record_key, envelope._wrap_bound(row, 1)) + blob[end:]
        if opens:
            assert envelope.open(moved, row, KEKS).reveal() == b"correct horse"
        else:
            with pytest.raises(Tampered):
                envelope.open(moved, row, KEKS)
