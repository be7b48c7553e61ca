"""The rotator `ssh-authorized-keys`: a Unix account's SSH key. A new public key takes the old one's line.

Options of an account: `file`, its authorized_keys below its home (default `.ssh/authorized_keys`), and `become` as
`linux-password` has it, which only widens the look at what was left behind. The account's `secret` is `ssh-key`.
"""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.ssh_authorized_keys.rotator import SshAuthorizedKeys


def plugin() -> Rotator:
    return SshAuthorizedKeys()
