"""What a model server says, read as pieces: choice, surface, text. What is not named here is dropped."""

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final

import msgspec

from hegui.exchange import Call, Exchange, Piece, Surface, Token, Usage
from hegui.gateway.upstream import UpstreamError

DONE: Final = b"[DONE]"  # the closing mark of a stream
_ENDS: Final = frozenset({"stop", "length", "content_filter", "tool_calls"})
_WHOLE: Final = frozenset({"tool", "end"})  # never come in parts
_TEXTS: Final[tuple[Surface, ...]] = ("content", "refusal")


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None  # as DeepSeek, Qwen and vLLM name it
    reasoning: str | None = None  # as OpenRouter and newer servers do
    tool_calls: list[_ToolCall] | None = None


class _Logprobs(msgspec.Struct):
    content: list[Token] | None = None
    refusal: list[Token] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    message: _Said | None = None
    delta: _Said | None = None
    text: str | None = None  # of the older completions
    logprobs: _Logprobs | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice] = []
    usage: Usage | None = None


_read: Final = msgspec.json.Decoder(_Completion).decode


class Reader:
    """Reads one answer, whole or event by event; usage goes into the exchange.

    Raises `UpstreamError` ("garbage") for what is no completion.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._calls: dict[tuple[int, int], tuple[Call, list[str]]] = {}

    def read(self, data: bytes) -> list[Piece]:
        """The pieces of a whole answer, or of one event."""
        try:
            completion = _read(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UpstreamError("garbage") from error
        if completion.usage is not None:
            self._exchange.usage = completion.usage
        pieces: list[Piece] = []
        for choice in completion.choices:
            if 0 <= choice.index < self._exchange.choices:
                self._choice(choice, pieces)
        return pieces

    def _choice(self, choice: _Choice, pieces: list[Piece]) -> None:
        said = choice.delta or choice.message
        if said is not None:
            self._said(choice, said, pieces)
        elif choice.text:
            pieces.append(Piece(choice.index, "content", choice.text))
        if choice.finish_reason is not None:
            if self._calls:
                pieces += self._called(choice.index)
            reason = choice.finish_reason if choice.finish_reason in _ENDS else "stop"
            pieces.append(Piece(choice.index, "end", reason))

    def _said(self, choice: _Choice, said: _Said, pieces: list[Piece]) -> None:
        reasoning = said.reasoning_content or said.reasoning
        if reasoning and self._exchange.reasoning:
            pieces.append(Piece(choice.index, "reasoning", reasoning))
        for surface in _TEXTS:
            if text := getattr(said, surface):
                tokens = getattr(choice.logprobs, surface, None) or ()
                pieces.append(Piece(choice.index, surface, text, tokens))
        for place, part in enumerate(said.tool_calls or ()):
            self._collect(choice.index, part.index if choice.delta else place, part)

    def _collect(self, choice: int, index: int, part: _ToolCall) -> None:
        """Put the parts of a call together: its arguments can only be judged when they are whole."""
        call, arguments = self._calls.setdefault((choice, index), (Call(index, "", ""), []))
        call.id = part.id or call.id
        if part.function is not None:
            call.name = part.function.name or call.name
            arguments.append(part.function.arguments or "")

    def _called(self, choice: int) -> list[Piece]:
        """The calls of a choice that has ended, in their order."""
        mine = sorted(key for key in self._calls if key[0] == choice)
        found = [self._calls.pop(key) for key in mine]
        return [Piece(choice, "tool", "".join(text), call=call) for call, text in found]


_surface: Final = attrgetter("choice", "surface")


def join(pieces: Iterable[Piece]) -> list[Piece]:
    """The pieces with texts that follow one another on a surface as one.

    What came together is looked at once and leaves together. A text with tokens stays as it is, so
    that each token keeps to its own.
    """
    joined: list[Piece] = []
    for (choice, surface), run in groupby(pieces, _surface):
        same = list(run)
        if len(same) > 1 and surface not in _WHOLE and not any(piece.tokens for piece in same):
            same = [Piece(choice, surface, "".join([piece.text for piece in same]))]
        joined += same
    return joined
