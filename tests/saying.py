"""A model server that says what a test tells it to, whole or in pieces, as it is asked.

    with Saying() as model:
        model.says(choice("hello"))
        ...  # the gateway's upstream is model.url

`model.asked` holds what came in: the path and the decoded body of each request.
"""

import json
import random
from typing import Any, Self

from hostile import Peer, Server, reply, sse

USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def choice(content="", *, reasoning="", refusal="", calls=(), ends="", tokens=False, cuts=None):
    """One answer; `calls` are pairs of a tool's name and its arguments.

    A stream cuts it at every character, or where `cuts`, a `random.Random`, says.
    """
    return {
        "content": content,
        "reasoning_content": reasoning,
        "refusal": refusal,
        "calls": list(calls),
        "ends": ends or ("tool_calls" if calls else "stop"),
        "tokens": tokens,
        "cuts": cuts,
    }


def cut(text: str, cuts: random.Random | None) -> list[str]:
    if cuts is None:
        return list(text)
    places = sorted(cuts.randrange(len(text) + 1) for _ in range(cuts.randrange(len(text) + 1)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


def token(text: str) -> dict[str, Any]:
    there = {"token": text, "logprob": -0.5, "bytes": list(text.encode())}
    return {**there, "top_logprobs": [there, {**there, "token": "?", "bytes": [63]}]}


def call(index: int, name: str, arguments: str, **more: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": f"call-{index}", "type": "function", "function": function, **more}


class Saying:
    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._choices: list[dict[str, Any]] = []
        self._raw: bytes | None = None
        self._server = Server(self._script)

    @property
    def url(self) -> str:
        return f"{self._server.url}/v1"

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.__exit__(*error)

    def says(self, *choices: dict[str, Any]) -> None:
        self._choices, self._raw = list(choices), None
        self.asked.clear()

    def sends(self, raw: bytes) -> None:
        """Send these bytes and close, whatever is asked."""
        self._raw = raw

    def _script(self, peer: Peer) -> None:
        while True:
            head, _, body = peer.request().partition(b"\r\n\r\n")
            path, request = head.split()[1].decode(), json.loads(body)
            self.asked.append((path, request))
            if self._raw is not None:
                peer.send(self._raw)
                return
            chat = path == "/v1/chat/completions"
            if request.get("stream"):
                peer.send(sse(*map(json.dumps, self._events(chat=chat)), "[DONE]"))
            else:
                peer.send(reply(json.dumps(self._whole(chat=chat)).encode()))

    def _whole(self, *, chat: bool) -> dict[str, Any]:
        choices = [
            {"index": n, "finish_reason": said["ends"], **(_message(said) if chat else _text(said))}
            for n, said in enumerate(self._choices)
        ]
        return {"id": "theirs", "choices": choices, "usage": USAGE, "secret": "of the upstream"}

    def _events(self, *, chat: bool) -> list[dict[str, Any]]:
        events = []
        for n, said in enumerate(self._choices):
            deltas = (
                _deltas(said)
                if chat
                else [{"text": part} for part in cut(said["content"], said["cuts"])]
            )
            end = {"delta": {}} if chat else {"text": ""}
            events += [{"choices": [{"index": n, **delta}]} for delta in deltas]
            events.append({"choices": [{"index": n, **end, "finish_reason": said["ends"]}]})
        return [*events, {"choices": [], "usage": USAGE}]


def _text(said: dict[str, Any]) -> dict[str, Any]:
    return {"text": said["content"]}


def _message(said: dict[str, Any]) -> dict[str, Any]:
    texts = {name: said[name] or None for name in ("content", "reasoning_content", "refusal")}
    calls = [call(n, name, arguments) for n, (name, arguments) in enumerate(said["calls"])]
    body: dict[str, Any] = {"message": {"role": "assistant", **texts, "tool_calls": calls or None}}
    if said["tokens"]:
        body["logprobs"] = {"content": [token(c) for c in said["content"]], "refusal": None}
    return body


def _deltas(said: dict[str, Any]) -> list[dict[str, Any]]:
    deltas: list[dict[str, Any]] = [
        {"delta": {name: letter}}
        for name in ("reasoning_content", "content", "refusal")
        for letter in cut(said[name], said["cuts"])
    ]
    if said["tokens"]:
        for delta in deltas:
            if letter := delta["delta"].get("content"):
                delta["logprobs"] = {"content": [token(letter)]}
    for n, (name, arguments) in enumerate(said["calls"]):
        deltas.append({"delta": {"tool_calls": [call(n, name, "")]}})
        parts = [
            {"index": n, "function": {"arguments": part}} for part in cut(arguments, said["cuts"])
        ]
        deltas += [{"delta": {"tool_calls": [part]}} for part in parts]
    return deltas
