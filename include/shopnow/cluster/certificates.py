"""The brokers' certificate, and that of the authority that signed it, whose key nobody keeps: other names take new ones of both."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID = timedelta(days=3650)


class Certificates(NamedTuple):
    """Both in PEM."""

    certificate: str
    """With its key before it."""
    authority: str


def make(name: str, hosts: Iterable[str]) -> Certificates:
    """A certificate with that common name, valid for those hosts, and its authority's."""
    now = datetime.now(UTC)
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name, own_name = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (f"{name} authority", name)
    )

    def builder(
        subject: x509.Name, public: ec.EllipticCurvePublicKey, is_authority: bool
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(authority_name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + VALID)
            .add_extension(
                x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True
            )
        )

    authority = builder(authority_name, authority_key.public_key(), True).sign(authority_key, hashes.SHA256())
    certificate = (
        builder(own_name, key.public_key(), False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Certificates(
        (private + certificate.public_bytes(pem)).decode(), authority.public_bytes(pem).decode()
    )
