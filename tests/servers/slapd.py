"""A real OpenLDAP slapd of one's own, from Debian's package: loopback, TLS, the ppolicy overlay; gone afterwards.

with running_slapd() as server:     Slapd(port, tls, …); accounts below ou=people,dc=example,dc=org
"""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from breakglass.model.secret import Secret
from breakglass.testing.rotator_contract import fresh_secret
from tests.servers.postgres import free_port
from tests.servers.process import end, until_it_answers
from tests.servers.tls import Certified, certified

SUFFIX = "dc=example,dc=org"
_SETTINGS = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
pidfile {folder}/pid
loglevel stats
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
TLSVerifyClient never
security simple_bind=128
database mdb
suffix "{suffix}"
rootdn "cn=admin,{suffix}"
directory {folder}/data
overlay ppolicy
ppolicy_default "cn=default,ou=policies,{suffix}"
ppolicy_hash_cleartext
ppolicy_use_lockout
access to attrs=userPassword by self write by dn.onelevel="ou=helpers,{suffix}" write by anonymous auth by * none
access to attrs=pwdAccountLockedTime by dn.onelevel="ou=helpers,{suffix}" write by * none
access to dn.subtree="ou=people,{suffix}" by self write by users write by * none
access to dn.subtree="ou=helpers,{suffix}" by self write by users write by * none
access to dn.subtree="ou=policies,{suffix}" by users write by * none
access to * by users read by * none
"""
_ENTRIES = """
dn: {suffix}
objectClass: dcObject
objectClass: organization
o: example

dn: ou=people,{suffix}
objectClass: organizationalUnit

dn: ou=helpers,{suffix}
objectClass: organizationalUnit

dn: ou=policies,{suffix}
objectClass: organizationalUnit

dn: cn=default,ou=policies,{suffix}
objectClass: person
objectClass: pwdPolicy
sn: default
pwdAttribute: userPassword
pwdMinLength: 16
pwdCheckQuality: 2
pwdInHistory: 5
pwdLockout: TRUE
pwdMaxFailure: 4
pwdLockoutDuration: 600
pwdFailureCountInterval: 600
pwdAllowUserChange: TRUE
"""


@dataclass(slots=True)
class Slapd:
    folder: Path
    port: int
    tls: Certified
    process: "subprocess.Popen[bytes] | None" = field(default=None)

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def admin(self, tool: str, ldif: str) -> None:
        """Write as root of this machine, over the Unix socket."""
        path = str(self.folder / "sock").replace("/", "%2F")
        command = [tool, "-Q", "-Y", "EXTERNAL", "-H", f"ldapi://{path}"]
        done = subprocess.run(command, input=ldif, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{tool}: {done.stderr}")

    def account(self, *, helps: bool = False) -> tuple[str, Secret]:
        """`helps`: it may lock the others, and set their passwords."""
        name, password = f"u{secrets.token_hex(5)}", fresh_secret()
        dn = f"uid={name},ou={'helpers' if helps else 'people'},{SUFFIX}"
        more = f"objectClass: inetOrgPerson\ncn: {name}\nsn: {name}\nuserPassword: {password.reveal().decode()}\n"
        self.admin("ldapadd", f"dn: {dn}\n{more}")
        return dn, password

    def lock_after(self, failures: int) -> None:
        """How many refused binds lock an entry from now on."""
        policy = f"dn: cn=default,ou=policies,{SUFFIX}\nchangetype: modify\n"
        self.admin("ldapmodify", f"{policy}replace: pwdMaxFailure\npwdMaxFailure: {failures}\n")

    def start(self) -> None:
        path = str(self.folder / "sock").replace("/", "%2F")
        log = self.log.open("ab")
        with log:
            self.process = subprocess.Popen(
                ["/usr/sbin/slapd", "-f", str(self.folder / "slapd.conf"), "-d", "stats",
                 "-h", f"ldaps://127.0.0.1:{self.port}/ ldapi://{path}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        until_it_answers(self.process, "127.0.0.1", self.port, self.log, within=30)

    def stop(self, how: int = signal.SIGTERM) -> None:
        end(self.process, how)


@contextmanager
def running_slapd() -> Iterator[Slapd]:
    if os.geteuid() != 0 or not Path("/usr/sbin/slapd").exists():
        raise RuntimeError("this test needs root and Debian's packages slapd and ldap-utils")
    folder = Path(tempfile.mkdtemp(prefix="bgldap"))
    try:
        server = Slapd(folder, free_port(), certified(folder))
        (folder / "data").mkdir()
        external = f'gidNumber=0+uidNumber=0,cn=peercred,cn=external,cn=auth" "cn=admin,{SUFFIX}'
        settings = _SETTINGS.format(
            folder=folder, suffix=SUFFIX, certificate=server.tls.certificate, key=server.tls.key
        ).replace("database mdb", f'authz-regexp "{external}"\ndatabase mdb')
        (folder / "slapd.conf").write_text(settings)
        made = subprocess.run(
            ["/usr/sbin/slapadd", "-f", str(folder / "slapd.conf")], input=_ENTRIES.format(suffix=SUFFIX),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if made.returncode:
            raise RuntimeError(f"slapadd: {made.stderr}")
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
