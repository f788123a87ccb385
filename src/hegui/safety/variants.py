"""Other spellings 变体 of a term, worked out when a lexicon is built, so that a scan costs nothing.

What folding cannot see is another writing of the same word: traditional characters for simplified
ones (a whole word can matter), and pinyin for characters. Look-alikes of other alphabets need no
variants: `fold` knows them.
"""

from collections.abc import Callable, Collection, Iterable
from functools import cache
from typing import Any, Final

import msgspec

from hegui.language import Problem
from hegui.safety.lexicon import LONGEST, Entry
from hegui.safety.normalise import fold

# From simplified and back, with the forms of Taiwan and Hong Kong.
_SCRIPTS: Final = ("t2s", "s2t", "s2tw", "s2hk")
# Fewer letters of pinyin are too often another word.
_PINYIN_LEAST: Final = 4
_HAN: Final = ("\u4e00", "\u9fff")


def _absent() -> Problem:
    return Problem(
        "lexicon.variants-extra",
        "Making variants needs two more packages. Install them with `pip install 'hegui[variants]'`, "
        "or build without --variants.",
    )


@cache
def _converters() -> list[Any]:
    try:
        from opencc import OpenCC
    except ImportError:
        raise _absent() from None
    return [OpenCC(script) for script in _SCRIPTS]


def _traditional(term: str) -> list[str]:
    """Return the term in simplified characters and in each traditional standard."""
    return [converter.convert(term) for converter in _converters()]


def _pinyin(term: str) -> list[str]:
    """Return the pinyin of a term of Han characters, its syllables apart, without tones.

    Apart, because a term with blanks is found with and without them.
    """
    try:
        from pypinyin import lazy_pinyin
    except ImportError:
        raise _absent() from None
    if len(term) < 2 or not all(_HAN[0] <= letter <= _HAN[1] for letter in term):
        return []
    spelt = " ".join(lazy_pinyin(term))
    return [spelt] if len(fold(spelt)) >= _PINYIN_LEAST else []


VARIETIES: Final[dict[str, Callable[[str], list[str]]]] = {
    "traditional": _traditional,
    "pinyin": _pinyin,
}


def widen(entries: Iterable[Entry], varieties: Collection[str]) -> list[Entry]:
    """Return the entries with the variants of these varieties added to their own.

    Raises `Problem` for an unknown variety, or when the packages of `hegui[variants]` are absent.
    """
    for name in varieties:
        if name not in VARIETIES:
            raise Problem(
                "lexicon.variety",
                "“{given}” is no kind of variant. Use {known}.",
                given=name[:80],
                known=", ".join(VARIETIES),
            )
    return [_widened(entry, varieties) for entry in entries]


def _widened(entry: Entry, varieties: Collection[str]) -> Entry:
    made = [form for name in VARIETIES if name in varieties for form in VARIETIES[name](entry.term)]
    known = {entry.term, *entry.variants}
    fresh = [
        form for form in dict.fromkeys(made) if form not in known and len(fold(form)) <= LONGEST
    ]
    return msgspec.structs.replace(entry, variants=(*entry.variants, *fresh)) if fresh else entry
