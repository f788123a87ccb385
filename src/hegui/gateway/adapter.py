"""What a route is to the door: an adapter between one API's words and pieces of text.

Every adapter asks the model server for a chat completion (or, where there is no other way, for the
older completion) and gives back its own API's answer, rebuilt from the pieces that the door released.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from hegui.exchange import Exchange, Piece, Unscanned, Verdict
from hegui.gateway.wire import bad_request
from hegui.language import N_, Problem

T = TypeVar("T")
_UNSUPPORTED: Final = N_("This version cannot check “{field}”: leave it out of the request.")


class Asked(msgspec.Struct):
    """A request as the door needs it."""

    model: str
    stream: bool
    texts: tuple[str, ...]  # every text in it that a control must see
    forward: bytes  # what the model server gets
    path: str = "chat/completions"  # of the model server
    rewrite: Callable[[Callable[[str], str]], bytes] | None = (
        None  # `forward` with its texts changed
    )
    choices: int = 1
    plain: bool = True  # the answer is prose for a person: not JSON, no calls of tools
    unscanned: tuple[Unscanned, ...] = ()  # kinds of parts that no control can read
    usage: bool = False  # the client wants the counts of tokens at the end of a stream
    reasoning: bool = True  # the client wants to see what the model thought
    echo: dict[str, Any] = {}  # the settings that the API's answer repeats


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
    return understood(lambda: decoder.decode(body))


def understood(read: Callable[[], T]) -> T | Verdict:
    """What `read` makes of a request, or the refusal of one in which it finds a fault."""
    try:
        return read()
    except Problem as problem:
        refused = bad_request(problem.code, problem.message)
        return msgspec.structs.replace(refused, values=problem.values)
    except RecursionError:
        return bad_request("too_deep", N_("The request is nested too deeply: flatten it."))
    except msgspec.MsgspecError as error:
        message = N_("The request is not valid: {reason}. Mend that and send it again.")
        return bad_request("invalid_request", message, reason=error)
    except UnicodeDecodeError:
        return bad_request("not_utf8", N_("The request is not valid UTF-8: encode it so."))


def typed(value: dict[str, Any], kinds: dict[str, type[T]], place: str, default: str = "") -> T:
    """The object as what its `type` says it is; `place` is where it stands in the request.

    Raises `Problem` for a type that is not served, and `msgspec.ValidationError` for a fault in it.
    """
    kind = value.get("type", default)
    if not isinstance(kind, str) or kind not in kinds:
        raise cannot_check(f"{place}.type = {str(kind)[:80]}")
    return msgspec.convert(value, kinds[kind])


def cannot_check(field: str) -> Problem:
    """What to raise for a part of a request that could not be checked."""
    return Problem("unsupported", _UNSUPPORTED, field=field)


def unsupported(field: str) -> Verdict:
    """The refusal of a request for something that could not be checked."""
    return bad_request("unsupported", _UNSUPPORTED, field=field)
