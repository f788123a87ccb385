"""Folding 归一化: what two spellings of one word have in common.

Folding works character by character: the fold of a text is the folds of its characters put
together, whatever stands beside them. So a text folds the same streamed or whole, and an offset is
a count. The price is that nothing composes: a base letter and its marks always fold apart, which
is wanted here, since marks are stripped.
"""

import re
import unicodedata
from typing import Final

# A longer text may take the quick way; below this many characters the table alone is quicker.
_SHORT: Final = 12

# Text made only of these characters is its own fold.
_FOLDED: Final = re.compile("[0-9a-z\u4e00-\u9fff]*")
# Text made only of these characters folds by dropping what is not a letter or digit and lowering
# the rest; a test holds every one of them against the table.
_PLAIN: Final = re.compile(
    "[\t\n\r -~\u2014\u2018\u2019\u201c\u201d\u2026\u3000-\u3003\u3008-\u3011\u4e00-\u9fff"
    "\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f]*"
)
_BETWEEN: Final = re.compile("[^0-9A-Za-z\u4e00-\u9fff]+")
_CAPITAL: Final = re.compile("[A-Z]")
# Letters of other alphabets that look like a Latin one, also as capitals. They fold to it: a word
# of their own alphabet still finds itself, since its term folds the same.
_LOOKALIKES: Final = str.maketrans(
    "авекмнорстухѕіјһԁԛԝ" + "αικνορτυχ" + "ıɑɡ",
    "abekmhopctyxsijhdqw" + "aikvoptux" + "iag",
)
_ASCII: Final = {code: chr(code).lower() if chr(code).isalnum() else None for code in range(128)}


def _fold_character(character: str) -> str:
    """Decompose, casefold, keep letters and digits, make look-alikes Latin, until nothing changes."""
    if "\uac00" <= character <= "\ud7a3":
        # A Hangul syllable stays whole: in parts, one syllable would be found inside another.
        return character
    before, after = "", character
    while after != before:
        before = after
        decomposed = unicodedata.normalize("NFKD", before).casefold()
        kept = "".join(filter(str.isalnum, unicodedata.normalize("NFKD", decomposed)))
        after = kept.translate(_LOOKALIKES)
    return after


class _Table(dict[int, str]):
    """Folds by code point, worked out when first met; what folds to nothing is not kept."""

    def __missing__(self, code: int) -> str:
        folded = _fold_character(chr(code))
        # Unassigned planes are never kept, so hostile text cannot make the table grow without end.
        if folded or code < 0x10000:
            self[code] = folded
        return folded


_TABLE: Final = _Table()


def fold(text: str) -> str:
    """Return `text` folded for matching.

    Compatibility forms (full-width, circled, mathematical) become plain ones, Cyrillic and Greek
    letters that look like a Latin one become it, case goes, and
    everything that is not a letter or digit is dropped: spaces, punctuation, symbols, emoji,
    combining marks, zero-width and format characters, variation selectors, lone surrogates.
    """
    if text.isascii():
        return text.translate(_ASCII)
    if _FOLDED.fullmatch(text):
        return text
    if len(text) > _SHORT and _PLAIN.fullmatch(text):
        squeezed = _BETWEEN.sub("", text)
        return squeezed.lower() if _CAPITAL.search(squeezed) else squeezed
    return text.translate(_TABLE)


def origins(text: str) -> list[int]:
    """Return, for each character of ``fold(text)``, the index in `text` it came from."""
    table = _TABLE
    return [index for index, letter in enumerate(text) for _ in table[ord(letter)]]


def width(character: str) -> int:
    """Return how many folded characters one raw character gives; 0 means a separator."""
    return len(_TABLE[ord(character)])
