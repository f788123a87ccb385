"""`POST /v1/chat/completions`: OpenAI's request and answer, rebuilt from what is understood.

`ChatRequest` is also what the other adapters translate into. What it does not name never reaches the
model; what could not be checked (audio answers, the old functions) is refused with the reason.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from hegui.exchange import Exchange, Piece, Token, Unscanned, Usage, Verdict
from hegui.gateway.adapter import Asked, decode, unsupported
from hegui.gateway.answer import map_strings
from hegui.gateway.wire import bad_request, encode
from hegui.language import N_, say

Role = Literal["system", "developer", "user", "assistant", "tool"]
Whole = Annotated[
    int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)
]  # what can be passed on as JSON
Count = Annotated[int, msgspec.Meta(ge=1, le=16)]


class TextPart(msgspec.Struct, tag="text", tag_field="type"):
    text: str


class RefusalPart(msgspec.Struct, tag="refusal", tag_field="type"):
    refusal: str


class ImagePart(msgspec.Struct, tag="image_url", tag_field="type"):
    image_url: dict[str, Any]


class AudioPart(msgspec.Struct, tag="input_audio", tag_field="type"):
    input_audio: dict[str, Any]


class FilePart(msgspec.Struct, tag="file", tag_field="type"):
    file: dict[str, Any]


Part = TextPart | RefusalPart | ImagePart | AudioPart | FilePart
# What no control can read, by the name under which a policy may let it pass.
UNSCANNED: Final[dict[type, Unscanned]] = {ImagePart: "image", AudioPart: "audio", FilePart: "file"}


class CalledFunction(msgspec.Struct):
    name: str
    arguments: str = "{}"


class ToolCall(msgspec.Struct):
    id: str
    function: CalledFunction
    type: Literal["function"] = "function"


class Said(msgspec.Struct, omit_defaults=True):
    role: Role
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    refusal: str | None = None


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class ChatRequest(msgspec.Struct, omit_defaults=True):
    """The fields that are understood; the last ones only in their harmless values."""

    model: str
    messages: list[Said]
    stream: bool = False
    stream_options: StreamOptions | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: Whole | None = None
    max_completion_tokens: Whole | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    seed: Whole | None = None
    stop: str | list[str] | None = None
    n: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, msgspec.Meta(ge=0, le=20)] | None = None
    response_format: dict[str, Any] | None = None
    reasoning_effort: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Any] | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None


_decoder: Final = msgspec.json.Decoder(ChatRequest)


def asked(request: ChatRequest) -> Asked | Verdict:
    """What the door needs to know of a chat request; also of one that another adapter translated."""
    if request.functions:
        return unsupported("functions")
    if request.audio or request.modalities not in (None, ["text"]):
        return unsupported("modalities")
    if not request.messages:
        return bad_request("no_messages", N_("There is no message: send at least one."))
    if any(said.content is None and said.role != "assistant" for said in request.messages):
        message = N_("A message of role {roles} has no content: give it one.")
        return bad_request("no_content", message, roles="system, developer, user, tool")
    try:
        texts = tuple(_texts(request))
    except RecursionError:
        return bad_request("too_deep", N_("The request is nested too deeply: flatten it."))
    form = request.response_format or {}
    return Asked(
        model=request.model,
        stream=request.stream,
        texts=texts,
        forward=encode(request),
        rewrite=lambda change: _rewritten(request, change),
        choices=request.n or 1,
        plain=not request.tools and form.get("type", "text") == "text",
        unscanned=_unscanned(request),
        usage=request.stream_options is not None and request.stream_options.include_usage,
    )


def _texts(request: ChatRequest) -> Iterator[str]:
    """Every text of the request that a control must see, those inside of tools and schemas too."""
    for said in request.messages:
        if isinstance(said.content, str):
            yield said.content
        elif said.content:
            texts = list(_parts(said.content))
            yield from texts
            if len(texts) > 1:
                yield "".join(texts)  # as the model may read them
        for text in (said.name, said.reasoning_content, said.refusal, said.tool_call_id):
            if text:
                yield text
        for call in said.tool_calls or ():
            yield call.id
            yield call.function.name
            yield from strings(_arguments(call.function.arguments))
    form = (request.tools, request.tool_choice, request.response_format, request.stop)
    for value in (*form, request.reasoning_effort):
        if value:
            yield from strings(value)


def _parts(content: list[Part]) -> Iterator[str]:
    for part in content:
        if isinstance(part, TextPart):
            yield part.text
        elif isinstance(part, RefusalPart):
            yield part.refusal


def _arguments(text: str) -> Any:
    """The arguments of a call, decoded; a text that is no JSON stands for itself."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def strings(value: Any) -> list[str]:
    """Every string in a JSON value, names of members too. Raises RecursionError if too deep."""
    found: list[str] = []

    def note(text: str) -> str:
        found.append(text)
        return text

    map_strings(value, note)
    return found


def _unscanned(request: ChatRequest) -> tuple[Unscanned, ...]:
    kinds = {
        UNSCANNED[type(part)]
        for said in request.messages
        if isinstance(said.content, list)
        for part in said.content
        if type(part) in UNSCANNED
    }
    return tuple(sorted(kinds))


def _rewritten(request: ChatRequest, change: Callable[[str], str]) -> bytes:
    """The request for the model with `change` applied to what people and models said in it."""
    for said in request.messages:
        if isinstance(said.content, str):
            said.content = change(said.content)
        else:
            for part in said.content or ():
                if isinstance(part, TextPart):
                    part.text = change(part.text)
        for call in said.tool_calls or ():
            call.function.arguments = change(call.function.arguments)
    return encode(request)


# -- answers ---------------------------------------------------------------------------------------


class Chat:
    """The adapter of this route."""

    route = "chat.completions"

    def parse(self, body: bytes) -> Asked | Verdict:
        request = decode(_decoder, body)
        return request if isinstance(request, Verdict) else asked(request)

    def whole(self, exchange: Exchange, asked: Asked, pieces: Sequence[Piece]) -> dict[str, Any]:
        choices = [_choice(number, pieces) for number in range(asked.choices)]
        answer: dict[str, Any] = _head(exchange, "chat.completion")
        answer["choices"] = choices
        answer["usage"] = exchange.usage or Usage()
        answer["aigc"] = exchange.aigc
        return answer

    def writer(self, exchange: Exchange, asked: Asked) -> "Events":
        return Events(exchange, asked)


def _head(exchange: Exchange, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{exchange.id}",
        "object": kind,
        "created": int(time.time()),
        "model": exchange.model,
    }


def _choice(number: int, pieces: Sequence[Piece]) -> dict[str, Any]:
    texts: dict[str, list[str]] = {}
    tokens: dict[str, list[Token]] = {}
    calls: list[dict[str, Any]] = []
    reason = "stop"
    for piece in pieces:
        if piece.choice != number:
            continue
        if piece.surface == "end":
            reason = piece.text
        elif piece.surface == "tool":
            calls.append(_call(piece))
        else:
            texts.setdefault(piece.surface, []).append(piece.text)
            tokens.setdefault(piece.surface, []).extend(piece.tokens)
    content = "".join(texts.get("content", ()))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": content if content or not calls else None,
    }
    for surface, field in (("reasoning", "reasoning_content"), ("refusal", "refusal")):
        if surface in texts:
            message[field] = "".join(texts[surface])
    if calls:
        message["tool_calls"] = calls
    choice = {"index": number, "message": message, "finish_reason": reason}
    known = {surface: of for surface, of in tokens.items() if of}
    if known:
        choice["logprobs"] = {"content": None, "refusal": None, **known}
    return choice


def _call(piece: Piece) -> dict[str, Any]:
    call = piece.call
    function = {"name": call.name if call else "", "arguments": piece.text}
    return {"id": call.id if call else "", "type": "function", "function": function}


_FIELDS: Final = {"content": "content", "reasoning": "reasoning_content", "refusal": "refusal"}


class Events:
    """Writes the server-sent events of one streamed answer."""

    def __init__(self, exchange: Exchange, asked: Asked) -> None:
        self._exchange, self._asked = exchange, asked
        self._head = (
            b"data: " + encode(_head(exchange, "chat.completion.chunk"))[:-1] + b',"choices":['
        )
        self._text = self._head + b'{"index":0,"delta":{"content":'  # the usual case, made once

    def first(self) -> bytes:
        role = {"role": "assistant", "content": ""}
        aigc = b',"aigc":' + encode(self._exchange.aigc)
        choices = [self._delta(n, role) for n in range(self._asked.choices)]
        return b"".join(self._head + choice + b"]" + aigc + b"}\n\n" for choice in choices)

    def pieces(self, pieces: Sequence[Piece]) -> bytes:
        return b"".join(map(self._piece, pieces))

    def _piece(self, piece: Piece) -> bytes:
        if piece.surface == "content" and piece.choice == 0 and not piece.tokens:
            return self._text + encode(piece.text) + b'},"finish_reason":null}]}\n\n'
        if piece.surface == "end":
            aigc = b'],"aigc":' + encode(self._exchange.aigc)
            return self._head + self._delta(piece.choice, {}, piece.text) + aigc + b"}\n\n"
        if piece.surface == "tool":
            calls = [{"index": piece.call.index if piece.call else 0, **_call(piece)}]
            return self._head + self._delta(piece.choice, {"tool_calls": calls}) + b"]}\n\n"
        delta = self._delta(piece.choice, {_FIELDS[piece.surface]: piece.text}, None, piece)
        return self._head + delta + b"]}\n\n"

    @staticmethod
    def _delta(
        choice: int, delta: dict[str, Any], reason: str | None = None, piece: Piece | None = None
    ) -> bytes:
        event: dict[str, Any] = {"index": choice, "delta": delta, "finish_reason": reason}
        if piece is not None and piece.tokens:
            event["logprobs"] = {"content": None, "refusal": None, piece.surface: piece.tokens}
        return encode(event)

    def last(self) -> bytes:
        """The usage, if it was asked for, and the closing mark."""
        usage = b""
        if self._asked.usage:
            usage = self._head + b'],"usage":' + encode(self._exchange.usage or Usage()) + b"}\n\n"
        return usage + b"data: [DONE]\n\n"

    def refusal(self, verdict: Verdict) -> bytes:
        told = Piece(0, "content", say(self._exchange.language, verdict.message, **verdict.values))
        end = Piece(0, "end", "content_filter")
        return self.first() + self.pieces([told, end]) + self.last()

    def error(self, body: dict[str, Any]) -> bytes:
        return b"data: " + encode(body) + b"\n\n"
