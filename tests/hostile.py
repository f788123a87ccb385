"""A server on 127.0.0.1 that does to each connection whatever a script says: behave or not.

The scripts run in threads on plain blocking sockets, so they share nothing with the code they test:

    def script(peer):
        peer.request()
        peer.send(reply(b"{}"))

    with Server(script) as server:
        ...  # talk to server.url
"""

import contextlib
import datetime as dt
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any, Self

PATIENCE = 20  # seconds until a script that waits for its client gives up


def reply(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def head(*headers: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode()


CHUNKED = head("content-type: text/event-stream", "transfer-encoding: chunked")
LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def sse(*payloads: str) -> bytes:
    """Return a whole streamed answer, one chunk for each event."""
    return CHUNKED + b"".join(chunk(f"data: {p}\n\n".encode()) for p in payloads) + LAST_CHUNK


async def events_of(answer: Any) -> AsyncGenerator[bytes, None]:
    """The events of a model's answer one by one; leaving early aborts it."""
    try:
        while events := await answer.next_events():
            for event in events:
                yield event
    finally:
        answer.abort()


class GoneError(Exception):
    """The client has closed the connection."""


class Peer:
    """A script's end of one connection; `number` counts the server's connections from 1."""

    def __init__(self, server: "Server", sock: socket.socket, number: int) -> None:
        self.server, self.sock, self.number = server, sock, number
        self._input = b""

    def request(self) -> bytes:
        """Return the next whole request; raise GoneError if the client has closed instead."""
        while b"\r\n\r\n" not in self._input:
            self._receive()
        size = self._input.index(b"\r\n\r\n") + 4
        for line in self._input[:size].lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                size += int(line.partition(b":")[2])
        while len(self._input) < size:
            self._receive()
        request, self._input = self._input[:size], self._input[size:]
        self.server.requests.append(request)
        return request

    def _receive(self) -> None:
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionError as error:
            raise GoneError from error
        if not data:
            raise GoneError
        self._input += data

    def send(self, *parts: bytes, pause: float = 0) -> None:
        """Send each part, `pause` seconds apart; raise GoneError if the client has closed."""
        for part in parts:
            try:
                self.sock.sendall(part)
            except (ConnectionError, ssl.SSLError) as error:
                raise GoneError from error
            time.sleep(pause)

    def wait_gone(self) -> None:
        """Stay silent until the client closes."""
        while True:
            self._receive()

    def reset(self) -> None:
        """Close with a TCP reset in place of a proper end."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Server:
    """Runs `script(peer)` for each connection and closes it afterwards.

    `connections` counts those ever made, `gone` those that the client was the first to close,
    `requests` holds what `Peer.request` returned. A script's own failure is raised on leaving.
    """

    def __init__(self, script: Callable[[Peer], None], tls: ssl.SSLContext | None = None) -> None:
        self._script, self._tls = script, tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.requests: list[bytes] = []
        self.connections = self.gone = 0
        self._lock = threading.Lock()
        self._failure: BaseException | None = None
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def _start(self, work: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=work, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return  # the listener is closed: the test is over
            self.connections += 1
            self._start(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
        except OSError:
            sock.close()
            return  # the client refused the certificate
        with self._lock:
            self._sockets.add(sock)
        try:
            self._script(Peer(self, sock, number))
        except GoneError:
            with self._lock:
                self.gone += 1
        except BaseException as failure:  # noqa: BLE001 (raised again where the test sees it)
            self._failure = failure
        finally:
            with self._lock:
                self._sockets.discard(sock)
            sock.close()

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for sock in self._sockets:
                with contextlib.suppress(OSError):  # the client may have been faster
                    sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        if self._failure and kind is None:
            raise self._failure


def eventually(condition: Callable[[], bool], seconds: float = 5) -> bool:
    """Wait in a thread (``asyncio.to_thread``) until the other side has noticed something."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def certificate(folder: Path, *names: str) -> tuple[ssl.SSLContext, str]:
    """Make a certificate of our own for `names` (hosts or IP addresses).

    Returns the context of a server that shows it, and the path of the PEM file to trust.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hegui test")])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    unused = ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement"]
    usage = dict.fromkeys([*unused, "crl_sign", "encipher_only", "decipher_only"], False)
    subject_key = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(x509.SubjectAlternativeName([_general(n) for n in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, key_cert_sign=True, **usage), critical=True
        )
        .add_extension(subject_key, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, secret = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return context, str(pem)


def _general(name: str) -> "x509.GeneralName":  # noqa: F821 (imported where it is needed)
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
