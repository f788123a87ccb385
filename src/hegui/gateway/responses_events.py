"""The answer of `/v1/responses`: items put together from released pieces, whole or event by event.

Every repetition of a text (`….done` events, the whole response at the end) is made of the pieces that
were released, so it cannot say more than the stream did.
"""

import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from hegui.exchange import PASS, Exchange, Piece, Surface, Token, Usage, Verdict
from hegui.gateway.adapter import Asked
from hegui.gateway.wire import event

_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_KINDS: Final[dict[Surface, str]] = {
    "content": "output_text",
    "refusal": "refusal",
    "reasoning": "reasoning_text",
}


class Part(msgspec.Struct):
    """One text of an item while it grows; `at` says in every event where it stands."""

    kind: str
    at: dict[str, Any]
    texts: list[str] = []
    tokens: list[Token] = []

    def text(self) -> dict[str, str]:
        return {"refusal" if self.kind == "refusal" else "text": "".join(self.texts)}

    def whole(self) -> dict[str, Any]:
        body: dict[str, Any] = {"type": self.kind, **self.text()}
        if self.kind == "output_text":
            body |= {"annotations": [], "logprobs": logprobs(self.tokens)}
        return body


class Item(msgspec.Struct):
    """One item of the output while it grows: a message, reasoning, or a call."""

    head: dict[str, Any]
    parts: list[Part] = []

    def whole(self, status: str) -> dict[str, Any]:
        body = {**self.head, "status": status}
        if body["type"] != "function_call":
            body["content"] = [part.whole() for part in self.parts]
        return body


class Events:
    """Writes the server-sent events of one response, and keeps it to repeat it at the end."""

    def __init__(self, exchange: Exchange, asked: Asked) -> None:
        self._exchange, self._asked = exchange, asked
        self._created = int(time.time())
        self._number = -1
        self._items: list[Item] = []
        self._parts: dict[Surface, Part] = {}
        self._reason = "stop"

    def first(self) -> bytes:
        begun = self._body("in_progress", [])
        return self._event("response.created", response=begun) + self._event(
            "response.in_progress", response=begun
        )

    def pieces(self, pieces: Sequence[Piece]) -> bytes:
        return b"".join(map(self._piece, pieces))

    def last(self) -> bytes:
        """Close what is open and repeat the response, with the usage that came last."""
        status = "incomplete" if self._reason in _INCOMPLETE else "completed"
        closed = b"".join(
            self._close(index, item, status) for index, item in enumerate(self._items)
        )
        return closed + self._event(f"response.{status}", response=self.response())

    def refusal(self, verdict: Verdict) -> bytes:
        told = Piece(0, "content", verdict.say(self._exchange.language))
        said = self.first() + self.pieces([told, Piece(0, "end", "content_filter")])
        return said + self.last()

    def error(self, body: dict[str, Any]) -> bytes:
        """The failure as the response's own end, then as the event on which OpenAI's clients raise."""
        error = body["error"]
        failed = self._body("failed", [item.whole("incomplete") for item in self._items])
        failed["error"] = {"code": error["code"], "message": error["message"]}
        flat = {name: error[name] for name in ("code", "message", "param")}
        return self._event("response.failed", response=failed) + self._event(
            "error", **flat, error=error
        )

    def response(self) -> dict[str, Any]:
        """The whole response, as it ends."""
        why = _INCOMPLETE.get(self._reason)
        status = "incomplete" if why else "completed"
        body = self._body(status, [item.whole(status) for item in self._items])
        body["incomplete_details"] = {"reason": why, **self._told(why)} if why else None
        body["usage"] = _usage(self._exchange.usage)
        return body

    def _told(self, why: str) -> dict[str, str]:
        """Why something was withheld, told even where it cannot stand in the text."""
        verdict = self._exchange.verdict
        if why != "content_filter" or verdict is PASS:
            return {}
        return {"message": verdict.say(self._exchange.language)}

    def _body(self, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"resp_{self._exchange.id}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "model": self._exchange.model,
            "output": output,
            "previous_response_id": None,
            "store": False,
            "tools": [],
            "truncation": "disabled",
            "usage": None,
            **self._asked.echo,
            "aigc": self._exchange.aigc,
        }

    def _event(self, kind: str, **body: Any) -> bytes:
        self._number += 1
        return event(kind, sequence_number=self._number, **body)

    # -- pieces ------------------------------------------------------------------------------------

    def _piece(self, piece: Piece) -> bytes:
        if piece.surface == "end":
            self._reason = piece.text
            return b""
        if piece.surface == "tool":
            return self._call(piece)
        opened, part = self._open(piece.surface)
        part.texts.append(piece.text)
        part.tokens.extend(piece.tokens)
        return opened + self._event(
            f"response.{part.kind}.delta",
            **part.at,
            delta=piece.text,
            **_tokens(part, piece.tokens),
        )

    def _open(self, surface: Surface) -> tuple[bytes, Part]:
        """The part that a surface's text belongs to, and the events that announce it if it is new."""
        if (part := self._parts.get(surface)) is not None:
            return b"", part
        of = "reasoning" if surface == "reasoning" else "message"
        index = next((n for n, item in enumerate(self._items) if item.head["type"] == of), -1)
        opened = b""
        if index < 0:
            index, opened = len(self._items), self._add(_head(of, self._exchange.id))
        item = self._items[index]
        at = {"item_id": item.head["id"], "output_index": index, "content_index": len(item.parts)}
        part = self._parts[surface] = Part(_KINDS[surface], at)
        item.parts.append(part)
        opened += self._event("response.content_part.added", **at, part=part.whole())
        return opened, part

    def _add(self, head: dict[str, Any]) -> bytes:
        item = Item(head)
        self._items.append(item)
        return self._event(
            "response.output_item.added",
            output_index=len(self._items) - 1,
            item=item.whole("in_progress"),
        )

    def _call(self, piece: Piece) -> bytes:
        index, call = len(self._items), piece.call
        name = f"{self._exchange.id}_{index}"
        head: dict[str, Any] = {
            "id": f"fc_{name}",
            "type": "function_call",
            "call_id": (call.id if call else "")
            or f"call_{name}",  # clients tell calls apart by it
            "name": call.name if call else "",
        }
        at = {"item_id": head["id"], "output_index": index}
        added = self._add({**head, "arguments": ""})
        self._items[index].head["arguments"] = piece.text
        delta = self._event("response.function_call_arguments.delta", **at, delta=piece.text)
        return added + delta

    def _close(self, index: int, item: Item, status: str) -> bytes:
        data = b""
        if item.head["type"] == "function_call":
            at = {"item_id": item.head["id"], "output_index": index}
            said = {name: item.head[name] for name in ("name", "arguments")}
            data += self._event("response.function_call_arguments.done", **at, **said)
        for part in item.parts:
            done = part.text() | _tokens(part, part.tokens)
            data += self._event(f"response.{part.kind}.done", **part.at, **done)
            data += self._event("response.content_part.done", **part.at, part=part.whole())
        whole = item.whole(status)
        return data + self._event("response.output_item.done", output_index=index, item=whole)


def _head(of: str, name: str) -> dict[str, Any]:
    if of == "reasoning":
        return {"id": f"rs_{name}", "type": of, "summary": []}
    return {"id": f"msg_{name}", "type": of, "role": "assistant"}


def _tokens(part: Part, tokens: Sequence[Token]) -> dict[str, Any]:
    """The field for the tokens of an event; only text of the answer has it."""
    return {"logprobs": logprobs(tokens)} if part.kind == "output_text" else {}


def logprobs(tokens: Sequence[Token]) -> list[dict[str, Any]]:
    """Log-probabilities as this API has them: every token with its bytes and its alternatives."""
    return [
        {**_token(token), "top_logprobs": [_token(other) for other in _others(token)]}
        for token in tokens
    ]


def _token(token: Token) -> dict[str, Any]:
    data = token.bytes if token.bytes is not None else list(token.token.encode())
    return {"token": token.token, "bytes": data, "logprob": token.logprob}


def _others(token: Token) -> Sequence[Token]:
    return token.top_logprobs if isinstance(token.top_logprobs, list) else ()


def _usage(usage: Usage | None) -> dict[str, Any] | None:
    if usage is None:
        return None
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.total_tokens,
    }
