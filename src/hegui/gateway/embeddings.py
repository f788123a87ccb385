"""`POST /v1/embeddings`: texts go to the model server checked, numbers come back as they are."""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from hegui.exchange import Exchange, Usage, Verdict
from hegui.gateway.adapter import Asked, decode
from hegui.gateway.upstream import UpstreamError
from hegui.gateway.wire import encode

ROUTE: Final = "embeddings"


class _Request(msgspec.Struct, omit_defaults=True):
    """Lists of token numbers are not taken: no control can read them."""

    model: str
    input: str | list[str]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = None


class _Vector(msgspec.Struct):
    embedding: list[float] | str  # the latter in base64, if that was asked for
    index: int = 0
    object: Literal["embedding"] = "embedding"


class _Reply(msgspec.Struct):
    data: list[_Vector]
    usage: Usage = msgspec.field(default_factory=Usage)


_requests: Final = msgspec.json.Decoder(_Request)
_replies: Final = msgspec.json.Decoder(_Reply)


def parse(body: bytes) -> Asked | Verdict:
    """The request, or the refusal that says what is wrong with it."""
    request = decode(_requests, body)
    if isinstance(request, Verdict):
        return request
    texts = (request.input,) if isinstance(request.input, str) else tuple(request.input)
    return Asked(
        request.model,
        stream=False,
        texts=texts,
        forward=encode(request),
        path=ROUTE,
        rewrite=lambda change: _rewritten(request, texts, change),
    )


def _rewritten(request: _Request, texts: tuple[str, ...], change: Callable[[str], str]) -> bytes:
    """The request for the model with `change` applied to its texts."""
    return encode(msgspec.structs.replace(request, input=[change(text) for text in texts]))


def read(exchange: Exchange, data: bytes) -> dict[str, Any]:
    """The answer, rebuilt from the model's; raises `UpstreamError` for what is none."""
    try:
        reply = _replies.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamError("garbage") from error
    exchange.usage = reply.usage
    usage = {"prompt_tokens": reply.usage.prompt_tokens, "total_tokens": reply.usage.total_tokens}
    return {"object": "list", "data": reply.data, "model": exchange.model, "usage": usage}
