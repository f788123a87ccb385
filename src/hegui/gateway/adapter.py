"""What a route is to the door: an adapter between one API's words and pieces of text.

Every adapter asks the model server for a chat completion (or, where there is no other way, for the
older completion) and gives back its own API's answer, rebuilt from the pieces that the door released.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from hegui.exchange import Exchange, Piece, Verdict
from hegui.gateway.wire import bad_request
from hegui.language import N_

T = TypeVar("T")


class Asked(msgspec.Struct):
    """A request as the door needs it."""

    model: str
    stream: bool
    texts: tuple[str, ...]  # every text in it that a control must see
    forward: bytes  # what the model server gets
    path: str = "chat/completions"  # of the model server
    choices: int = 1
    plain: bool = True  # the answer is prose for a person: not JSON, no calls of tools
    unscanned: tuple[str, ...] = ()  # kinds of parts that no control can read
    usage: bool = False  # the client wants the counts of tokens at the end of a stream


class Writer(Protocol):
    """Writes the server-sent events of one streamed answer."""

    def first(self) -> bytes: ...
    def pieces(self, pieces: Sequence[Piece]) -> bytes: ...
    def last(self) -> bytes: ...

    def refusal(self, verdict: Verdict) -> bytes:
        """The whole stream of a request that was refused: the reason, and the API's own end."""
        ...

    def error(self, body: dict[str, Any]) -> bytes:
        """An error after the stream has begun; no end follows, so it cannot pass for one."""
        ...


class Adapter(Protocol):
    """One route. `parse` gives the request, or the refusal that says what is wrong with it."""

    route: str  # as the evidence names it

    def parse(self, body: bytes) -> Asked | Verdict: ...
    def whole(self, exchange: Exchange, asked: Asked, pieces: Sequence[Piece]) -> object: ...
    def writer(self, exchange: Exchange, asked: Asked) -> Writer: ...


def decode(decoder: "msgspec.json.Decoder[T]", body: bytes) -> T | Verdict:
    """The request, or the refusal of one that cannot be understood."""
    try:
        return decoder.decode(body)
    except RecursionError:
        return bad_request("too_deep", N_("The request is nested too deeply: flatten it."))
    except msgspec.MsgspecError as error:
        message = N_("The request is not valid: {reason}. Mend that and send it again.")
        return bad_request("invalid_request", message, reason=error)
    except UnicodeDecodeError:
        return bad_request("not_utf8", N_("The request is not valid UTF-8: encode it so."))


def unsupported(field: str) -> Verdict:
    """The refusal of a request for something that could not be checked."""
    message = N_("This version cannot check “{field}”: leave it out of the request.")
    return bad_request("unsupported", message, field=field)
