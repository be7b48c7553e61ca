"""A real PKCS #11 token of one's own, SoftHSM from Debian's package: files in a folder, gone with it.

with running_softhsm(folder) as hsm:     hsm.module, hsm.pin_file, hsm.token(); one token "plant" is there
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from breakglass.vault.token import Token

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN, SO_PIN = "canary-pin-4711", "canary-so-0815"
LABEL = "plant"


@dataclass(frozen=True, slots=True)
class SoftHsm:
    folder: Path
    module: Path
    pin_file: Path

    def token(self) -> Token:
        return Token(self.module, self.pin_file)

    def add_token(self, label: str) -> None:
        command = ["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def tool(self, *words: str, token: str = LABEL) -> str:
        """OpenSC's pkcs11-tool: another program's view of the same token."""
        command = ["pkcs11-tool", "--module", str(self.module), "--token-label", token, "--login", "--pin", PIN, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


@contextmanager
def running_softhsm(folder: Path) -> Iterator[SoftHsm]:
    (folder / "tokens").mkdir(mode=0o700, parents=True)
    settings, pin = folder / "softhsm2.conf", folder / "pin"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    pin.touch(mode=0o600)
    pin.write_text(PIN + "\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(settings)  # the library reads it, in whichever process it is loaded
    try:
        hsm = SoftHsm(folder, MODULE, pin)
        hsm.add_token(LABEL)
        yield hsm
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before
