"""Text formats: how much of them is looked at, and labels in their comments `<!-- AIGC: {…} -->`."""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from hegui.labels.label import LONGEST, Defect
from hegui.labels.source import Source

LARGEST: Final = 8 * 1024 * 1024  # bytes of a text that are looked at
_OPENING: Final = re.compile(rb"<!--[ \t\r\n]*+(?:AIGC[ \t]*+[:=]?[ \t\r\n]*+)?(?=\{)")


class Piece(NamedTuple):
    """A range of a text, and the label that it holds."""

    start: int
    end: int
    value: str


def whole(source: Source) -> tuple[bytes, list[Defect]]:
    """The text as far as it is looked at, and the fault that it is longer."""
    data = source.read(0, min(source.size, LARGEST))
    return data, [Defect("over_limit", "text")] if source.size > LARGEST else []


def comments(source: Source, data: bytes) -> Iterator[Piece]:
    """The comments that hold a label, each with the end of its line where it has that for itself."""
    at = 0
    while found := _OPENING.search(data, at):
        source.step()
        close = data.find(b"-->", found.end())
        if close < 0:
            return
        at = close + 3
        inside = data[found.end() : close].strip()
        if len(inside) <= LONGEST and is_label(inside):
            alone = found.start() == 0 or data[found.start() - 1 : found.start()] == b"\n"
            line = re.compile(rb"[ \t]*\r?\n").match(data, at) if alone else None
            yield Piece(
                found.start(), line.end() if line else at, inside.decode("utf-8", "replace")
            )


def is_label(text: bytes) -> bool:
    """Whether text looks like a label rather than anything else in braces."""
    return b'"AIGC"' in text or (b'"Label"' in text and b'"ProduceID"' in text)
