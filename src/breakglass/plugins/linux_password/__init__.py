"""The rotator `linux-password`: a Unix account's password, changed over SSH by `chpasswd` and proven by signing in.

    login    one connection: pinned host key, one password, tried once; what each ending means
    command  one command on it: bounded in time and output; with or without sudo
    remains  the script that ends what still runs as the account
    rotator  change, works, end_remains

Options of an account: `become` = `none` (root, the default), `sudo`, `sudo-nopasswd`. The only sudo right that `change`
needs is `chpasswd`.
"""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.linux_password.rotator import LinuxPassword


def plugin() -> Rotator:
    return LinuxPassword()
