"""`POST /v1/chat/completions`: OpenAI's request and answer, rebuilt from what is understood.

A request that asks for what this version cannot check (tools, images, several choices,
log-probabilities) is refused with the reason, never passed on unchecked.
"""

import time
from typing import Annotated, Any, Final, Literal

import msgspec

from hegui.exchange import Exchange, Usage, Verdict
from hegui.gateway.wire import bad_request, encode
from hegui.language import N_, say

Role = Literal["system", "developer", "user", "assistant"]
Whole = Annotated[
    int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)
]  # what can be passed on as JSON


class TextPart(msgspec.Struct, tag="text", tag_field="type"):
    text: str


class Said(msgspec.Struct, omit_defaults=True):
    role: Role
    content: str | list[TextPart]
    name: str | msgspec.UnsetType = msgspec.UNSET


class StreamOptions(msgspec.Struct):
    include_usage: bool = False


class ChatRequest(msgspec.Struct, omit_defaults=True):
    """The fields that are understood; what is not named here never reaches the model.

    The last ones would change what has to be checked, so only their harmless values pass.
    """

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
    seed: Whole | None = None
    stop: str | list[str] | None = None
    n: int | None = None
    tools: list[Any] | None = None
    functions: list[Any] | None = None
    logprobs: bool | None = None
    response_format: dict[str, Any] | None = None
    modalities: list[str] | None = None


_read: Final = msgspec.json.Decoder(ChatRequest).decode


def parse(body: bytes) -> ChatRequest | Verdict:
    """The request, or the refusal that says what is wrong with it."""
    try:
        request = _read(body)
    except RecursionError:
        return bad_request("too_deep", N_("The request is nested too deeply: flatten it."))
    except msgspec.MsgspecError as error:
        message = N_("The request is not valid: {reason}. Mend that and send it again.")
        return bad_request("invalid_request", message, reason=error)
    except UnicodeDecodeError:
        return bad_request("not_utf8", N_("The request is not valid UTF-8: encode it so."))
    if unchecked := _unchecked(request):
        message = N_("This version cannot check “{field}”: leave it out of the request.")
        return bad_request("unsupported", message, field=unchecked)
    if not request.messages:
        return bad_request("no_messages", N_("There is no message: send at least one."))
    return request


def _unchecked(given: ChatRequest) -> str:
    """The first field that asks for something that could not be checked, or ""."""
    if given.n not in {None, 1}:
        return "n"
    if (given.response_format or {}).get("type", "text") != "text":
        return "response_format"
    if given.modalities not in (None, ["text"]):
        return "modalities"
    asked = ("tools", "functions", "logprobs")
    return next((field for field in asked if getattr(given, field)), "")


def texts(request: ChatRequest) -> tuple[str, ...]:
    """Every text of the request that a control must see."""
    found: list[str] = []
    for said in request.messages:
        if isinstance(said.content, str):
            found.append(said.content)
        else:
            found.extend(part.text for part in said.content)
        if said.name:
            found.append(said.name)
    return tuple(found)


def forward(request: ChatRequest) -> bytes:
    """The request as the model gets it."""
    return encode(request)


# -- answers ---------------------------------------------------------------------------------------


def completion(exchange: Exchange) -> dict[str, Any]:
    """The whole answer."""
    answer: dict[str, Any] = {
        "id": f"chatcmpl-{exchange.id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": exchange.model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "".join(exchange.released)},
                "finish_reason": exchange.finish,
            }
        ],
        "usage": exchange.usage or Usage(),
    }
    return answer


class Events:
    """Writes the server-sent events of one streamed answer."""

    def __init__(self, exchange: Exchange) -> None:
        head = {
            "id": f"chatcmpl-{exchange.id}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": exchange.model,
        }
        self._exchange = exchange
        self._head = b"data: " + encode(head)[:-1] + b',"choices":['
        self._text = self._head + b'{"index":0,"delta":{"content":'

    def first(self) -> bytes:
        return self._head + b'{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'  # fmt: skip

    def text(self, piece: str) -> bytes:
        return self._text + encode(piece) + b'},"finish_reason":null}]}\n\n'

    def last(self, *, usage: bool) -> bytes:
        """The reason of the end, the usage if it was asked for, and the closing mark."""
        finish = encode(self._exchange.finish)
        end = self._head + b'{"index":0,"delta":{},"finish_reason":' + finish + b"}]}\n\n"
        if usage:
            end += self._head + b'],"usage":' + encode(self._exchange.usage or Usage()) + b"}\n\n"
        return end + b"data: [DONE]\n\n"

    def refusal(self, verdict: Verdict) -> bytes:
        """A refused request in the form of a stream: the reason, content_filter, the closing mark."""
        self._exchange.finish = "content_filter"
        told = say(self._exchange.language, verdict.message, **verdict.values)
        return self.first() + self.text(told) + self.last(usage=False)

    @staticmethod
    def error(body: dict[str, Any]) -> bytes:
        """An error after the stream has begun; there is no closing mark, so it cannot pass for an end."""
        return b"data: " + encode(body) + b"\n\n"
