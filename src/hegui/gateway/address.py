"""Where a model server is, whom to trust there, and what every request to it begins with."""

import re
import ssl
from collections.abc import Mapping
from typing import Final

import msgspec

from hegui.language import N_, Problem

_ADDRESS: Final = re.compile(r'(?a)(https?)://([\w.-]+|\[[\da-f:.]+])(?::(\d+))?(/[!"$->@-~]*)?')
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+: [!-~]([ -~]*[!-~])?")
FRAMES: Final = {"content-length", "transfer-encoding"}
_OWN: Final = {"host", "connection", "accept-encoding", *FRAMES}


class Address(msgspec.Struct, frozen=True):
    """The parts of a base URL; `shown` is how the Host header calls it."""

    is_tls: bool
    host: str
    port: int
    prefix: str
    shown: str


def read_address(base_url: str) -> Address:
    """Read http(s)://host[:port][/prefix].

    Raises:
        Problem: `upstream.address`.
    """
    found = _ADDRESS.fullmatch(base_url)
    if not found or not 0 < int(found[3] or 80) < 65536:
        message = N_("Write the model server's address as https://host:port/v1.")
        raise Problem("upstream.address", message)
    scheme, host, port, prefix = found.groups()
    is_tls = scheme == "https"
    number = int(port or (443 if is_tls else 80))
    shown = f"{host}:{port}" if port else host
    return Address(is_tls, host.strip("[]"), number, (prefix or "").rstrip("/"), shown)


def trust(ca_file: str | None) -> ssl.SSLContext:
    """The system's authorities, and those of `ca_file`; raises `Problem`."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    try:
        if ca_file:
            context.load_verify_locations(ca_file)
    except OSError as cause:
        message = N_("{path} holds no readable certificates in PEM form; name a file that does.")
        raise Problem("upstream.ca_file", message, path=ca_file) from cause
    return context


def request_head(host: str, headers: Mapping[str, str]) -> str:
    """Return the request's headers up to the body's length."""
    lines = {"content-type": "application/json", "user-agent": "hegui"}
    for name, value in headers.items():
        if name.lower() in _OWN or not _HEADER.fullmatch(f"{name.lower()}: {value}"):
            message = N_("The header {name} cannot be sent; remove it or correct it.")
            raise Problem("upstream.header", message, name=name)
        lines[name.lower()] = value
    lines |= {"host": host, "accept-encoding": "identity", "content-length": ""}
    return "\r\n".join(f"{name}: {value}" for name, value in lines.items())
