"""The script that looks for what people leave behind on a Unix host, and the reading of its answer. It changes nothing.

    key    lines of authorized_keys           sudo   rules in sudoers           port  what listens on TCP
    cron   lines of crontabs and cron.d       user   accounts and shells        unit  units of systemd in /etc
                                              group  who is in groups with rights

With the account's own rights it sees its own files and what everybody may read; with root's (`become`) all of it.
"""

import re
from base64 import b64decode
from binascii import Error as NotBase64
from hashlib import sha256
from ipaddress import ip_address

from breakglass.codec.lines import clean
from breakglass.codec.sshwire import fingerprint
from breakglass.model.trace import MOST, Trace

COMMAND = "sh -s -- look"
_LINE = re.compile(rb"^breakglass-trace (key|cron|sudo|user|group|unit|tcp) ([^\n]*)$", re.MULTILINE)
_DONE = re.compile(rb"^breakglass-looked$", re.MULTILINE)

SCRIPT = rb"""
LC_ALL=C; export LC_ALL
lines() { # KIND LABEL FILE: each line that is no comment
  [ -f "$3" ] && [ -r "$3" ] || return 0
  grep -avE '^[[:space:]]*(#|$)' "$3" 2>/dev/null | head -n 500 | cut -c1-4000 |
    while IFS= read -r line; do printf 'breakglass-trace %s %s: %s\n' "$1" "$2" "$line"; done
}
while IFS=: read -r name _ uid _ _ home shell; do
  printf 'breakglass-trace user %s (uid %s, %s)\n' "$name" "$uid" "$shell"
  [ -d "$home/.ssh" ] || continue
  for file in "$home/.ssh/authorized_keys" "$home/.ssh/authorized_keys2"; do lines key "$name" "$file"; done
done < /etc/passwd
grep -aE '^(root|sudo|wheel|admin|adm|docker|lxd|shadow|disk):' /etc/group | cut -d: -f1,4 |
  sed 's/^/breakglass-trace group /'
for file in /var/spool/cron/crontabs/* /var/spool/cron/*; do [ -f "$file" ] && lines cron "${file##*/}" "$file"; done
[ "$(id -u)" -eq 0 ] || crontab -l 2>/dev/null | grep -avE '^[[:space:]]*(#|$)' | head -n 500 |
  while IFS= read -r line; do printf 'breakglass-trace cron %s: %s\n' "$(id -un)" "$line"; done
for file in /etc/crontab /etc/cron.d/* /etc/anacrontab; do lines cron "$file" "$file"; done
for file in /etc/sudoers /etc/sudoers.d/*; do lines sudo "$file" "$file"; done
for file in /etc/systemd/system/*.service /etc/systemd/system/*.timer /etc/systemd/system/*.socket; do
  [ -f "$file" ] && printf 'breakglass-trace unit %s\n' "${file##*/}"
done
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk '$4 == "0A" { print "breakglass-trace tcp " $2 }'
echo breakglass-looked
"""


def read(answer: bytes, own_key: bytes = b"") -> list[Trace] | None:
    """What the script told; None where it did not come to its end. `own_key`: the blob of the key that the
    rotator keeps there itself."""
    if not _DONE.search(answer):
        return None
    found = set()
    for kind, rest in _LINE.findall(answer):
        text = clean(rest.decode("utf-8", "replace"))
        if kind == b"key":
            if (one := _key(text, own_key)) is not None:
                found.add(one)
        elif kind == b"tcp":
            if (port := _port(text)) is not None:
                found.add(Trace("port", port))
        elif text:
            found.add(Trace(kind.decode(), text))
    return sorted(found)[:MOST]


def _key(text: str, own: bytes) -> Trace | None:
    """`LOGIN: [options] TYPE BLOB [comment]` as `LOGIN: SHA256:… comment`."""
    login, _, line = text.partition(": ")
    for word in line.split(" "):
        if not word.startswith("AAAA"):
            continue
        try:
            blob = b64decode(word, validate=True)
        except (NotBase64, ValueError):
            continue
        if blob == own:
            return None
        options, _, comment = line.partition(word)
        extra = "" if len(options.split()) == 1 else ", with options"
        return Trace("key", clean(f"{login}: {fingerprint(blob)}{extra} {comment.strip()}"))
    return Trace("key", f"{login}: a line that is no key ({sha256(line.encode()).hexdigest()[:12]})")


def _port(text: str) -> str | None:
    """`0100007F:1F90`, as /proc/net/tcp has it (each 32-bit word in the host's order), as `tcp 127.0.0.1:8080`."""
    address, _, port = text.partition(":")
    try:
        words = [bytes.fromhex(address[place : place + 8])[::-1] for place in range(0, len(address), 8)]
        return f"tcp {ip_address(b''.join(words))} port {int(port, 16)}"
    except ValueError:
        return None
