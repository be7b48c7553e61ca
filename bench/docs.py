"""The table, for people: plain for a terminal, and as docs/benchmarks.md."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import Row

PAGE = Path("docs/benchmarks.md")
_INTRODUCTION = """\
# Benchmarks

`make bench` measures and prints this table and writes `bench.json`; `make bench ONLY=ssh,story.steps_64` measures a
part of it; `make bench ARGS=--write-docs` writes this page. Everything runs on loopback on one machine.

**Read the ratios, not the times.** `ratio` is ours / theirs. Both sides are measured in turn in the same run, and the
ratio is the median over the pairs: a slow or busy machine slows both sides of a pair. `better` says which way is good.
Client, gateway and target share the machine's cores, so whatever uses less of the processor also looks faster here, as
it would on a busy gateway.
"""
_NOTES = """\
## What is compared

The same stock OpenSSH client, the same target (a real sshd with a real Unix account) and the same cipher
(`aes128-gcm@openssh.com`, no compression) on all three ways. Through the gateway there is a live grant that two people
signed, the vault releases the password for each session, and **recording is on** (`strict`).
The references log in with a key.

- **`ssh.…`** compares with `ssh -J` over a second sshd, **`ssh.….direct`** with plain `ssh` to the target.
- **`ssh.bulk_…`**: 200 MB, from the first byte to the last, set-up not counted. A stream without a terminal is
  recorded whole up to the policy's `bulk_cap` (16 MiB unless it says otherwise), beyond it by size and SHA-256.
  `ssh.bulk_down.whole` is the same with a cap that is never reached: every byte is sealed and written.
- **`ssh.scp`**: a file of 50 MB, the whole command with its set-up.
- **`ssh.key_…`**: one byte to a raw terminal on the target and back; three terminals stay open, keystrokes go through
  them in turn, 5 × 200 each.
- **`ssh.setup`**: `ssh … true` from start to end. The account is one whose password changes when the grant is closed
  (`rotate_at: close`). With `rotate_at: login` the password changes after every login, and a login that follows at
  once waits for that: `ssh.setup.rotating` is four such logins, back to back.
- **`ssh.rss_session`**: memory (PSS) that the node's process grows by for each idle recorded terminal, 50 of them;
  against the processes that the jump host's sshd keeps for one, and (`.direct`) those that the target's sshd keeps.
- **`story.steps_1`, `story.steps_64`**: steps of the story (ask, approve, approve, ask, deny), one after the other and
  from 64 tasks at once. A step verifies its signed statement, writes its records, and is durable, in the log and
  signed over by the vault process when it returns. Against a durable insert of one 512-byte row (SQLite, WAL,
  `synchronous=FULL`), one by one and from 64 tasks queueing for one inserting thread. People's own signing is done
  before the clock starts.
- **`audit.append_batch`**: batches of 1,000 facts through the store, into the tree and under a checkpoint; against
  pymerkle (the same leaves into its SQLite tree, then its root), and against the same leaves in one plain SQLite
  transaction, with no tree.
- **`audit.append_1`, `audit.append_64`**: one fact after the other, and from 64 producers at once, each durable before
  the next; pymerkle appends one and computes the root, SQLite inserts one row, both queueing for one thread.
- **`audit.append_shared`**: four processes with 16 producers each, all into the log in one PostgreSQL, against as many
  that insert rows into a plain table there, each in a transaction of its own. Writers to one log take turns; their
  facts share commits.
- **`audit.verify`**: `audit verify` over a log of a million entries, against reading the same leaves and hashing each
  once. **`audit.entry_bytes`**: bytes of the database for each entry, against the same leaves in a plain table.
- **`vault.rotations_…`**: password changes a minute with 1, 10 and 100 accounts on one PostgreSQL, each proven (the
  new one works, the old one is refused), against the bare `ALTER ROLE` over TLS, as many at a time.
- **`vault.unseal`**: two shares of three entered over the vault's socket until it is open (each checked, the root key
  combined, keys and state opened), and sealed before that; against as many calls that only ask for its state.
- **`vault.rewrap`**: stored secrets moved under the newest key-encryption key, 200 a call; against AES-GCM opening
  and closing as many keys in the same process.
- **`vault.releases`**: credentials released to sessions, each with its proof judged and its log entry used up durably
  before the answer; against a file of the vault's state's size that is replaced as durably.
- **`app.ready`**: from the start of `breakglass serve` until its doors are open, against an sshd alone.
- **`cli.help`**: `breakglass --help` against a Python that starts and ends.
"""


def line(row: Row) -> str:
    return "  ".join(
        (
            f"{row.name:26}",
            f"{_number(row.ours):>9}",
            f"{_number(row.theirs):>9}",
            f"{row.unit:9}",
            f"{row.reference:15}",
            f"{row.ratio:7.2f} ×",
            f"{row.runs:4}",
            f"{row.wish} is better",
        )
    )


def plain_table(rows: Sequence[Row]) -> str:
    head = f"{'name':26}  {'ours':>9}  {'theirs':>9}  {'unit':9}  {'reference':15}  {'ratio':>9}  runs"
    return "\n".join((head, "─" * len(head), *map(line, rows)))


def write(rows: Sequence[Row], machine: Mapping[str, str]) -> None:
    table = [
        "| name | ours | theirs | unit | reference | ratio | better | pairs |",
        "|---|--:|--:|---|---|--:|---|--:|",
    ]
    table += [
        f"| `{row.name}` | {_number(row.ours)} | {_number(row.theirs)} | {row.unit} | {row.reference} "
        f"| **{row.ratio:.2f}** | {row.wish} | {row.runs} |"
        for row in rows
    ]
    ran = [f"Measured on {datetime.now(UTC):%Y-%m-%d}:", "", *(f"- {name}: {what}" for name, what in machine.items())]
    PAGE.write_text("\n".join((_INTRODUCTION, *ran, "", *table, "", _NOTES)))


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
