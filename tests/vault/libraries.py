"""PKCS #11 libraries that nobody wants, compiled for a test. Needs gcc: without it a test fails, nothing is skipped."""

import subprocess
from pathlib import Path

HANGS = """
#include <unistd.h>
int C_GetFunctionList(void **list) { for (;;) pause(); }
"""
CRASHES = """
#include <stdlib.h>
int C_GetFunctionList(void **list) { *(volatile int *)8 = 1; return 0; }
"""
LIES = """
#include <stdio.h>
#include <unistd.h>
/* Answers by itself, to every file that is open, and is gone. */
int C_GetFunctionList(void **list) {
    for (int fd = 0; fd < 256; fd++) if (write(fd, "{\\"error\\": \\"../../x\\"}\\n", 22)) {}
    _exit(0);
}
"""


def compiled(folder: Path, source: str) -> Path:
    made = folder / "module.so"
    command = ["gcc", "-x", "c", "-shared", "-fPIC", "-w", "-o", str(made), "-"]
    subprocess.run(command, input=source, text=True, check=True, timeout=60)
    made.chmod(0o644)
    return made
