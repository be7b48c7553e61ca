"""Signing with stock `ssh-keygen -Y sign`: keys in files, in agents and on tokens all work, and none is ever read here.

The text goes through standard input and the signature comes back on standard output: nothing is left on the disk.
What is shown is exactly what is signed.
"""

import shutil
import subprocess
from pathlib import Path

from breakglass.cli.options import Options
from breakglass.cli.printing import note, sure
from breakglass.codec import lines
from breakglass.errors import BadSignature, Tampered, Unavailable

WAIT = 180.0
"""Seconds for a person to type a passphrase or touch a token."""
STATEMENT, TITLE = "breakglass", "breakglass-statement-v1"
SIGN_IN, SIGN_IN_TITLE = "breakglass-sign-in", "breakglass-sign-in-v1"


def sign(key: Path, text: str, namespace: str) -> str:
    """The armoured signature. Raises `Unavailable` without ssh-keygen or an answer, `BadSignature` when it declines."""
    program = shutil.which("ssh-keygen")
    if program is None:
        raise Unavailable("ssh-keygen is not installed.", what_to_do="Install OpenSSH's client (8.2 or later).")
    command = [program, "-q", "-Y", "sign", "-n", namespace, "-f", str(key)]
    try:
        # Standard error stays the person's: there ssh-keygen asks for passphrases and touches.
        done = subprocess.run(command, input=text.encode(), stdout=subprocess.PIPE, timeout=WAIT, check=False)
    except subprocess.TimeoutExpired:
        raise Unavailable("ssh-keygen did not finish.", what_to_do="Try again; touch the key when it blinks.") from None
    if done.returncode:
        raise BadSignature(
            f"ssh-keygen did not sign (exit {done.returncode}).",
            what_to_do=f"Look at what it says; try `{' '.join(command)}` yourself.",
        )
    return done.stdout.decode()


def sign_statement(options: Options, text: str, *, kind: str, subject: str, yes: bool) -> str:
    """Show the whole text, ask, and sign it. Raises `Tampered` for a text about something else than was asked for."""
    facts = dict(lines.read(text, TITLE))  # strict: nothing invisible stands in it, nothing can move the cursor
    if facts.get("kind") != kind or facts.get("subject") != subject:
        raise Tampered(
            f"The server sent a text about {facts.get('subject')} ({facts.get('kind')}), not {subject} ({kind}).",
            what_to_do="Sign nothing. Call the custodians and the auditors.",
            about=subject,
        )
    key = options.key
    note(text.rstrip("\n"))
    sure("Sign exactly this text?", yes=yes)
    return sign(key, text, STATEMENT)


def sign_challenge(key: Path, text: str, deployment: str) -> str:
    """Sign a sign-in text. Its own namespace makes sure that it can be nothing else."""
    facts = dict(lines.read(text, SIGN_IN_TITLE))
    if facts.get("deployment") != deployment:
        raise Tampered("The server asks for a sign-in elsewhere.", what_to_do="Check `--server`.")
    return sign(key, text, SIGN_IN)
