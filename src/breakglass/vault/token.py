"""The vault's side of a hardware security module (PKCS #11): its maker's library is never loaded here.

    vault ─ PIN, 32 bytes: a pipe ─▶ `token_process`, which loads the library ─ 32 bytes: a pipe ─▶ vault
                                          └─ killed when its time is over

Foreign native code can crash, hang and write where it likes. In a process of its own, for one call, it takes nothing
with it but the time that it was given. A PIN that was refused is not tried again until its file holds another one:
tokens lock themselves after a few (PKCS #11 v2.40, CKR_PIN_LOCKED).
"""

import hashlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from breakglass.errors import Refused, Unavailable
from breakglass.model.secret import Secret
from breakglass.vault.box import KEY_BYTES
from breakglass.vault.pkcs11_slot import IV_BYTES, TokenKey
from breakglass.vault.private_file import read_pin

WITHIN = 5.0
"""Seconds for one call of the library, its start included."""
ANSWER_MAX = 4096
ENCRYPT, DECRYPT = "encrypt", "decrypt"
PIN_REFUSED = frozenset({"PinIncorrect", "PinLocked", "PinExpired", "PinInvalid", "PinLenRange", "LastTry"})
_WORDS = {
    "NoSuchToken": "it has no such token",
    "MultipleTokensReturned": "several tokens have that label",
    "NoSuchKey": "the token has no such key",
    "MultipleObjectsReturned": "several keys of the token have that label",
    "Extractable": "that key can be taken out of the token, so it protects nothing",
    "LastTry": "one try is left before the token locks itself: a person must log in to it first",
    "PinIncorrect": "the token refuses the PIN",
    "PinLocked": "the token has locked its PIN",
    "NotSafe": "others than root and the vault's user could replace it",
    "NotThere": "there is no such file",
    "NotALibrary": "it can't be loaded as a library",
    "NotInstalled": "the package python-pkcs11 is missing",
}


@dataclass(slots=True)
class Token:
    """`module`: the maker's library. `pin_file`: see `private_file`."""

    module: Path
    pin_file: Path
    _salt: bytes = field(default_factory=lambda: os.urandom(16), repr=False)
    _refused: bytes = field(default=b"", repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """One call at a time: nobody can have many libraries hang at once."""

    def seal_key(self, at: TokenKey, key: Secret, iv: bytes, within: float = WITHIN) -> bytes:
        """`key` (32 bytes) as the token turns it; the token's key is made there if there is none.

        Raises `Unavailable`, and `Refused` when what stands in the way will still do so next time."""
        with self._ask(ENCRYPT, at, key.reveal(), iv, within) as sealed:
            return sealed.reveal()

    def open_key(self, at: TokenKey, sealed: bytes, iv: bytes, within: float = WITHIN) -> Secret:
        """The key again, or other 32 bytes when something was changed. Raises as `seal_key`."""
        return self._ask(DECRYPT, at, sealed, iv, within)

    def _ask(self, act: str, at: TokenKey, data: bytes, iv: bytes, within: float) -> Secret:
        if len(data) != KEY_BYTES or len(iv) != IV_BYTES:
            raise ValueError("a token turns 32 bytes, with an IV of 16")
        end = time.monotonic() + within
        if not self._lock.acquire(timeout=within):
            raise self._late(within)
        try:
            pin = bytearray(read_pin(self.pin_file))
            try:
                return self._asked(act, at, pin, data, iv, end, within)
            finally:
                pin[:] = bytes(len(pin))
        finally:
            self._lock.release()

    def _asked(
        self, act: str, at: TokenKey, pin: bytearray, data: bytes, iv: bytes, end: float, within: float
    ) -> Secret:
        known = hashlib.sha256(self._salt + pin).digest()
        if known == self._refused:
            raise self._said("PinIncorrect")
        ask = {"act": act, "module": str(self.module), "token": at.token, "key": at.key, "iv": iv.hex()}
        question = bytearray(json.dumps(ask | {"pin_bytes": len(pin)}).encode() + b"\n")
        question += pin + data
        try:
            answer = _run(question, end)
        finally:
            question[:] = bytes(len(question))
        try:
            found = _read(answer)
        finally:
            answer[:] = bytes(len(answer))
        if isinstance(found, Secret):
            return found
        if found in PIN_REFUSED:
            self._refused = known
        if found:
            raise self._said(found)
        if time.monotonic() >= end:
            raise self._late(within)
        raise Unavailable(
            f"The library {self.module} ended without an answer.",
            what_to_do="It crashed, in its own process. Look at the module's log; custodians' shares open the vault.",
            about=str(self.module),
        )

    def _said(self, name: str) -> Refused | Unavailable:
        why = _WORDS.get(name, f"it says {name}")
        kind = Refused if name in _WORDS else Unavailable
        return kind(
            f"The hardware module {self.module.name} does not open its slot: {why}.",
            what_to_do="Look at the module, its PIN file and the vault's settings; custodians' shares open the vault.",
            about=str(self.module),
        )

    def _late(self, within: float) -> Unavailable:
        return Unavailable(
            f"The hardware module {self.module.name} gave no answer within {within:g} s.",
            what_to_do="Look whether it is there; custodians' shares open the vault.",
            about=str(self.module),
        )


def _run(question: bytearray, end: float) -> bytearray:
    """What the process answers until `end` (monotonic seconds); empty when it is late or died. It is gone then."""
    ours, theirs = os.pipe()
    try:
        child = subprocess.Popen(
            [sys.executable, "-I", "-m", "breakglass.vault.token_process", str(os.getpid()), str(theirs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,  # the library's own words may hold anything
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs,),
            cwd="/",
        )
    except OSError as error:
        os.close(ours)
        raise Unavailable(
            f"No process can be started for the hardware module: {error.strerror}.",
            what_to_do="Look at the vault's limits (processes, memory).",
        ) from None
    finally:
        os.close(theirs)
    try:
        assert child.stdin is not None  # noqa: S101 (asked for above)
        with suppress(OSError), child.stdin:  # it may be dead already; the pipe takes more than a question's length
            child.stdin.write(question)
        return _answer(ours, end)
    finally:
        os.close(ours)
        child.kill()
        with suppress(subprocess.TimeoutExpired):
            child.wait(1)  # one that hangs in the kernel ends when it can


def _answer(pipe: int, end: float) -> bytearray:
    found = bytearray()
    while len(found) < ANSWER_MAX:
        ready, _, _ = select.select([pipe], [], [], max(0.0, end - time.monotonic()))
        more = os.read(pipe, ANSWER_MAX) if ready else b""
        if not more:
            break
        found += more
        if (line := found.find(b"\n")) >= 0 and len(found) >= line + 1 + KEY_BYTES:
            break
    return found


def _read(answer: bytearray) -> Secret | str:
    """The 32 bytes, or the name of what was wrong; empty for no answer at all."""
    head, _, rest = answer.partition(b"\n")
    try:
        said: Any = json.loads(bytes(head))
        error = said["error"]
    except (ValueError, KeyError, TypeError):
        return ""
    if error == "" and len(rest) == KEY_BYTES:
        return Secret(rest)
    return error if isinstance(error, str) and error.isascii() and error.isidentifier() else ""
