"""How a model server can fail: the one error of everything that talks to it."""

from typing import Final, Literal

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
