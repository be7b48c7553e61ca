"""The rotator `postgresql`: a login role's password, changed by the role itself and proven by signing in.

    signing  one session over a pinned TLS connection; what each ending means
    rotator  change, works, end_remains, traces

The server never sees a new password: it gets a SCRAM verifier (RFC 5803), so none stands in its log or in
pg_stat_activity. Option of an account: `database`, to sign in to (default `postgres`). Needs psycopg
(`pip install 'breakglass[postgresql]'`).
"""

from breakglass.plugin_api.rotator import Rotator
from breakglass.plugins.postgresql.rotator import PostgreSQL


def plugin() -> Rotator:
    return PostgreSQL()
