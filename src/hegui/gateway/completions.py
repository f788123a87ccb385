"""`POST /v1/completions`: OpenAI's older completions of a bare text, asked of the same route.

A prompt cannot be told to a model as a chat without changing what it says, so the model server must
serve `completions` too. Prompts of token numbers and log-probabilities are refused: the first cannot be
read by a control, and tokens here carry no bytes by which they could be held back with their text.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from hegui.exchange import Exchange, Piece, Usage, Verdict
from hegui.gateway.adapter import Asked, cannot_check, understood
from hegui.gateway.chat import Count, StreamOptions, Whole
from hegui.gateway.wire import bad_request, encode
from hegui.language import N_

_MOST: Final = 16  # answers to one request, as for chats


class Request(msgspec.Struct, omit_defaults=True):
    """The fields that are understood; `logprobs` only to refuse it."""

    model: str
    prompt: str | list[str | int | list[int]]
    suffix: str | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    echo: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: Whole | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    seed: Whole | None = None
    stop: str | list[str] | None = None
    n: Count | None = None
    logprobs: Whole | None = None


_decoder: Final = msgspec.json.Decoder(Request)


class Completions:
    """The adapter of this route."""

    route = "completions"

    def parse(self, body: bytes) -> Asked | Verdict:
        return understood(lambda: _asked(_decoder.decode(body)))

    def whole(self, exchange: Exchange, asked: Asked, pieces: Sequence[Piece]) -> dict[str, Any]:
        said: list[list[str]] = [[] for _ in range(asked.choices)]
        ends = ["stop"] * asked.choices
        for piece in pieces:
            if piece.surface == "content":
                said[piece.choice].append(piece.text)
            elif piece.surface == "end":
                ends[piece.choice] = piece.text
        choices = [_choice(n, "".join(texts), ends[n]) for n, texts in enumerate(said)]
        answer = _head(exchange) | {"choices": choices}
        return answer | {"usage": exchange.usage or Usage(), "aigc": exchange.aigc}

    def writer(self, exchange: Exchange, asked: Asked) -> "Events":
        return Events(exchange, asked)


def _asked(request: Request) -> Asked | Verdict:
    prompts = [request.prompt] if isinstance(request.prompt, str) else request.prompt
    texts = [text for text in prompts if isinstance(text, str)]
    if len(texts) < len(prompts):
        raise cannot_check("prompt: tokens")
    if request.logprobs is not None:
        raise cannot_check("logprobs")
    choices = len(texts) * (request.n or 1)
    if not 1 <= choices <= _MOST:
        message = N_("This asks for {choices} answers: ask for 1 to {most}.")
        return bad_request("answers", message, choices=choices, most=_MOST)
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    return Asked(
        model=request.model,
        stream=request.stream,
        texts=(*texts, *filter(None, (request.suffix, *stops))),
        forward=encode(request),
        path="completions",
        rewrite=lambda change: _rewritten(request, texts, change),
        choices=choices,
        plain=not request.suffix,  # a text with an end is filled in: a label would stand inside it
        usage=request.stream_options is not None and request.stream_options.include_usage,
    )


def _rewritten(request: Request, texts: list[str], change: Callable[[str], str]) -> bytes:
    """The request for the model with `change` applied to its prompts."""
    return encode(msgspec.structs.replace(request, prompt=[change(text) for text in texts]))


def _head(exchange: Exchange) -> dict[str, Any]:
    return {
        "id": f"cmpl-{exchange.id}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": exchange.model,
    }


def _choice(number: int, text: str, reason: str | None) -> dict[str, Any]:
    return {"index": number, "text": text, "logprobs": None, "finish_reason": reason}


class Events:
    """Writes the server-sent events of one streamed answer; each has the shape of a whole one."""

    def __init__(self, exchange: Exchange, asked: Asked) -> None:
        self._exchange, self._asked = exchange, asked
        self._head = _head(exchange)

    def first(self) -> bytes:
        return self._event([_choice(0, "", None)], aigc=self._exchange.aigc)

    def pieces(self, pieces: Sequence[Piece]) -> bytes:
        return b"".join(map(self._piece, pieces))

    def last(self) -> bytes:
        """The usage, if it was asked for, and the closing mark."""
        usage = self._exchange.usage or Usage()
        counted = self._event([], usage=usage) if self._asked.usage else b""
        return counted + b"data: [DONE]\n\n"

    def refusal(self, verdict: Verdict) -> bytes:
        told = Piece(0, "content", verdict.say(self._exchange.language))
        end = Piece(0, "end", "content_filter")
        return self.first() + self.pieces([told, end]) + self.last()

    def error(self, body: dict[str, Any]) -> bytes:
        return b"data: " + encode(body) + b"\n\n"

    def _piece(self, piece: Piece) -> bytes:
        if piece.surface == "end":
            end = _choice(piece.choice, "", piece.text)
            return self._event([end], aigc=self._exchange.aigc)
        return self._event([_choice(piece.choice, piece.text, None)])

    def _event(self, choices: list[dict[str, Any]], **more: Any) -> bytes:
        return b"data: " + encode({**self._head, "choices": choices, **more}) + b"\n\n"
