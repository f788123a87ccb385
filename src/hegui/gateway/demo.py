"""The demo model: a stand-in behind the interface of a model server, and no language model."""

import asyncio
import contextlib
import hashlib
import math
import random
import re
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from hegui.gateway.demo_answers import Answer, Manner, answer, suggestions
from hegui.gateway.upstream import UpstreamError

__all__ = ["MODEL", "DemoModel", "DemoReply", "estimate_tokens", "suggestions"]

MODEL: Final = "hegui-demo"
_CREATED: Final = 1_763_856_000  # 2025-11-23, only because the list of models asks for a time
_GAP_SECONDS: Final = 0.015  # the median between two pieces
_GAP_SPREAD: Final = 0.5  # sigma of the logarithm: one gap in forty is longer than 40 ms
_WIDE: Final = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"  # scripts without spaces, their signs
_TOKEN: Final = re.compile(rf"[{_WIDE}]|[^\W{_WIDE}]{{1,4}}|[^\w\s]")
# One to four characters, or as many digits, or one or two words with the space after them.
_PIECES: Final = [
    re.compile(rf"[{_WIDE}]{{1,{n}}}|\d{{1,{n}}}|(?:[^\s\d{_WIDE}]+\s*){{1,{(n + 1) // 2}}}|\s+")
    for n in range(1, 5)
]
_Finish = Literal["stop", "length"]


class _Part(msgspec.Struct, frozen=True):
    type: str
    text: str = ""


class _Message(msgspec.Struct, frozen=True):
    role: str
    content: str | list[_Part] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.type == "text")
        return self.content or ""


class _StreamOptions(msgspec.Struct, frozen=True):
    include_usage: bool | None = None


_Count = Annotated[int, msgspec.Meta(ge=1)]


class _Request(msgspec.Struct, frozen=True):
    """The fields of a chat completion that are looked at; the others are ignored, `n` among them."""

    messages: Annotated[list[_Message], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: _Count | None = None
    max_completion_tokens: _Count | None = None

    @property
    def question(self) -> str:
        asked = [message.text for message in self.messages if message.role == "user"]
        return asked[-1] if asked else ""

    @property
    def limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class _Piece(msgspec.Struct, frozen=True):
    """What is sent, and how many seconds after the piece before it."""

    data: bytes
    gap: float = 0


class DemoReply:
    """An answer with the interface of `hegui.gateway.upstream.Reply`, for one reader."""

    def __init__(
        self, status: int, pieces: list[_Piece], *, stream: bool = False, broken: bool = False
    ) -> None:
        kind = "text/event-stream" if stream else "application/json"
        self.status, self.headers = status, {"content-type": f"{kind}; charset=utf-8"}
        self.upstream = ""
        self._pieces, self._stream, self._broken = pieces, stream, broken
        self._aborted = asyncio.Event()
        self._arriving = self._arrive()

    async def begun(self) -> None:
        """Do nothing: it is here."""

    async def read(self) -> bytes:
        """Return the whole body; raise `UpstreamError` if it breaks off or is aborted."""
        frame = b"data: %b\n\n" if self._stream else b"%b"
        return b"".join([frame % data async for data in self._arriving])

    async def next_events(self) -> list[bytes]:
        """Return the data of the next server-sent event, [] at the end; only a stream has any.

        Raises `UpstreamError` where `read` does, after what came before.
        """
        return [data] if self._stream and (data := await anext(self._arriving, b"")) else []

    def abort(self) -> None:
        """Stop the answer at once."""
        self._aborted.set()

    async def _arrive(self) -> AsyncGenerator[bytes, None]:
        for piece in self._pieces:
            if piece.gap:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._aborted.wait(), piece.gap)
            if self._aborted.is_set():
                raise UpstreamError("closed_early")
            yield piece.data
        if self._broken:
            raise UpstreamError("closed_early")


class DemoModel:
    """Answers chat completions by rote, with the interface of `hegui.gateway.upstream.Client`.

    `pace` stretches all waiting: 1 is like a small model on one machine, 0 answers at once.
    """

    def __init__(self, pace: float = 1.0) -> None:
        self._pace = pace

    async def post(self, path: str, body: bytes) -> DemoReply:
        """Answer ``chat/completions`` or ``models``; anything else is a JSON error with its status."""
        if path.strip("/") == "models":
            return _json(200, {"object": "list", "data": [_model()]})
        if path.strip("/") != "chat/completions":
            return _error(404, f"The demo model has no {path}; ask chat/completions or models.")
        try:
            request = msgspec.json.decode(body, type=_Request)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return _error(400, f"This is not a chat completion request: {error}")
        return self._reply(request)

    def close(self) -> None:
        """Do nothing: no connection is held."""

    def _reply(self, request: _Request) -> DemoReply:
        said = answer(request.question)
        if said.manner.status != 200:
            return _error(said.manner.status, said.text)
        completion = _Completion(request, said)
        pieces = list(self._timed(completion, said.manner))
        if request.stream:
            events = list(completion.events(pieces))
            kept = events[: len(events) // 2] if said.manner.broken else events
            return DemoReply(200, kept, stream=True, broken=said.manner.broken)
        # A body that is not streamed arrives when a stream would have ended.
        whole = _Piece(completion.whole(), sum(gap for _, gap in pieces))
        if said.manner.broken:
            whole = _Piece(whole.data[: len(whole.data) // 2], whole.gap)
        return DemoReply(200, [whole], broken=said.manner.broken)

    def _timed(self, completion: "_Completion", manner: Manner) -> Iterator[tuple[str, float]]:
        """Cut the answer into pieces, each with the seconds before it."""
        dice, at, wait = completion.dice, 0, manner.first_seconds
        while match := dice.choice(_PIECES).match(completion.text, at):
            gap = dice.lognormvariate(math.log(_GAP_SECONDS), _GAP_SPREAD) * manner.slowness
            yield match[0], (wait + gap) * self._pace
            at, wait = match.end(), 0


class _Completion:
    """One answer in the shapes of OpenAI's chat completions."""

    def __init__(self, request: _Request, said: Answer) -> None:
        asked = msgspec.json.encode([(message.role, message.text) for message in request.messages])
        digest = hashlib.sha256(asked).digest()
        self.dice = random.Random(digest)  # noqa: S311 (so that the same request streams the same)
        self._id, self._created = f"chatcmpl-{digest.hex()[:24]}", int(time.time())
        options = request.stream_options
        self._with_usage = bool(options and options.include_usage)
        self.text, self._finish = _cut(said.text, request.limit)
        asked_tokens = sum(estimate_tokens(message.text) for message in request.messages)
        told_tokens = estimate_tokens(self.text)
        self._usage = {
            "prompt_tokens": asked_tokens,
            "completion_tokens": told_tokens,
            "total_tokens": asked_tokens + told_tokens,
        }

    def whole(self) -> bytes:
        message = {"role": "assistant", "content": self.text, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish}
        body = self._object("chat.completion", [choice])
        return msgspec.json.encode(body | {"usage": self._usage})

    def events(self, pieces: list[tuple[str, float]]) -> Iterator[_Piece]:
        yield self._chunk({"role": "assistant", "content": ""})
        for text, gap in pieces:
            yield self._chunk({"content": text}, gap=gap)
        yield self._chunk({}, finish=self._finish)
        if self._with_usage:
            body = self._object("chat.completion.chunk", [])
            yield _Piece(msgspec.json.encode(body | {"usage": self._usage}))
        yield _Piece(b"[DONE]")

    def _chunk(
        self, delta: dict[str, str], *, finish: _Finish | None = None, gap: float = 0
    ) -> _Piece:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        body = self._object("chat.completion.chunk", [choice])
        if self._with_usage:
            body["usage"] = None  # so that only the last event counts
        return _Piece(msgspec.json.encode(body), gap)

    def _object(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": MODEL,
            "choices": choices,
        }


def estimate_tokens(text: str) -> int:
    """Count tokens roughly: a Chinese character, up to four letters or digits, or a sign is one."""
    return sum(1 for _ in _TOKEN.finditer(text))


def _cut(text: str, limit: int | None) -> tuple[str, _Finish]:
    """Shorten a text to so many estimated tokens, and say why it ends where it does."""
    ends = [match.end() for match in _TOKEN.finditer(text)]
    if limit is None or len(ends) <= limit:
        return text, "stop"
    return text[: ends[limit - 1]], "length"


def _model() -> dict[str, Any]:
    return {"id": MODEL, "object": "model", "created": _CREATED, "owned_by": "hegui"}


def _error(status: int, message: str) -> DemoReply:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "param": None, "code": None}
    return _json(status, {"error": error})


def _json(status: int, body: dict[str, Any]) -> DemoReply:
    return DemoReply(status, [_Piece(msgspec.json.encode(body))])
