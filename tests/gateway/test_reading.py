import json

import msgspec
import pytest

from hegui.exchange import Call, Piece, Token, Usage
from hegui.gateway.reading import Reader, join
from hegui.gateway.upstream import UpstreamError
from routing import exchange


def read(*bodies, **of_exchange):
    """The pieces of these bodies, as (choice, surface, text), and the exchange that was read into."""
    into = msgspec.structs.replace(exchange(), **of_exchange)
    reader = Reader(into)
    pieces = [piece for body in bodies for piece in reader.read(json.dumps(body).encode())]
    return [(piece.choice, piece.surface, piece.text) for piece in pieces], into


def test_completions_are_texts_of_their_choices():
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    choices = [
        {"index": 1, "text": "b", "finish_reason": "length", "logprobs": {"tokens": ["b"]}},
        {"index": 0, "text": "a", "finish_reason": "stop"},
        {"index": 2, "text": "nobody asked for a third"},
    ]
    pieces, into = read({"choices": choices, "usage": usage}, choices=2)
    assert pieces == [
        (1, "content", "b"),
        (1, "end", "length"),
        (0, "content", "a"),
        (0, "end", "stop"),
    ]
    assert into.usage == Usage(1, 2, 3)


def test_thoughts_are_read_only_for_those_who_see_them():
    bodies = [
        {"choices": [{"delta": {field: "hm"}}]} for field in ("reasoning_content", "reasoning")
    ]
    assert read(*bodies)[0] == [(0, "reasoning", "hm")] * 2
    assert read(*bodies, reasoning=False)[0] == []


def test_an_unknown_end_is_a_stop():
    assert read({"choices": [{"finish_reason": "{odd}"}]})[0] == [(0, "end", "stop")]


def test_calls_come_whole_before_the_end():
    parts = [
        {"index": 1, "id": "c1", "function": {"name": "g", "arguments": "{}"}},
        {"index": 0, "id": "c0", "function": {"name": "f", "arguments": '{"a"'}},
        {"index": 0, "function": {"arguments": ":1}"}},
    ]
    deltas = [{"choices": [{"delta": {"tool_calls": [part]}}]} for part in parts]
    end = {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}
    assert read(*deltas)[0] == []
    assert read(*deltas, end)[0] == [
        (0, "tool", '{"a":1}'),
        (0, "tool", "{}"),
        (0, "end", "tool_calls"),
    ]


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"choices":7}', b"[" * 90_000, b'{"choices":[{"text":"\xff"}]}']
)
def test_garbage(data):
    with pytest.raises(UpstreamError) as error:
        Reader(exchange()).read(data)
    assert error.value.kind == "garbage"


def test_texts_that_came_together_are_one_and_nothing_else_is():
    call, token = Call(0, "c", "f"), Token("f")
    pieces = [
        Piece(0, "reasoning", "a"), Piece(0, "content", "b"), Piece(0, "content", "c"),
        Piece(1, "content", "d"), Piece(0, "content", "e"), Piece(0, "content", "f", [token]),
        Piece(0, "tool", "{}", call=call), Piece(0, "tool", "[]", call=call), Piece(0, "end", "stop"),
    ]  # fmt: skip
    kept = [pieces[0], Piece(0, "content", "bc"), *pieces[3:]]
    assert join(pieces) == kept
