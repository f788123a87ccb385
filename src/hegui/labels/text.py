"""The explicit label of text 文本显式标识 (GB 45438-2025, 5.1): at the start or the end."""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
import yaml

from hegui.language import Text

_FILE: Final = Path(__file__).with_name("explicit.yaml")


class Explicit(msgspec.Struct, frozen=True):
    """The label's words, and the version under which evidence names them."""

    text: Text
    short: Text
    version: str = ""


@cache
def explicit() -> Explicit:
    """The words of the explicit text label."""
    data = _FILE.read_bytes()
    words = msgspec.convert(yaml.safe_load(data), Explicit)
    return msgspec.structs.replace(words, version=sha256(data).hexdigest()[:16])


def prefix(language: str) -> str:
    return f"[{explicit().text.say(language)}]\n\n"


def suffix(language: str) -> str:
    return f"\n\n[{explicit().text.say(language)}]"
