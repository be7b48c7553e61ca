"""With which key somebody signs, and what comes back."""

import pytest

from breakglass.errors import Malformed
from breakglass.model.people import Actor, Role
from breakglass.web.forms import Form
from breakglass.web.signing import SIGNATURE_MAX, brought, signer
from tests.kit import Town


async def test_the_key_of_the_sign_in_signs_unless_another_of_ones_own_is_asked_for(town: Town) -> None:
    roster, alice = town.estate.roster, town.actor("alice")
    assert signer(roster, alice).actor == alice
    others = town.people["bo"].key
    assert signer(roster, alice, others).actor.key == alice.key
    assert not signer(roster, alice).passkey
    without = Actor(id=alice.id, roles=frozenset({Role.REQUESTER}))
    assert signer(roster, without).actor.key == alice.key


def test_a_pasted_signature_goes_without_a_text() -> None:
    assert brought(Form({"signature": " -----BEGIN-----\n "})) == ("-----BEGIN-----\n", None)
    assert brought(Form({"signature": "x", "text": "a\nb\n"})) == ("x\n", "a\nb\n")
    for wrong in ("", "  \n", "x" * (SIGNATURE_MAX + 1)):
        with pytest.raises(Malformed):
            brought(Form({"signature": wrong}))
