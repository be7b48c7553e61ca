"""One call of a PKCS #11 library, in a process that lives for it: `python -m breakglass.vault.token_process PARENT FD`.

    standard input: {"act", "module", "token", "key", "iv", "pin_bytes"} \n PIN, 32 bytes
    FD:             {"error": ""} \n 32 bytes          or {"error": NAME} \n

It is hardened as the vault is, and ends with it. The library is loaded only if nobody but root and our own user could
have put it there: whoever could would run in here with the PIN.
"""

import json
import os
import signal
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from breakglass.vault.harden import die_with_parent, harden
from breakglass.vault.token import DECRYPT, ENCRYPT

if TYPE_CHECKING:
    import pkcs11


class Wrong(Exception):
    """Its text is the name that the vault has words for."""


def main() -> None:
    parent, answer = int(sys.argv[1]), int(sys.argv[2])
    # The vault leaves these to a thread of its own; here they end us.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    harden()
    die_with_parent(parent)
    os.set_inheritable(answer, False)
    try:
        line = sys.stdin.buffer.readline()
        asked: dict[str, Any] = json.loads(line)
        pin, data = sys.stdin.buffer.read(asked.pop("pin_bytes")), sys.stdin.buffer.read()
        found = turn(**asked, pin=pin.decode(), data=data)
        os.write(answer, b'{"error": ""}\n' + found)
    except Wrong as wrong:
        os.write(answer, json.dumps({"error": str(wrong)}).encode() + b"\n")
    except Exception as error:
        # The type's name is PKCS #11's own (python-pkcs11 names them so); a text might hold anything.
        os.write(answer, json.dumps({"error": type(error).__name__}).encode() + b"\n")
    # Without the library's own farewell (C_Finalize, destructors): there it could still hang.
    os._exit(0)


def turn(*, act: str, module: str, token: str, key: str, iv: str, pin: str, data: bytes) -> bytes:
    """`data` (32 bytes) through the token's key: AES-CBC without padding. Raises `Wrong`, and what PKCS #11 says."""
    _must_be_safe(Path(module))
    try:
        import pkcs11
    except ImportError:
        raise Wrong("NotInstalled") from None
    try:
        library = pkcs11.lib(module)
    except (OSError, RuntimeError):  # dlopen's own words
        raise Wrong("NotALibrary") from None
    found = library.get_token(token_label=token)
    if found.flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY:
        raise Wrong("LastTry")
    with found.open(rw=act == ENCRYPT, user_pin=pin) as session:
        secret_key = _key(session, key, may_make=act == ENCRYPT)
        how: Any = {"mechanism": pkcs11.Mechanism.AES_CBC, "mechanism_param": bytes.fromhex(iv)}
        return bytes((secret_key.decrypt if act == DECRYPT else secret_key.encrypt)(data, **how))


def _key(session: "pkcs11.Session", label: str, *, may_make: bool) -> Any:
    """The AES key of this label, which can't leave the token. Raises `Wrong`."""
    from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass

    kind = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES, Attribute.LABEL: label}
    found = list(session.get_objects(kind))
    if len(found) > 1:
        raise Wrong("MultipleObjectsReturned")
    if not found:
        if not may_make:
            raise Wrong("NoSuchKey")
        stays = {Attribute.PRIVATE: True, Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False}
        for_us = MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT
        found = [session.generate_key(KeyType.AES, 256, label=label, store=True, capabilities=for_us, template=stays)]
    (key,) = found
    if key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE]:
        raise Wrong("Extractable")
    return key


def _must_be_safe(module: Path) -> None:
    """Raises `Wrong` for a file that others than root and our own user could write, or that is none."""
    try:
        status = module.stat()
    except OSError:
        raise Wrong("NotThere") from None
    ours = status.st_uid in (0, os.geteuid()) and not status.st_mode & 0o022
    if not module.is_absolute() or not stat.S_ISREG(status.st_mode) or not ours:
        raise Wrong("NotSafe")


if __name__ == "__main__":
    main()
