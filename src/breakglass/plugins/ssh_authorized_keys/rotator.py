"""What each answer of the target means for the engine.

sign in with the current key ── refused ── sign in with the new one ─┬─ works ── it was set before: yes
          │                                                          └─ refused ── CurrentRefused
          ▼
the script, on standard input ─┬─ `breakglass-key set` ───── yes
                               ├─ exit 3, 4 or 5 ─────────── ChangeRefused: the file is as it was
                               └─ anything else, silence ─── OutcomeUnknown

The file is written anew beside itself, flushed, and renamed over the old one: it has the old key or the new one, and
never neither. Only public keys go to the target.
"""

import re
import shlex
from contextlib import AsyncExitStack

from breakglass.codec.sshwire import line as key_line
from breakglass.errors import Malformed, OutcomeUnknown, TargetDown
from breakglass.model.secret import Secret
from breakglass.plugin_api.rotator import ChangeRefused, CurrentRefused, Place
from breakglass.plugins.over_ssh.command import Lost, NotBegun, Ran
from breakglass.plugins.over_ssh.dormant import HelpedUnixAccount
from breakglass.plugins.over_ssh.login import LoginRefused, is_key, private_key, signed_in

_FILE = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_./-]{0,200}")
_WHY = {
    3: "Make the file writable for the account itself, and its folder, too.",
    4: "The key that signs in stands in another file: name it with the rotator option `file`.",
    5: "Look whether the target's disk is full.",
}
_SCRIPT = r"""
LC_ALL=C; export LC_ALL
umask 077
file=$HOME/@FILE@ old='@OLD@' new='@NEW@'
[ -f "$file" ] && [ -r "$file" ] && [ -w "${file%/*}" ] || exit 3
file=$(readlink -f -- "$file") || exit 3
grep -qF -e "${old#* }" -e "${new#* }" "$file" || exit 4
next=$file.breakglass-$$
trap 'rm -f "$next"' EXIT
trap 'exit 5' HUP INT TERM
cp -p -- "$file" "$next" || exit 5
awk -v old="$old" -v new="$new" '
  BEGIN { split(old, o, " "); split(new, n, " ") }
  { place = 0
    for (i = 1; i <= NF; i++) if ($i == o[2] || $i == n[2]) place = i
    if (!place || $1 ~ /^#/) { print; next }
    if (done++) next
    at = index($0, $place)
    head = substr($0, 1, at - 1); tail = substr($0, at + length($place))
    sub(/[^ \t]+[ \t]+$/, "", head)
    print head n[1] " " n[2] tail
  }' "$file" > "$next" || exit 5
grep -qF -e "${new#* }" "$next" || exit 5
sync -- "$next" 2>/dev/null || sync || exit 5
mv -f -- "$next" "$file" || exit 5
sync -- "${file%/*}" 2>/dev/null || sync
echo 'breakglass-key set'
"""


class SshAuthorizedKeys(HelpedUnixAccount):
    """An SSH key in authorized_keys(5). Keeps the contract of `breakglass.plugin_api.rotator`."""

    name = "ssh-authorized-keys"

    async def change(self, place: Place, current: Secret, new: Secret) -> None:
        script = _script(place, current, new)
        async with AsyncExitStack() as stack:
            try:
                signing_in = signed_in(place, current, within=self._connect_within)
                connection = await stack.enter_async_context(signing_in)
            except LoginRefused as refused:
                await self._set_before(place, new, refused)
                return
            except OutcomeUnknown as error:
                raise TargetDown(
                    f"{error.message} Nothing was changed.", what_to_do=error.what_to_do, about=error.about
                ) from None
            try:
                ran = await self._run(connection, "sh -s -- set-key", script)
            except NotBegun as error:
                if error.said_no:
                    raise _refused(place, "Allow this login to run commands over SSH.") from None
                raise TargetDown(
                    f"{place.endpoint} went away before the new key of {place.username} was sent.",
                    what_to_do="Nothing was sent; it is tried again.",
                    about=str(place.endpoint),
                ) from None
            except Lost:
                raise _unknown(place) from None
        _judge(place, ran)

    async def _set_before(self, place: Place, new: Secret, refused: LoginRefused) -> None:
        """The current key is refused: fine if an earlier attempt has already set the new one."""
        try:
            if await self.works(place, new):
                return
        except TargetDown as error:
            raise OutcomeUnknown(error.message, what_to_do=error.what_to_do, about=error.about) from None
        raise CurrentRefused(
            f"{place.endpoint} refuses the current key of {place.username}.",
            what_to_do=refused.what_to_do,
            about=str(place.endpoint),
        )


def _judge(place: Place, ran: Ran) -> None:
    if ran.said_yes and b"breakglass-key set" in ran.output.splitlines():
        return
    if ran.status in _WHY:
        raise _refused(place, _WHY[ran.status])
    raise _unknown(place)


def _script(place: Place, current: Secret, new: Secret) -> bytes:
    file = place.options.get("file", ".ssh/authorized_keys")
    if not _FILE.fullmatch(file) or ".." in file.split("/"):
        raise Malformed(
            "The rotator option `file` is no path below the account's home.",
            what_to_do="Write it as in `.ssh/authorized_keys`.",
            about=place.username,
        )
    if not is_key(current) or not is_key(new):
        raise ChangeRefused(
            "The stored secret is no private key.",
            what_to_do="Set the account's `secret` to `ssh-key` in the roster, and store its private key.",
            about=place.username,
        )
    old, fresh = (key_line(private_key(one).public_data) for one in (current, new))
    return _SCRIPT.replace("@FILE@", shlex.quote(file)).replace("@OLD@", old).replace("@NEW@", fresh).encode()


def _refused(place: Place, helps: str) -> ChangeRefused:
    return ChangeRefused(
        f"{place.endpoint} did not take the new key of {place.username}.", what_to_do=helps, about=str(place.endpoint)
    )


def _unknown(place: Place) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"The new key of {place.username} was sent to {place.endpoint}, and no answer came.",
        what_to_do="It is probed which key works, and then gone on from there. Do nothing by hand.",
        about=str(place.endpoint),
    )
