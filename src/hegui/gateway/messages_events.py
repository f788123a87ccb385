"""The answer of `/v1/messages`: blocks put together from released pieces, whole or event by event."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hegui.exchange import PASS, Exchange, Piece, Surface, Usage, Verdict
from hegui.gateway.wire import event

_ENDS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
# Anthropic's words for the kinds of error where they differ from OpenAI's.
_ERRORS: Final = {"content_filter": "invalid_request_error", "server_error": "api_error"}


def error_shape(body: dict[str, Any]) -> dict[str, Any]:
    """An error of `wire.error_body` in Anthropic's shape."""
    error = body["error"]
    kind = _ERRORS.get(error["type"], error["type"])
    return {"type": "error", "error": {**error, "type": kind}}


class Block(msgspec.Struct):
    """One block of the answer while it grows. `field` is where its text stands."""

    head: dict[str, Any]
    field: str
    texts: list[str] = []

    def whole(self) -> dict[str, Any]:
        return {**self.head, self.field: "".join(self.texts)} if self.field else self.head


class Events:
    """Writes the server-sent events of one message, and keeps it for the answer in one piece.

    Blocks of text stay open to the end, as the last characters of thoughts may be let go when the
    answer has begun: each delta says to which block it belongs.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._blocks: list[Block] = []
        self._of: dict[Surface, int] = {}
        self._reason = "stop"

    def first(self) -> bytes:
        begun = self._message([], None, Usage())
        return event("message_start", message=begun)

    def pieces(self, pieces: Sequence[Piece]) -> bytes:
        return b"".join(map(self._piece, pieces))

    def last(self) -> bytes:
        """Close the blocks and say why the message ends, with the usage that came last."""
        blocks = range(len(self._blocks))
        closed = b"".join(event("content_block_stop", index=index) for index in blocks)
        usage = _usage(self._exchange.usage or Usage())
        ended = event("message_delta", delta=self._end(self._stop_reason()), usage=usage)
        return closed + ended + event("message_stop", aigc=self._exchange.aigc)

    def refusal(self, verdict: Verdict) -> bytes:
        told = Piece(0, "content", verdict.say(self._exchange.language))
        said = self.first() + self.pieces([told, Piece(0, "end", "content_filter")])
        return said + self.last()

    def error(self, body: dict[str, Any]) -> bytes:
        return event("error", error=error_shape(body)["error"])

    def message(self) -> dict[str, Any]:
        """The whole message, as it ends."""
        content = [block.whole() for block in self._blocks]
        return self._message(content, self._stop_reason(), self._exchange.usage or Usage())

    def _message(
        self, content: list[dict[str, Any]], reason: str | None, usage: Usage
    ) -> dict[str, Any]:
        return {
            "id": f"msg_{self._exchange.id}",
            "type": "message",
            "role": "assistant",
            "model": self._exchange.model,
            "content": content,
            **self._end(reason),
            "usage": _usage(usage),
            "aigc": self._exchange.aigc,
        }

    def _end(self, reason: str | None) -> dict[str, Any]:
        """Why the message ends; an explanation is told even where it cannot stand in the text."""
        verdict, details = self._exchange.verdict, None
        if reason == "refusal" and verdict is not PASS:
            explanation = verdict.say(self._exchange.language)
            details = {"type": "refusal", "category": None, "explanation": explanation}
        return {"stop_reason": reason, "stop_sequence": None, "stop_details": details}

    def _stop_reason(self) -> str:
        """Why the message ends; some model servers end a call of tools with a mere "stop"."""
        reason = _ENDS[self._reason]
        if reason == "end_turn" and any(block.head["type"] == "tool_use" for block in self._blocks):
            return "tool_use"
        return "refusal" if reason == "end_turn" and "refusal" in self._of else reason

    # -- pieces ------------------------------------------------------------------------------------

    def _piece(self, piece: Piece) -> bytes:
        if piece.surface == "end":
            self._reason = piece.text
            return b""
        if piece.surface == "tool":
            return self._call(piece)
        opened = b""
        index = self._of.get(piece.surface, -1)
        if index < 0:
            index = self._of[piece.surface] = len(self._blocks)
            opened = self._open(_text_block(piece.surface))
        block = self._blocks[index]
        block.texts.append(piece.text)
        delta = {"type": f"{block.field}_delta", block.field: piece.text}
        return opened + event("content_block_delta", index=index, delta=delta)

    def _open(self, block: Block) -> bytes:
        self._blocks.append(block)
        index = len(self._blocks) - 1
        return event("content_block_start", index=index, content_block=block.whole())

    def _call(self, piece: Piece) -> bytes:
        index, call = len(self._blocks), piece.call
        name = f"toolu_{self._exchange.id}_{index}"
        head: dict[str, Any] = {
            "type": "tool_use",
            "id": (call.id if call else "") or name,
            "name": call.name if call else "",
            "input": {},
        }
        opened = self._open(Block(head, ""))
        given = _input(piece.text)
        self._blocks[index].head = {**head, "input": given}
        delta = {"type": "input_json_delta", "partial_json": msgspec.json.encode(given).decode()}
        return opened + event("content_block_delta", index=index, delta=delta)


def _text_block(surface: Surface) -> Block:
    if surface == "reasoning":
        # The signature proves to Anthropic's own servers that a thought is theirs; there is none.
        return Block({"type": "thinking", "thinking": "", "signature": ""}, "thinking")
    return Block({"type": "text", "text": ""}, "text")


def _input(arguments: str) -> dict[str, Any]:
    """The arguments of a call as an object; what is none is named as Anthropic's own tools do."""
    try:
        given = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        given = None
    return given if isinstance(given, dict) else {"INVALID_JSON": arguments}


def _usage(usage: Usage) -> dict[str, int]:
    return {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
