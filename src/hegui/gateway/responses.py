"""`POST /v1/responses`: OpenAI's Responses, asked of the model server as a chat.

Nothing is kept for later requests, so what refers to an earlier one (`previous_response_id`,
`conversation`, `item_reference`) is refused, and so are tools that would run where no control sees
them (web search, files, code, MCP).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

import msgspec

from hegui.exchange import Exchange, Piece, Verdict
from hegui.gateway import chat
from hegui.gateway.adapter import Asked, cannot_check, typed, understood
from hegui.gateway.responses_events import Events

_LOGPROBS: Final = "message.output_text.logprobs"
# Reasoning is given in the clear, so nobody needs it encrypted to send it back.
_INCLUDED: Final = frozenset({_LOGPROBS, "reasoning.encrypted_content"})


class Format(msgspec.Struct, omit_defaults=True):
    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class TextSettings(msgspec.Struct):
    format: Format | None = None


class Reasoning(msgspec.Struct):
    effort: str | None = None


class Request(msgspec.Struct):
    """The fields that are understood; the last ones only in their harmless values."""

    model: str
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    stream: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_output_tokens: chat.Whole | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: TextSettings | None = None
    reasoning: Reasoning | None = None
    include: list[str] | None = None
    top_logprobs: int | None = None
    metadata: dict[str, str] | None = None
    background: bool | None = None
    previous_response_id: Any = None
    conversation: Any = None
    prompt: Any = None


_NOT_KEPT: Final = ("background", "previous_response_id", "conversation", "prompt")
_decoder: Final = msgspec.json.Decoder(Request)


class Responses:
    """The adapter of this route."""

    route = "responses"

    def parse(self, body: bytes) -> Asked | Verdict:
        return understood(lambda: _asked(_decoder.decode(body)))

    def whole(self, exchange: Exchange, asked: Asked, pieces: Sequence[Piece]) -> dict[str, Any]:
        events = Events(exchange, asked)
        events.pieces(pieces)
        return events.response()

    def writer(self, exchange: Exchange, asked: Asked) -> Events:
        return Events(exchange, asked)


def _asked(request: Request) -> Asked | Verdict:
    for field in _NOT_KEPT:
        if getattr(request, field):
            raise cannot_check(field)
    for name in request.include or ():
        if name not in _INCLUDED:
            raise cannot_check(f"include: {name[:80]}")
    found = chat.asked(_chat(request))
    if isinstance(found, Asked):
        found.echo = _echo(request)
    return found


def _chat(request: Request) -> chat.ChatRequest:
    stream = bool(request.stream)
    logprobs = _LOGPROBS in (request.include or ()) or bool(request.top_logprobs)
    return chat.ChatRequest(
        model=request.model,
        messages=_messages(request),
        stream=stream,
        stream_options=chat.StreamOptions(include_usage=True) if stream else None,
        temperature=request.temperature,
        top_p=request.top_p,
        max_tokens=request.max_output_tokens,
        logprobs=True if logprobs else None,
        top_logprobs=request.top_logprobs if logprobs else None,
        response_format=_format(request),
        reasoning_effort=request.reasoning.effort if request.reasoning else None,
        tools=[_tool(tool) for tool in request.tools or ()] or None,
        tool_choice=_tool_choice(request.tool_choice),
        parallel_tool_calls=request.parallel_tool_calls,
    )


def _echo(request: Request) -> dict[str, Any]:
    """The settings that the answer repeats; not what was said to the model, which may be refused."""
    form = request.text.format if request.text else None
    effort = request.reasoning.effort if request.reasoning else None
    parallel = request.parallel_tool_calls
    return {
        "max_output_tokens": request.max_output_tokens,
        "metadata": request.metadata or {},
        "parallel_tool_calls": True if parallel is None else parallel,
        "reasoning": {"effort": effort, "summary": None},
        "temperature": request.temperature,
        "text": {"format": {"type": form.type if form else "text"}},
        "tool_choice": request.tool_choice or "auto",
        "top_p": request.top_p,
    }


# -- settings ----------------------------------------------------------------------------------------


def _format(request: Request) -> dict[str, Any] | None:
    form = request.text.format if request.text else None
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "json_object"}
    # What is left is the schema and its name: the type is left out as it has its default.
    named = msgspec.structs.replace(form, type="text", name=form.name or "answer")
    return {"type": "json_schema", "json_schema": msgspec.to_builtins(named)}


class Function(msgspec.Struct, omit_defaults=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ChosenFunction(msgspec.Struct):
    name: str


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = typed(tool, {"function": Function}, "tools")
    return {"type": "function", "function": msgspec.to_builtins(function)}


def _tool_choice(choice: str | dict[str, Any] | None) -> str | dict[str, Any] | None:
    if choice in (None, "auto", "none", "required"):
        return choice
    if isinstance(choice, str):
        raise cannot_check(f"tool_choice = {choice[:80]}")
    named = typed(choice or {}, {"function": ChosenFunction}, "tool_choice")
    return {"type": "function", "function": {"name": named.name}}


# -- the conversation --------------------------------------------------------------------------------


class InputText(msgspec.Struct):
    text: str


class InputRefusal(msgspec.Struct):
    refusal: str


class InputImage(msgspec.Struct):
    image_url: str
    detail: str = "auto"


class InputFile(msgspec.Struct):
    file_data: str
    filename: str = ""


Content = str | list[dict[str, Any]]
_Spoken = InputText | InputRefusal | InputImage | InputFile
_PARTS: Final[dict[str, type[_Spoken]]] = {
    "input_text": InputText,
    "output_text": InputText,
    "text": InputText,
    "refusal": InputRefusal,
    "input_image": InputImage,
    "input_file": InputFile,
}


class Message(msgspec.Struct):
    role: Literal["system", "developer", "user", "assistant"]
    content: Content


class FunctionCall(msgspec.Struct):
    call_id: str
    name: str
    arguments: str


class FunctionOutput(msgspec.Struct):
    call_id: str
    output: Content


class Thought(msgspec.Struct):
    summary: list[InputText] | None = None
    content: list[InputText] | None = None


_ITEMS: Final[dict[str, type[Message | FunctionCall | FunctionOutput | Thought]]] = {
    "message": Message,
    "function_call": FunctionCall,
    "function_call_output": FunctionOutput,
    "reasoning": Thought,
}


def _messages(request: Request) -> list[chat.Said]:
    """The items as messages: a model's thoughts and calls join the message of it that they belong to."""
    said: list[chat.Said] = []
    if request.instructions:
        said.append(chat.Said("system", request.instructions))
    if isinstance(request.input, str):
        return [*said, chat.Said("user", request.input)]
    thought = ""
    for each in request.input:
        item = typed(each, _ITEMS, "input", "message")
        if isinstance(item, Thought):
            thought = "\n".join(part.text for part in item.content or item.summary or ())
            continue
        _add(item, said)
        if thought and said[-1].role == "assistant" and not said[-1].reasoning_content:
            said[-1].reasoning_content = thought
        thought = ""
    return said


def _add(item: Message | FunctionCall | FunctionOutput, said: list[chat.Said]) -> None:
    if isinstance(item, Message):
        # Few model servers know the role "developer"; it is OpenAI's newer word for "system".
        role = "system" if item.role == "developer" else item.role
        said.append(chat.Said(role, _content(item.content)))
    elif isinstance(item, FunctionOutput):
        said.append(chat.Said("tool", _content(item.output), tool_call_id=item.call_id))
    else:
        if not said or said[-1].role != "assistant":
            said.append(chat.Said("assistant"))
        function = chat.CalledFunction(item.name, item.arguments)
        call = chat.ToolCall(item.call_id, function)
        said[-1].tool_calls = [*(said[-1].tool_calls or ()), call]


def _content(content: Content) -> str | list[chat.Part]:
    """The parts; a single text as such, for model servers that know nothing else."""
    if isinstance(content, str):
        return content
    parts = [_part(typed(part, _PARTS, "content")) for part in content]
    only = parts[0] if len(parts) == 1 else None
    return only.text if isinstance(only, chat.TextPart) else parts


def _part(part: _Spoken) -> chat.Part:
    return _AS_CHAT[type(part)](part)


_AS_CHAT: Final[dict[type, Callable[[Any], chat.Part]]] = {
    InputText: lambda part: chat.TextPart(part.text),
    InputRefusal: lambda part: chat.RefusalPart(part.refusal),
    InputImage: lambda part: chat.ImagePart({"url": part.image_url, "detail": part.detail}),
    InputFile: lambda part: chat.FilePart({"file_data": part.file_data, "filename": part.filename}),
}
