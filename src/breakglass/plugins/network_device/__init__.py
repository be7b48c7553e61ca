"""The rotator `network-device`: a switch, router or firewall without a shell, over SSH, by a script of prompts.

    script    what is typed and what must be seen, read from the account's options
    rotator   change, works, end_remains

Options of an account:

    script    `EXPECT => TYPE` in turn, separated by ` ;; `. EXPECT is text that the device shows; TYPE may hold {new}
              (the new secret) and {username}. The last EXPECT, without TYPE, is shown when it has taken the change.
    refused   text that the device shows when it takes something not, as in `% Invalid`; several separated by ` ;; `

    # => configure terminal ;; (config)# => username {username} secret {new} ;; (config)# => end ;;
    # => write memory ;; [OK]                                                                       (all on one line)
"""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.network_device.rotator import NetworkDevice


def plugin() -> Rotator:
    return NetworkDevice()
