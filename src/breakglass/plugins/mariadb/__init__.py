"""The rotator `mariadb`: an account's password, changed by the account itself and proven by signing in.

    signing  one session over a pinned TLS connection; what each ending means
    rotator  change, works, end_remains, traces

The server never sees a new password: it gets the hash of `mysql_native_password`, so none stands in its logs. Needs
PyMySQL (`pip install 'breakglass[mariadb]'`).
"""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.mariadb.rotator import MariaDB


def plugin() -> Rotator:
    return MariaDB()
