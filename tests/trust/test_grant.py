"""Grant tokens: only the vault's own, unchanged, and read as it was written."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from breakglass.codec import note
from breakglass.errors import Malformed, NotEntitled
from breakglass.model.ids import GrantId, RequestId, UserId
from breakglass.trust.grant import Token, open_token
from tests.audit.kit import BEGAN, GRANT_KEY, LOG_KEY, fingerprint_of, founding, key_of

ROSTER, _ = founding()
ACCOUNT = ROSTER.accounts["acc_db1-root"]
TOKEN = Token(
    deployment=ROSTER.deployment,
    grant=GrantId("grt_1"),
    request=RequestId("req_1"),
    person=UserId("usr_alice"),
    key=fingerprint_of("alice"),
    account=ACCOUNT.id,
    username="root",
    endpoint=ROSTER.endpoint_of(ACCOUNT),
    permissions="exec shell",
    recording="strict",
    roster=f"0 {ROSTER.hash}",
    opened_at=BEGAN,
    not_after=BEGAN + timedelta(minutes=30),
)
SIGNED = GRANT_KEY.sign(TOKEN.text()).decode()


def test_a_token_comes_back() -> None:
    assert open_token(SIGNED, GRANT_KEY.vkey) == TOKEN
    far = replace(TOKEN, endpoint=replace(TOKEN.endpoint, host="2001:db8::1", port=2222, connector="island"))
    assert open_token(GRANT_KEY.sign(far.text()).decode(), GRANT_KEY.vkey) == far


@given(st.data())
def test_every_changed_character_is_refused(data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(SIGNED) - 1))
    changed = SIGNED[:place] + data.draw(st.characters()) + SIGNED[place + 1 :]
    assume(changed != SIGNED)
    with pytest.raises(NotEntitled):
        open_token(changed, GRANT_KEY.vkey)


@given(st.text(max_size=200))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(NotEntitled):
        open_token(text, GRANT_KEY.vkey)


def test_other_keys() -> None:
    for forged in (
        LOG_KEY.sign(TOKEN.text()),
        note.sign(TOKEN.text(), GRANT_KEY.name, key_of("mallory")),
        note.sign(TOKEN.text(), "other.example.org/grant", key_of("grant")),
    ):
        with pytest.raises(NotEntitled):
            open_token(forged.decode(), GRANT_KEY.vkey)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("not-after: ", "not-after: x"),
        ("endpoint: ssh://", "endpoint: telnet://"),
        (":22\n", ":twenty\n"),
        (":22\n", ":022\n"),
        (":22\n", ":\u0662\u0662\n"),
        ("recording: strict\n", ""),
        ("recording: strict\n", "recording: strict\nrecording: strict\n"),
        ("breakglass-grant-v1", "breakglass-grant-v2"),
        ("connector: direct", "connector:  direct"),
    ],
)
def test_another_form_is_refused_even_from_the_vaults_key(old: str, new: str) -> None:
    text = TOKEN.text().replace(old, new, 1)
    assert text != TOKEN.text()
    with pytest.raises(NotEntitled):
        open_token(GRANT_KEY.sign(text).decode(), GRANT_KEY.vkey)


def test_no_value_makes_another_line() -> None:
    with pytest.raises(Malformed):
        replace(TOKEN, username="root\nnot-after: 2099-01-01T00:00:00Z").text()
