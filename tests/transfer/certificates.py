"""Test certificates: an authority, a server at 127.0.0.1, a client."""

import ipaddress
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = "of the key"


@dataclass(frozen=True)
class Certificates:
    """The files. `both` contains the client's certificate and key, `locked` its password-protected key."""

    ca: Path
    server: Path
    client_cert: Path
    client_key: Path
    both: Path
    locked: Path

    def context(self, *, demands: bool = True, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        """The context of a server. By default it requires a client certificate of this authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.maximum_version = newest
        context.load_cert_chain(self.server)
        if demands:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def make(folder: Path) -> Certificates:
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority = _signed("authority", authority_key.public_key(), authority_key, "authority")
    (folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    for name in ("server", "client"):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(name, key.public_key(), authority_key, "authority").public_bytes(
            serialization.Encoding.PEM
        )
        (folder / f"{name}-cert.pem").write_bytes(certificate)
        (folder / f"{name}-key.pem").write_bytes(_written(key, serialization.NoEncryption()))
        (folder / f"{name}.pem").write_bytes(certificate + _written(key, serialization.NoEncryption()))
        locked = _written(key, serialization.BestAvailableEncryption(PASSWORD.encode()))
        (folder / f"{name}-locked.pem").write_bytes(locked)
    names = ("ca", "server", "client-cert", "client-key", "client", "client-locked")
    return Certificates(*(folder / f"{name}.pem" for name in names))


def _signed(name: str, key: ec.EllipticCurvePublicKey, by: ec.EllipticCurvePrivateKey, issuer: str) -> x509.Certificate:
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=name == issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(by, hashes.SHA256())
    )


def _written(key: ec.EllipticCurvePrivateKey, encryption: serialization.KeySerializationEncryption) -> bytes:
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
