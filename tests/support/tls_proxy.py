"""A company's proxy: it decrypts HTTPS with certificates of its own authority, and may want a password."""

import base64
import os
import select
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_BUFFER = 1 << 16
_IDLE_SECONDS = 120


class Authority:
    """A certificate authority with a key of its own, in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
        usage = dict.fromkeys(
            ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
        )
        self._certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    key_cert_sign=True,
                    crl_sign=True,
                    encipher_only=False,
                    decipher_only=False,
                    **usage,
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / "authority.pem"
        """The certificate that clients have to trust."""
        self.file.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))
        self.context = cache(self._context)

    def _context(self, host: str) -> ssl.SSLContext:
        """Return what a server of this host name needs."""
        key = ec.generate_private_key(ec.SECP256R1())
        try:
            name: x509.GeneralName = x509.IPAddress(ip_address(host))
        except ValueError:
            name = x509.DNSName(host)
        certificate = (
            self._builder(x509.Name([]), key)
            .add_extension(x509.SubjectAlternativeName([name]), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        file = self._folder / f"{host}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + certificate.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        context.set_alpn_protocols(["http/1.1"])
        return context

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=30))
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )


class Proxy(socketserver.ThreadingTCPServer):
    """The running proxy."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, authority: Authority, servers: Mapping[str, int], login: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authority, self.servers, self.login = authority, servers, login
        self.hosts: set[str] = set()
        """Hosts to which it was asked to connect."""

    @property
    def url(self) -> str:
        login = f"{self.login}@" if self.login else ""
        return f"http://{login}127.0.0.1:{self.server_address[1]}"

    def connect(self, host: str, port: int) -> socket.socket:
        """Connect to a server: one of this machine by HTTP, another by HTTPS and the machine's own proxy."""
        if host in self.servers:
            return socket.create_connection(("127.0.0.1", self.servers[host]), _IDLE_SECONDS)
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context.wrap_socket(_dial(host, port), server_hostname=host)


class _Handler(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode("latin-1").split()
        headers = dict(
            line.decode("latin-1").strip().lower().partition(": ")[::2]
            for line in iter(self.rfile.readline, b"\r\n")
        )
        host, _, port = target.rpartition(":")
        self.server.hosts.add(host)
        expected = f"basic {base64.b64encode(unquote(self.server.login).encode()).decode()}".lower()
        if self.server.login and headers.get("proxy-authorization") != expected:
            return self._answer("407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=x")
        if method != "CONNECT":
            return self._answer("501 Not Implemented")
        try:
            server = self.server.connect(host, int(port))
        except OSError:
            return self._answer("502 Bad Gateway")
        with server:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            # A client that does not trust the authority ends the connection.
            with suppress(OSError):
                context = self.server.authority.context(host)
                with context.wrap_socket(self.connection, server_side=True) as client:
                    _relay(client, server)

    def _answer(self, status: str) -> None:
        self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())


def _dial(host: str, port: int) -> socket.socket:
    """Connect to a host, through the proxy of the environment if there is one."""
    proxy = urlsplit(getproxies().get("https", ""))
    if not proxy.hostname:
        return socket.create_connection((host, port), _IDLE_SECONDS)
    connection = socket.create_connection((proxy.hostname, proxy.port or 3128), _IDLE_SECONDS)
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}" if proxy.username else ""
    header = f"Proxy-Authorization: Basic {base64.b64encode(login.encode()).decode()}\r\n" if login else ""
    connection.sendall(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n{header}\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        if not (byte := connection.recv(1)):
            break
        answer += byte
    if b" 200 " not in answer.partition(b"\r\n")[0]:
        raise ConnectionError(f"the proxy does not connect to {host}")
    return connection


def _relay(client: ssl.SSLSocket, server: socket.socket) -> None:
    """Copy what either side sends to the other, until one closes the connection."""
    other = {client: server, server: client}
    while True:
        ready = [side for side in other if isinstance(side, ssl.SSLSocket) and side.pending()]
        ready = ready or select.select(list(other), [], [], _IDLE_SECONDS)[0]
        if not ready:
            return
        for side in ready:
            if not (data := side.recv(_BUFFER)):
                return
            other[side].sendall(data)


@contextmanager
def run(folder: Path, servers: Mapping[str, int] | None = None, login: str = "") -> Iterator[Proxy]:
    """Run a proxy.

    Args:
        folder: for its certificates.
        servers: ports of HTTP servers on this machine, by the host name under which clients reach them.
        login: `user:password` that it demands, as in an address.
    """
    with Proxy(Authority(folder), servers or {}, login) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield proxy
        proxy.shutdown()


def environment(proxy: Proxy, ca_variable: str = "SSL_CERT_FILE") -> dict[str, str]:
    """Return the variables of a client behind the proxy, which are those of this process and two more.

    Those that name other authorities and proxies are missing.

    Args:
        proxy: the proxy.
        ca_variable: name of the variable with the authority's file.
    """
    names = ("ssl_cert", "_ca_", "ca_bundle", "pip_cert", "ca_certs", "_proxy", "cainfo", "roots_file")
    inherited = {
        name: value for name, value in os.environ.items() if not any(part in name.lower() for part in names)
    }
    return inherited | {"HTTPS_PROXY": proxy.url, ca_variable: str(proxy.authority.file)}
