"""A kit as a file (docs/formats/kit.md): encrypted to the vault's own public key, so that nothing but its root key
opens it, which k of the custodians' shares make; and signed, so that who opens it knows that this vault wrote it.

    "breakglass kit 1" ⏎ | length u32 | header (JSON) | length u32 | body (as a backup's, backup_box) | signed note
"""

import io
import json
from collections.abc import Mapping
from hashlib import sha256

from breakglass.model.secret import Secret
from breakglass.vault.backup_box import Closing
from breakglass.vault.keys import NoteKey

MAGIC = b"breakglass kit 1\n"
WHAT = "kit"
TITLE = "breakglass-kit-v1"


def write(header: Mapping[str, str | int], content: Secret, public_key: bytes, signer: NoteKey) -> bytes:
    """The file's bytes. `header` names deployment, number and copy; the content is wiped."""
    head = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    body = io.BytesIO()
    with content:
        closing = Closing(body, public_key, head, WHAT)
        closing.write(content.reveal())
        closing.close()
    signed = MAGIC + _sized(head) + _sized(body.getvalue())
    return signed + signer.sign(note_text(header, signed))


def note_text(header: Mapping[str, str | int], signed: bytes) -> str:
    """What is signed: which kit it is, and the hash of everything before the note."""
    lines = (TITLE, header["deployment"], header["number"], header["copy"], sha256(signed).hexdigest())
    return "".join(f"{line}\n" for line in lines)


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
