"""The explicit label of text 文本显式标识 (GB 45438-2025, 5.1): at the start, the end, or as a corner mark.

It stands in running text only. Inside code, JSON or the arguments of a tool it would break what a
program reads, so there the label goes into the envelope and the headers of the answer alone.
"""

import re
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

import msgspec
import yaml

from hegui.language import Text

Position = Literal["prefix", "suffix", "corner"]
TextKind = Literal["prose", "code", "json", "tool"]
Place = Position | Literal["envelope"]

_FILE: Final = Path(__file__).with_name("explicit.yaml")
# A line that opens or closes a block of code (CommonMark 0.31, 4.5).
_FENCE: Final = re.compile(r"^ {0,3}(`{3,}(?=[^`\n]*$)|~{3,})([^\n]*)", re.MULTILINE)


class Explicit(msgspec.Struct, frozen=True):
    """The label's words, and the version under which evidence names them."""

    text: Text
    short: Text
    corner: Text
    version: str = ""


@cache
def explicit() -> Explicit:
    """The words of the explicit text label."""
    data = _FILE.read_bytes()
    words = msgspec.convert(yaml.safe_load(data), Explicit)
    return msgspec.structs.replace(words, version=sha256(data).hexdigest()[:16])


def place(kind: TextKind, position: Position) -> Place:
    """Where the label of such a text goes; *envelope* means beside the text, never in it."""
    return position if kind == "prose" else "envelope"


def before(where: Place, language: str) -> str:
    """What stands before the answer, or ""."""
    return prefix(language) if where == "prefix" else ""


def after(where: Place, language: str, answer: str) -> str:
    """What follows `answer`, the whole of what was shown, or "".

    A block of code that was never closed (an answer cut short) is closed first, or the label would
    stand inside it. A corner mark sits on the last character; after code, on a line of its own.
    """
    if where not in {"suffix", "corner"}:
        return ""
    fence = _open_fence(answer)
    end = f"{_line_break(answer)}{fence}" if fence else ""
    if where == "suffix":
        return end + suffix(language)
    return end + ("\n" if fence or _ends_in_fence(answer) else "") + corner(language)


def prefix(language: str) -> str:
    return f"[{explicit().text.say(language)}]\n\n"


def suffix(language: str) -> str:
    return f"\n\n[{explicit().text.say(language)}]"


def corner(language: str) -> str:
    """The corner mark 角标, on the character before it."""
    return explicit().corner.say(language)


def _open_fence(text: str) -> str:
    """What closes the block of code in which `text` ends, or "" when it ends in none."""
    fence = ""
    if "```" not in text and "~~~" not in text:
        return fence
    for found in _FENCE.finditer(text):
        mark, rest = found.groups()
        if not fence:
            fence = mark
        elif mark[0] == fence[0] and len(mark) >= len(fence) and not rest.strip():
            fence = ""
    return fence


def _ends_in_fence(text: str) -> bool:
    """Whether the last line is one that a mark on it would break."""
    last = text.rstrip(" ").rpartition("\n")[2]
    return _FENCE.match(last) is not None


def _line_break(text: str) -> str:
    return "" if text.endswith("\n") else "\n"
