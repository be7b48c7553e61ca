"""`make bench`: measure, print the table, write bench.json.

ONLY=ssh,story.steps_1 python -m bench [--write-docs]
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from bench import app, audit, cli, docs, rotations, ssh, story, vaults
from bench.machine import describe
from bench.measure import Row, Wanted

SUITES = (ssh, story, audit, rotations, vaults, app, cli)
RESULT = Path("bench.json")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write-docs", action="store_true", help="write the table into docs/benchmarks.md")
    words = parser.parse_args()
    wanted = Wanted(tuple(name.strip() for name in os.environ.get("ONLY", "").split(",") if name.strip()))
    if words.write_docs and wanted.names:
        parser.error("the documented table holds everything: leave ONLY out")
    known = {suite.SUITE for suite in SUITES}
    if unknown := sorted({name.partition(".")[0] for name in wanted.names} - known):
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    began = time.monotonic()
    found, failed = asyncio.run(_measure(wanted))
    if not found and not failed:
        parser.error("nothing of that name is measured")
    RESULT.write_text(json.dumps([row.json() for row in found], indent=1) + "\n")
    print(f"\n{docs.plain_table(found)}\n\n{time.monotonic() - began:.0f} s; written to {RESULT}")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")
    if words.write_docs:
        docs.write(found, describe())


async def _measure(wanted: Wanted) -> tuple[list[Row], list[str]]:
    """What was measured, and the suites that failed: one that does takes nothing from the others."""
    found: list[Row] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        for suite in SUITES:
            if not wanted(suite.SUITE):
                continue
            print(f"{suite.SUITE} …", flush=True)
            room = Path(folder) / suite.SUITE
            room.mkdir(exist_ok=True)
            try:
                async for row in suite.measure(wanted, room):
                    found.append(row)
                    print(docs.line(row), flush=True)
            except Exception:
                traceback.print_exc()
                failed.append(suite.SUITE)
    return found, failed


if __name__ == "__main__":
    main()
