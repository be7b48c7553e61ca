"""The QR code of a checkpoint is the signed note to the byte, read by a scanner that is not ours."""

import subprocess
from pathlib import Path

import pytest
import segno

from breakglass.codec import note
from breakglass.web import qr
from tests.audit.kit import LOG_KEY, seed

pytestmark = pytest.mark.server


@pytest.mark.parametrize("size", [1, 999_999_999_999])
def test_a_scanner_reads_the_note(tmp_path: Path, size: int) -> None:
    text = LOG_KEY.sign(note.Checkpoint(origin=LOG_KEY.name, size=size, root=seed("root")).body()).decode()
    made = segno.make(text, error=qr.ERROR, micro=False)
    made.save(str(tmp_path / "code.png"), scale=4)
    command = ["zbarimg", "--quiet", "--raw", "--oneshot", "-Sbinary", str(tmp_path / "code.png")]
    read = subprocess.run(command, capture_output=True, timeout=20, check=True).stdout
    assert read == text.encode()
    assert made.svg_inline(scale=5, border=2, dark="#000", light="#fff", omitsize=True) == str(qr.qr(text))
