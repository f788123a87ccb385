"""`POST /v1/messages`: Anthropic's Messages, asked of the model server as a chat.

`top_k`, `metadata`, caching and service tiers have no counterpart there and change nothing that must be
checked: they are dropped. Whether and how long a model thinks is set at the model server; `thinking`
decides only whether the client gets to see it. Tools that would run where no control sees them are
refused.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from hegui.exchange import Exchange, Piece, Verdict
from hegui.gateway import chat
from hegui.gateway.adapter import Asked, cannot_check, typed, understood
from hegui.gateway.messages_events import Events

Blocks = str | list[dict[str, Any]]


class Thinking(msgspec.Struct):
    type: str
    display: str | None = None

    @property
    def shown(self) -> bool:
        return self.type != "disabled" and self.display != "omitted"


class JsonFormat(msgspec.Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(msgspec.Struct):
    effort: str | None = None
    format: JsonFormat | None = None


class Turn(msgspec.Struct):
    role: Literal["user", "assistant"]
    content: Blocks


class Request(msgspec.Struct):
    """The fields that are understood; the last ones only in their harmless values."""

    model: str
    messages: list[Turn]
    max_tokens: Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
    system: Blocks | None = None
    stream: bool = False
    temperature: float | None = None
    top_p: float | None = None
    stop_sequences: list[str] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    mcp_servers: list[Any] | None = None
    container: Any = None


_decoder: Final = msgspec.json.Decoder(Request)


class Messages:
    """The adapter of this route."""

    route = "messages"

    def parse(self, body: bytes) -> Asked | Verdict:
        return understood(lambda: _asked(_decoder.decode(body)))

    def whole(
        self,
        exchange: Exchange,
        asked: Asked,  # noqa: ARG002 (the form of every adapter)
        pieces: Sequence[Piece],
    ) -> dict[str, Any]:
        events = Events(exchange)
        events.pieces(pieces)
        return events.message()

    def writer(self, exchange: Exchange, asked: Asked) -> Events:  # noqa: ARG002 (as above)
        return Events(exchange)


def _asked(request: Request) -> Asked | Verdict:
    for field in ("mcp_servers", "container"):
        if getattr(request, field):
            raise cannot_check(field)
    found = chat.asked(_chat(request))
    if isinstance(found, Asked):
        # A client that did not ask for thoughts may take the first block for the answer.
        found.reasoning = request.thinking is not None and request.thinking.shown
    return found


def _chat(request: Request) -> chat.ChatRequest:
    config = request.output_config or OutputConfig()
    choice, parallel = _tool_choice(request.tool_choice)
    said = [chat.Said("system", _content(request.system))] if request.system else []
    for turn in request.messages:
        said += _assistant(turn.content) if turn.role == "assistant" else _user(turn.content)
    return chat.ChatRequest(
        model=request.model,
        messages=said,
        stream=request.stream,
        stream_options=chat.StreamOptions(include_usage=True) if request.stream else None,
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_tokens,
        stop=request.stop_sequences or None,
        response_format=_format(config.format) if config.format else None,
        reasoning_effort=config.effort,
        tools=[_tool(tool) for tool in request.tools or ()] or None,
        tool_choice=choice,
        parallel_tool_calls=parallel,
    )


def _format(form: JsonFormat) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": form.schema}}


# -- tools -------------------------------------------------------------------------------------------


class Tool(msgspec.Struct):
    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None


class Choice(msgspec.Struct):
    name: str = ""
    disable_parallel_tool_use: bool = False


_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}


def _tool(given: dict[str, Any]) -> dict[str, Any]:
    tool = typed({**given, "type": given.get("type") or "custom"}, {"custom": Tool}, "tools")
    function: dict[str, Any] = {"name": tool.name, "parameters": tool.input_schema}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def _tool_choice(
    given: dict[str, Any] | None,
) -> tuple[str | dict[str, Any] | None, bool | None]:
    """The choice of a tool, and whether several may be called at once."""
    if given is None:
        return None, None
    choice = typed(given, dict.fromkeys([*_CHOICES, "tool"], Choice), "tool_choice")
    named = {"type": "function", "function": {"name": choice.name}}
    parallel = False if choice.disable_parallel_tool_use else None
    return _CHOICES.get(given["type"], named), parallel


# -- the conversation --------------------------------------------------------------------------------


class Text(msgspec.Struct):
    text: str


class Source(msgspec.Struct):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""


class Image(msgspec.Struct):
    source: Source


class Document(msgspec.Struct):
    source: Source
    title: str | None = None


class ToolResult(msgspec.Struct):
    tool_use_id: str
    content: Blocks = ""


class Thoughts(msgspec.Struct):
    thinking: str = ""  # none in those that are redacted


class ToolUse(msgspec.Struct):
    id: str
    name: str
    input: dict[str, Any]


_Shown = Text | Image | Document
_SHOWN: Final[dict[str, type[_Shown]]] = {"text": Text, "image": Image, "document": Document}
_SAID: Final[dict[str, type[Text | Thoughts | ToolUse]]] = {
    "text": Text,
    "thinking": Thoughts,
    "redacted_thinking": Thoughts,
    "tool_use": ToolUse,
}


def _user(content: Blocks) -> list[chat.Said]:
    """A turn of the user: results of tools are messages of their own, and come first."""
    if isinstance(content, str):
        return [chat.Said("user", content)]
    said: list[chat.Said] = []
    rest: list[dict[str, Any]] = []
    for block in content:
        if block.get("type") == "tool_result":
            result = msgspec.convert(block, ToolResult)
            told = _content(result.content)
            said.append(chat.Said("tool", told, tool_call_id=result.tool_use_id))
        else:
            rest.append(block)
    return [*said, chat.Said("user", _content(rest))] if rest or not said else said


def _assistant(content: Blocks) -> list[chat.Said]:
    if isinstance(content, str):
        return [chat.Said("assistant", content)]
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[chat.ToolCall] = []
    for block in content:
        part = typed(block, _SAID, "messages.content")
        if isinstance(part, Text):
            texts.append(part.text)
        elif isinstance(part, Thoughts):
            thoughts.append(part.thinking)
        else:
            arguments = msgspec.json.encode(part.input).decode()
            calls.append(chat.ToolCall(part.id, chat.CalledFunction(part.name, arguments)))
    return [
        chat.Said(
            "assistant",
            "".join(texts) or None,
            tool_calls=calls or None,
            reasoning_content="".join(thoughts) or None,
        )
    ]


def _content(content: Blocks) -> str | list[chat.Part]:
    """The parts; a single text as such, for model servers that know nothing else."""
    if isinstance(content, str):
        return content
    parts = [_part(typed(block, _SHOWN, "messages.content")) for block in content]
    only = parts[0] if len(parts) == 1 else None
    return only.text if isinstance(only, chat.TextPart) else parts


def _part(part: _Shown) -> chat.Part:
    if isinstance(part, Text):
        return chat.TextPart(part.text)
    source = part.source
    if source.type == "text" and isinstance(part, Document):
        return chat.TextPart("\n".join(filter(None, (part.title, source.data))))
    if source.type == "url" and isinstance(part, Image):
        return chat.ImagePart({"url": source.url})
    if source.type != "base64":
        raise cannot_check(f"source.type = {source.type[:80]}")
    data = f"data:{source.media_type};base64,{source.data}"
    if isinstance(part, Image):
        return chat.ImagePart({"url": data})
    return chat.FilePart({"file_data": data, "filename": part.title or "document"})
