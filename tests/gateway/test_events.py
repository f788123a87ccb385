import itertools
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hegui.gateway.events import Events
from hegui.gateway.failure import UpstreamError


def split(stream: bytes, cuts: list[int], limit: int = 10_000) -> list[bytes]:
    events = Events(limit)
    borders = [0, *sorted(c % (len(stream) + 1) for c in cuts), len(stream)]
    pieces = [stream[a:b] for a, b in itertools.pairwise(borders) if a < b]
    return [event for piece in pieces for event in events.feed(piece)] + list(events.end())


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("data: a\n\n", ["a"]),
        ("data:a\n\n", ["a"]),
        ("data:  a\n\n", [" a"]),
        ("data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        ("data: a\r\rdata: b\r\r", ["a", "b"]),
        ("data: a\r\n\ndata: b\n\r\n", ["a", "b"]),
        ("data: a\ndata: b\n\n", ["a\nb"]),
        ("data: a\r\ndata: b\r\n\r\n", ["a\nb"]),
        ("data: a\rdata: b\r\r", ["a\nb"]),
        ("data\n\ndata\ndata\n\ndata:\n\n", ["", "\n", ""]),
        (": ping\n\ndata: a\n\n: x\n\n", ["a"]),
        ("event: delta\nid: 1\ndata: a\nretry: 5\n\n", ["a"]),
        ("event: none\n\n", []),
        ("\ufeffdata: a\n\n\ufeffdata: b\n\n", ["a"]),
        ("\n\n\n\ndata: a\n\n\n\n\ndata: b\n\n", ["a", "b"]),
        (" data: a\n\ndatax: b\n\n", []),
        ("data: [DONE]\n\n", ["[DONE]"]),
    ],
)
def test_the_form_of_event_streams(text, events):
    stream = text.encode()
    assert split(stream, []) == [event.encode() for event in events]
    assert split(stream, list(range(len(stream)))) == [event.encode() for event in events]


LINE = st.sampled_from(
    ["data: {}", "data:你好 {}", "data:", "data", ": x {}", "event: {}", "\ufeff"]
)
END = st.sampled_from(["\n", "\r\n", "\r"])


@given(st.lists(st.tuples(LINE, END, st.booleans())), st.lists(st.integers(0, 10_000)))
def test_where_the_bytes_are_cut_changes_nothing(lines, cuts):
    text = "".join(line.format(i) + end * (1 + last) for i, (line, end, last) in enumerate(lines))
    stream = (text + "\n\n").encode()
    assert split(stream, cuts) == split(stream, []) == plain(stream.decode())


def plain(text: str) -> list[bytes]:
    """Do what the standard says, a line at a time."""
    events, data = [], []
    for line in re.split("\r\n|\n|\r", text.removeprefix("\ufeff")):
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        if not line and data:
            events.append("\n".join(data).encode())
            data = []
    return events


def test_a_dripped_event_costs_time_linear_to_its_size():
    def seconds(size: int) -> float:
        events = Events(size * 2)
        began = time.process_time()
        for _ in range(size):
            assert not list(events.feed(b"x"))
        return time.process_time() - began

    seconds(10_000)
    assert seconds(400_000) < 40 * 6 * seconds(10_000)  # 1,600 times if each byte cost a rescan


@pytest.mark.parametrize("text", [b"data: " + b"x" * 80, b"data: " + b"x" * 80 + b"\n\n"])
def test_an_event_beyond_the_limit_is_an_error(text):
    with pytest.raises(UpstreamError) as caught:
        list(Events(64).feed(text))
    assert caught.value.kind == "too_large"
