"""The listeners: plain HTTP on loopback, TLS for browsers elsewhere, and only under names of ours."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from breakglass.app.api_server import ApiServer, Tls
from breakglass.app.site import make
from breakglass.errors import Malformed
from tests.kit import Town


def certificate(folder: Path, name: str) -> Tls:
    key = generate_private_key(SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, SHA256())
    )
    files = folder / f"{name}.crt", folder / f"{name}.key"
    files[0].write_bytes(made.public_bytes(Encoding.PEM))
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Tls(str(files[0]), str(files[1]))


async def test_browsers_elsewhere_come_by_tls(tmp_path: Path) -> None:
    files = certificate(tmp_path, "gate")
    async with Town.found(tmp_path, password="") as town:
        site = make(town.services())
        plain, tls = ApiServer(site), ApiServer(site, files)
        await plain.start("127.0.0.1", 0)
        await tls.start("127.0.0.1", 0)
        try:
            trusted = ssl.create_default_context(cafile=files.certificate)
            async with httpx.AsyncClient(verify=trusted, trust_env=False) as client:
                for path in ("/sign-in", "/api/status"):
                    safe = await client.get(f"https://localhost:{tls.port}{path}")
                    assert safe.status_code == 200
                    assert safe.headers["strict-transport-security"] == "max-age=31536000"
                    bare = await client.get(f"http://127.0.0.1:{plain.port}{path}")
                    assert bare.status_code == 200
                    assert "strict-transport-security" not in bare.headers
                    for port, scheme in ((tls.port, "https"), (plain.port, "http")):
                        headers = {"Host": f"evil.example:{port}"}
                        rebound = await client.get(f"{scheme}://localhost:{port}{path}", headers=headers)
                        assert rebound.status_code == 421
                        assert "web_origin" in rebound.text
                        assert rebound.headers["content-security-policy"].startswith("default-src 'none'")
        finally:
            await plain.stop()
            await tls.stop()


async def test_a_key_that_is_another_certificate_s(tmp_path: Path) -> None:
    one, other = certificate(tmp_path, "one"), certificate(tmp_path, "other")

    async def nothing(scope: object, receive: object, send: object) -> None: ...

    for wrong in (Tls(one.certificate, other.key), Tls(one.certificate, str(tmp_path / "none")), Tls(one.key, one.key)):
        with pytest.raises(Malformed, match="The certificate and its key"):
            ApiServer(nothing, wrong)
