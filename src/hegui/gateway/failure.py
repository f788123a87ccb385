"""What a model server may take, and the one error of everything that talks to it."""

from typing import Final, Literal

import msgspec

from hegui.language import N_, Problem

Kind = Literal["connect", "timeout", "closed_early", "garbage", "too_large", "tls", "status"]
_MESSAGES: Final[dict[Kind, str]] = {
    "connect": N_("The model server cannot be reached; check its address and that it runs."),
    "timeout": N_("The model server took too long; try again later or raise the time limits."),
    "closed_early": N_("The model server broke off its answer; try again and look into its log."),
    "garbage": N_("The model server did not answer in plain HTTP/1.1; check its address."),
    "too_large": N_("The model server's answer is too large; raise the limits if it is expected."),
    "status": N_("The model server answered with an error; look into its log."),
    "tls": N_("The model server's certificate was refused; check its host name and its issuer."),
}


class UpstreamError(Problem):
    """The model server failed; `kind` says how, and a cause, if there is one, is chained."""

    def __init__(self, kind: Kind) -> None:
        super().__init__(f"upstream.{kind}", _MESSAGES[kind])
        self.kind: Kind = kind


class Limits(msgspec.Struct, frozen=True):
    """What a model server may take, in seconds and bytes for each request."""

    connect_seconds: float = 5  # until a connection is free, or made
    first_byte_seconds: float = 60  # until the headers are here
    idle_seconds: float = 60  # of silence within a body, and of a connection without work
    total_seconds: float = 600
    max_body_bytes: int = 16 * 1024 * 1024  # of a body that is read whole
    max_event_bytes: int = 1024 * 1024
    max_header_bytes: int = 64 * 1024
    max_connections: int = 256
