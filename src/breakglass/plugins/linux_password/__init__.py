"""The rotator `linux-password`: a Unix account's password, changed over SSH by `chpasswd` and proven by signing in.

    rotator  change, works, end_remains; how it signs in and runs commands: plugins.over_ssh

Options of an account: `become` = `none` (root, the default), `sudo`, `sudo-nopasswd`. The only sudo right that `change`
needs is `chpasswd`.
"""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.linux_password.rotator import LinuxPassword


def plugin() -> Rotator:
    return LinuxPassword()
