"""What a witness answers to `add-checkpoint` (C2SP tlog-witness): it cosigns what continues what it has seen, only.

    shape ─400▶ origin known ─404▶ log's signature ─403▶ old size is ours ─409▶ proof ─422▶ remember ▶ cosign 200

Equal sizes with two roots are a fork, and so a proof that does not hold: 422, as in version 1.1 (1.0 said 409).
"""

import fcntl
import os
import threading
from dataclasses import dataclass
from typing import Final

from breakglass.codec import note
from breakglass.codec.cosignature import cosign, parse_add_checkpoint
from breakglass.errors import BadSignature, Malformed, Tampered, WrongState
from breakglass.trust.tree import EMPTY_ROOT, verify_consistency
from breakglass.witness.keeping import Folder

SIZE_TYPE: Final = "text/x.tlog.size"
TEXT_TYPE: Final = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    body: bytes
    content_type: str = TEXT_TYPE


class Witness:
    def __init__(self, folder: Folder) -> None:
        """Raises what `Folder.key` and `Folder.seen` raise, and `WrongState` while another process runs it."""
        self._folder, self._turn = folder, threading.Lock()
        self.key, self._private = folder.key()
        self._held = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._logs = folder.logs()
            self._seen = {origin: folder.seen(origin, vkey) for origin, vkey in self._logs.items()}
        except OSError:
            self.close()
            raise WrongState("Another process runs this witness.", what_to_do="Stop that one first.") from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self._held)

    def add_checkpoint(self, body: bytes, time: int) -> Answer:
        """`time` is the present in seconds since the Epoch. Look, judge and remember are one turn: see the
        specification's race. Raises `OSError` when the disk fails; then nothing was cosigned."""
        with self._turn:
            return self._judge(body, time)

    def _judge(self, body: bytes, time: int) -> Answer:
        try:
            asked = parse_add_checkpoint(body)
            text = note.parse(asked.checkpoint).text
            new = note.parse_checkpoint(text)
        except Malformed as error:
            return _said(400, error.message)
        vkey = self._logs.get(new.origin)
        if vkey is None:
            return _said(404, f"This witness does not know the log {new.origin}.")
        try:
            opened = note.verify(asked.checkpoint, [vkey])
        except (BadSignature, Malformed) as error:
            return _said(403, str(error))
        if asked.old > new.size:
            return _said(400, "The old size is larger than the checkpoint's.")
        seen = self._seen.get(new.origin)
        old, root = (seen.size, seen.root) if seen else (0, EMPTY_ROOT)
        if asked.old != old:
            return Answer(status=409, body=f"{old}\n".encode(), content_type=SIZE_TYPE)
        try:
            verify_consistency(old, root, new.size, new.root, asked.proof)
        except Tampered as error:
            return _said(422, error.message)
        if seen != new:
            self._folder.remember(new.origin, note.Note(text=text, signatures=opened.signatures).encode())
            self._seen[new.origin] = new
        return Answer(status=200, body=cosign(text, self.key.name, self._private, time).line().encode())


def _said(status: int, words: str) -> Answer:
    return Answer(status=status, body=(words + "\n").encode())
