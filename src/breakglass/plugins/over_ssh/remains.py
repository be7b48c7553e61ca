"""What still runs as the account, and the script that ends it.

One POSIX sh script on standard input, with /proc, grep and awk and nothing else; no secret in it. It spares its own
chain (itself, its ancestors up to our sshd, its children) and ends the rest within about three seconds.

    an ordinary account    every process whose real or effective user is the account's: TERM, after a second KILL
    uid 0                  only sshd's other login sessions of this login name, with all that descends from them: KILL.
                           What came out of such a login and detached itself (known by its environment) is named and
                           left alone: it may be the daemon that the person repaired. No other process of root is
                           looked at.

It answers with lines of its own, so that a greeting from a shell's start file is not taken for an answer:

    breakglass-remains KIND PID NAME
    breakglass-done
"""

import re
from collections.abc import Sequence

from breakglass.errors import Malformed
from breakglass.plugin_api.rotator import Remainder

COMMAND = "sh -s -- end-remains"
"""Its argument does nothing but name the act in the target's own logs."""

_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}")
_LINE = re.compile(rb"^breakglass-remains (process|detached) (\d{1,10}) ([^\n]*)$", re.MULTILINE)
_DONE = re.compile(rb"^breakglass-done$", re.MULTILINE)
_MOST = 100

_SCRIPT = r"""
LC_ALL=C; export LC_ALL
account=@ACCOUNT@
uid=$(id -u -- "$account") || exit 3
self=$$

table() { grep -sH -E '^(State|PPid|Uid):' /proc/[0-9]*/status; }

# pids of the account outside our own chain; for uid 0: of the sessions in $1 and what descends from them
others() {
  table | awk -F '[/:\t ]+' -v self="$self" -v uid="$uid" -v sessions="$1" '
    function up(p) { return (p in parent) ? parent[p] : 0 }
    $5 == "State" { state[$3] = $6 }
    $5 == "PPid"  { parent[$3] = $6 + 0 }
    $5 == "Uid"   { real[$3] = $6; effective[$3] = $7 }
    END {
      n = split(sessions, list, " "); for (i = 1; i <= n; i++) top[list[i]] = 1
      for (p = self; p > 1 && i < 999; p = up(p)) { spare[p] = 1; i++ }
      for (p in real) {
        if (p in spare || state[p] == "Z" || state[p] == "X") continue
        mine = 0; inside = 0
        for (q = p + 0; q > 1; q = up(q)) {
          if (q == self) mine = 1
          if (q in top) inside = 1
          if (++hops[p] > 99) break
        }
        if (mine) continue
        if (uid == 0 ? inside : (real[p] == uid || effective[p] == uid)) print p
      }
    }' | sort -n
}

# sshd processes that serve a login of this name
sessions() {
  for file in $(grep -lsa -E '^sshd(-session)?: @PATTERN@(@| \[)' /proc/[0-9]*/cmdline); do
    pid=${file#/proc/}; pid=${pid%/cmdline}
    case $(readlink "/proc/$pid/exe") in
      */sshd|*/sshd-session|*/sshd\ *|*/sshd-session\ *) echo "$pid" ;;
    esac
  done
}

spared() { table | awk -F '[/:\t ]+' -v self="$self" -v pid="$1" '
    $5 == "PPid" { parent[$3] = $6 + 0 }
    function above(p, q) {
      for (; p > 1 && hops++ < 999; p = (p in parent) ? parent[p] : 0) if (p == q) return 1
      return 0
    }
    END { exit !(above(self, pid) || above(pid + 0, self)) }'; }

victims() {
  if [ "$uid" -eq 0 ]; then
    tops=''
    for one in $(sessions); do spared "$one" || tops="$tops $one"; done
    [ -z "$tops" ] || others "$tops"
  else
    others ''
  fi
}

tell() { echo "breakglass-remains $1 $2 $(head -c 64 "/proc/$2/comm" 2>/dev/null | tr -c 'A-Za-z0-9._/:@-' '_')"; }

if [ "$uid" -eq 0 ]; then
  # a child whose parent died would belong to nobody's session any more: all stand still first, then all end at once
  was=none round=0
  while left=$(victims) && [ -n "$left" ] && [ "$left" != "$was" ] && [ "$round" -lt 9 ]; do
    kill -s STOP $left 2>/dev/null
    was=$left round=$((round + 1))
  done
  [ -z "$left" ] || kill -s KILL $left 2>/dev/null
fi

round=0 signal=TERM
while left=$(victims) && [ -n "$left" ]; do
  round=$((round + 1))
  [ "$round" -gt 12 ] && break
  [ "$round" -gt 4 ] && signal=KILL
  kill -s "$signal" $left 2>/dev/null
  sleep 0.25 2>/dev/null || sleep 1
done
for one in $left; do tell process "$one"; done

if [ "$uid" -eq 0 ]; then
  for file in $(grep -lsa 'SSH_CONNECTION=' /proc/[0-9]*/environ); do
    one=${file#/proc/}; one=${one%/environ}
    tr '\0' '\n' < "$file" 2>/dev/null | grep -qx "LOGNAME=$account" || continue
    spared "$one" || case " $left " in *" $one "*) ;; *) [ -d "/proc/$one" ] && tell detached "$one" ;; esac
  done
fi
echo breakglass-done
"""


def checked_login(username: str) -> str:
    """Raises `Malformed` for a name that no Unix account has."""
    if not _LOGIN.fullmatch(username):
        raise Malformed(
            "This login is no name of a Unix account.",
            what_to_do="Use the account's name on the target: letters, digits, dot, dash and underscore.",
        )
    return username


def script(username: str) -> bytes:
    """The script for this login. Raises `Malformed` for a name that no Unix account has."""
    checked_login(username)
    return _SCRIPT.replace("@ACCOUNT@", username).replace("@PATTERN@", username.replace(".", "[.]")).encode()


def read(answer: bytes) -> Sequence[Remainder] | None:
    """What the script told, or None where it did not come to its end."""
    if not _DONE.search(answer):
        return None
    found = _LINE.findall(answer)[:_MOST]
    return tuple(
        Remainder(kind=kind.decode(), what=f"{_plain(name)} (pid {pid.decode()})") for kind, pid, name in found
    )


def _plain(name: bytes) -> str:
    return re.sub(r"[^A-Za-z0-9._/:@-]", "_", name.decode("ascii", "replace"))[:64].rstrip("_")
