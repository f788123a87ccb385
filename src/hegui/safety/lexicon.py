"""The lexicon 关键词库: terms under the 31 risks, built once, scanned everywhere.

A built lexicon is one file: a magic line with the version, the SHA-256 of everything after it, and
a msgpack body with the entries and two ready automata, so that loading is reading: one finds whole
spellings, the other their beginnings, which a stream has to hold back. The hash is looked at before
the automata are touched, because their reader trusts its bytes. It finds damage, not malice: who can
write the file can write its hash, so load only files you built or whose ``sha256`` you recorded.
"""

import hashlib
import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import date
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from pathlib import Path
from typing import Any, Final, Literal, Self, get_args

import daachorse
import msgspec

from hegui.language import Problem
from hegui.safety.normalise import fold, origins

Action = Literal["refuse", "withhold", "mask", "note"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)

# Separators skipped between two letters of a hit. Beyond it they are two passages, not one word;
# without it a stream would have to hold back without end.
GAP: Final = 8
# Folded letters a term may have. One letter would hit everything; the longest term bounds how much
# text a stream may have to hold back.
SHORTEST: Final = 2
LONGEST: Final = 64

_MAGIC: Final = b"hegui-lexicon 2\n"
_DIGEST: Final = 32
# A blank or an apostrophe stands between words in ordinary writing ("band's hit", "he'll"), so
# alone it does not make one word of two; other signs inside a word ("fo.o") are evasion.
_ORDINARY: Final = re.compile("[\\s'\u2019\uff07]")
# Scripts below this code point put space between words, so a word there has borders.
_SPACED_SCRIPTS_END: Final = "\u0e00"


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """One term with the risk it stands for, what to do on a hit, and where it came from.

    `variants` are other spellings that count as the same entry (traditional forms, homophones).
    """

    term: str
    category: str
    action: Action = "withhold"
    source: str = ""
    added: date | None = None
    expires: date | None = None
    variants: tuple[str, ...] = ()


class Hit(msgspec.Struct, frozen=True):
    """A term found; `start` and `end` are offsets in the raw text."""

    start: int
    end: int
    entry: Entry


class _Tables(msgspec.Struct, array_like=True):
    """What a scan looks up, packed: entries are unpacked only when hit.

    Numbers of spellings index `owners` and `breaks`. `firsts` holds the first letter of every
    spelling. Beginnings of two letters and more have numbers of their own: those below `unfinished`
    want more letters, the others are whole spellings that only want to know what stands to their
    right. `loose_at` are the beginnings, in order, that may be broken where `loose` says.
    """

    built: date
    longest: int
    firsts: str
    unfinished: int
    entries: bytes
    entry_ends: bytes
    owners: bytes
    breaks: bytes
    loose_at: bytes
    loose: bytes


class _Body(msgspec.Struct, array_like=True):
    """What the file holds; the automata are looked at where they lie."""

    tables: _Tables
    spellings: memoryview
    beginnings: memoryview


def spelling(term: str) -> tuple[str, int]:
    """Return the folded `term` and, a bit for each place inside it, where it is itself broken.

    Raises `Problem` when fewer than 2 or more than 64 folded letters are left.
    """
    folded = fold(term)
    if not SHORTEST <= len(folded) <= LONGEST:
        raise Problem(
            "lexicon.term-length",
            "“{term}” has {length} letters once spaces and signs are dropped; a term needs {least} "
            "to {most}. Change it or take it out.",
            term=term[:80],
            length=len(folded),
            least=SHORTEST,
            most=LONGEST,
        )
    at = origins(term)
    breaks = sum(1 << place for place in range(1, len(at)) if at[place] - at[place - 1] > 1)
    return folded, breaks


def is_built(path: Path) -> bool:
    """Say whether the file begins like a built lexicon of any version."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)).startswith(_MAGIC.split()[0])
    except OSError:
        return False


def _patterns(entries: list[Entry]) -> dict[str, tuple[int, int]]:
    """Map each folded spelling to its entry and breaks; the first entry to claim it keeps it."""
    patterns: dict[str, tuple[int, int]] = {}
    for number, entry in enumerate(entries):
        for form in (entry.term, *entry.variants):
            folded, breaks = spelling(form)
            owner, known = patterns.get(folded, (number, 0))
            patterns[folded] = owner, known | breaks
    return patterns


def _is_word(letter: str) -> bool:
    return letter < _SPACED_SCRIPTS_END


def _beginnings(patterns: dict[str, tuple[int, int]]) -> tuple[list[str], int, dict[int, int]]:
    """Return the beginnings to hold, how many of them are unfinished, and where they may break.

    A place counts as breakable when any spelling that begins so is broken there, or goes on in a
    script without spaces; that errs towards holding longer.
    """
    loose: dict[str, int] = {}
    for spelt, (_, breaks) in patterns.items():
        for length in range(SHORTEST, len(spelt)):
            mask = breaks & ((1 << length + 1) - 1) | (not _is_word(spelt[length])) << length
            beginning = spelt[:length]
            loose[beginning] = loose.get(beginning, 0) | mask
    whole = [spelt for spelt in patterns if spelt not in loose and _is_word(spelt[-1])]
    masks = {number: mask for number, mask in enumerate(loose.values()) if mask}
    return [*loose, *whole], len(loose), masks


def _joined(folded: str, at: list[int], place: int) -> bool:
    """Say whether the letters before and at `place` run on as one word, or one number."""
    if at[place] - at[place - 1] > 1:
        return False
    left, right = folded[place - 1], folded[place]
    return _is_word(left) and _is_word(right) and left.isdigit() == right.isdigit()


def _spread(
    text: str, folded: str, at: list[int], start: int, end: int, breaks: int
) -> bool | None:
    """Say how the letters from `start` to `end` are spread, or None where they make no word.

    True when ordinary blanks or apostrophes stand between the last of them that are not the term's
    own. They make a word only where every letter stands apart ("f o o").
    """
    ordinary = run_on = False
    for place in range(start + 1, end):
        gap = at[place] - at[place - 1] - 1
        if gap > GAP:
            return None
        if breaks >> (place - start) & 1:
            ordinary = run_on = False
        elif _is_word(folded[place - 1]) and _is_word(folded[place]):
            run_on = run_on or gap <= 0
            ordinary = ordinary or bool(_ORDINARY.search(text, at[place - 1] + 1, at[place]))
        if ordinary and run_on:
            return None
    return ordinary


def _packed(tables: _Tables, spellings: Any, beginnings: Any) -> bytes:
    automata = (memoryview(a.serialize() if a else b"") for a in (spellings, beginnings))
    return msgspec.msgpack.encode(_Body(tables, *automata))


def _in_memory(path: Path) -> memoryview:
    """The file in a mapping of its own: on the heap, what is made after it would keep its place."""
    space = mmap(-1, max(path.stat().st_size, 1), MAP_PRIVATE | MAP_ANONYMOUS)
    with path.open("rb") as file:
        return memoryview(space)[: file.readinto(space)]


class Lexicon:
    """Terms ready to be found. Make one with `build`, `load` or `from_bytes`; it never changes."""

    context: Final = 1  # a stream keeps one character: whether a word goes on or begins

    def __init__(self, tables: _Tables, sha256: str, spellings: Any, beginnings: Any) -> None:
        self._tables, self._spellings, self._beginnings = tables, spellings, beginnings
        self.sha256: Final = sha256  # its version, for the evidence of a decision
        self._firsts = frozenset(tables.firsts)
        self._reach = tables.longest * (GAP + 1) + self.context
        self._entry_ends = memoryview(tables.entry_ends).cast("Q")
        self._owners = memoryview(tables.owners).cast("I")
        self._breaks = memoryview(tables.breaks).cast("Q")
        self._loose_at = memoryview(tables.loose_at).cast("I")
        self._loose = memoryview(tables.loose).cast("Q")

    @classmethod
    def build(cls, entries: Iterable[Entry], today: date) -> Self:
        """Build a lexicon from the entries that have not expired on `today`.

        Raises `Problem` when a term is too short or too long, or when no entry is left.
        """
        kept = [entry for entry in entries if entry.expires is None or entry.expires >= today]
        if not kept:
            raise Problem(
                "lexicon.empty",
                "No entry is left to build from: the source is empty or every entry has expired. "
                "Add entries, or move their expiry date.",
            )
        patterns = _patterns(kept)
        beginnings, unfinished, loose = _beginnings(patterns)
        packed, ends = bytearray(), array("Q")
        for entry in kept:
            packed += msgspec.msgpack.encode(entry)
            ends.append(len(packed))
        tables = _Tables(
            built=today,
            longest=max(map(len, patterns)),
            firsts="".join(sorted({spelt[0] for spelt in patterns})),
            unfinished=unfinished,
            entries=bytes(packed),
            entry_ends=ends.tobytes(),
            owners=array("I", (owner for owner, _ in patterns.values())).tobytes(),
            breaks=array("Q", (breaks for _, breaks in patterns.values())).tobytes(),
            loose_at=array("I", loose).tobytes(),
            loose=array("Q", loose.values()).tobytes(),
        )
        spellings = daachorse.CharwiseDoubleArrayAhoCorasick(list(patterns))
        begun = daachorse.CharwiseDoubleArrayAhoCorasick(beginnings) if beginnings else None
        digest = hashlib.sha256(_packed(tables, spellings, begun))
        return cls(tables, digest.hexdigest(), spellings, begun)

    @classmethod
    def from_bytes(cls, data: bytes | memoryview, name: str = "lexicon") -> Self:
        """Read a built lexicon; `name` is how a `Problem` calls it.

        Raises `Problem` when the bytes are no lexicon of this version or do not match their hash.
        """
        if data[: len(_MAGIC)] != _MAGIC:
            raise Problem(
                "lexicon.format",
                "{name} is not a built lexicon of this version. Build it again with "
                "`hegui lexicon build SOURCE -o FILE`.",
                name=name,
            )
        start = len(_MAGIC) + _DIGEST
        packed = memoryview(data)[start:]
        digest = hashlib.sha256(packed)
        if digest.digest() != data[len(_MAGIC) : start]:
            raise Problem(
                "lexicon.damaged",
                "{name} is damaged: its contents do not match its hash. Copy it again, or build it "
                "again from its source.",
                name=name,
            )
        body = msgspec.msgpack.decode(packed, type=_Body)
        read = daachorse.CharwiseDoubleArrayAhoCorasick.deserialize
        begun = read(bytes(body.beginnings)) if body.beginnings else None
        return cls(body.tables, digest.hexdigest(), read(bytes(body.spellings)), begun)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a built lexicon from a file; raises `Problem` as `from_bytes` does, or if absent."""
        try:
            data = _in_memory(path)
        except OSError as error:
            raise Problem(
                "lexicon.unreadable",
                "{name} cannot be read ({reason}). Check the path and its permissions.",
                name=path.name,
                reason=error.strerror,
            ) from error
        return cls.from_bytes(data, path.name)

    def to_bytes(self) -> bytes:
        """Return the whole file, as `from_bytes` reads it."""
        packed = _packed(self._tables, self._spellings, self._beginnings)
        return _MAGIC + bytes.fromhex(self.sha256) + packed

    @property
    def built(self) -> date:
        """The day it was built, against which expiry dates were held."""
        return self._tables.built

    def __len__(self) -> int:
        return len(self._entry_ends)

    def entries(self) -> Iterator[Entry]:
        """Unpack every entry, in the order they were built."""
        return map(self._entry, range(len(self)))

    def _entry(self, number: int) -> Entry:
        start = self._entry_ends[number - 1] if number else 0
        packed = memoryview(self._tables.entries)[start : self._entry_ends[number]]
        return msgspec.msgpack.decode(packed, type=Entry)

    def scan(self, text: str) -> list[Hit]:
        """Return every hit in `text`, overlapping ones too: by start, the longest first."""
        folded = fold(text)
        candidates = self._spellings.find_overlapping(folded)
        if not candidates:
            return []
        at = origins(text)
        found = [
            (at[start], -at[end - 1] - 1, pattern)
            for start, end, pattern in candidates
            if self._stands(text, folded, at, start, end, pattern)
        ]
        found.sort()
        return [
            Hit(start, -end, self._entry(self._owners[pattern])) for start, end, pattern in found
        ]

    def _stands(
        self, text: str, folded: str, at: list[int], start: int, end: int, pattern: int
    ) -> bool:
        """Say whether a match in the folded text is one in the raw text: borders, then gaps."""
        if start and _joined(folded, at, start):
            return False
        if end < len(folded) and _joined(folded, at, end):
            return False
        if at[end - 1] - at[start] > (end - start) * (GAP + 1):
            return False  # no need to look closer
        spread = _spread(text, folded, at, start, end, self._breaks[pattern])
        # Two letters with a blank between are ordinary ("plan a I").
        return spread is False or (spread is True and end - start > SHORTEST)

    def live(self, text: str) -> int:
        """Return where the beginning of a spelling stands that `text` ends with, or its length."""
        tail = text[-self._reach :]
        folded = fold(tail)
        begun = self._begun(folded)
        if not begun:
            return len(text)
        at = [*origins(tail), len(tail)]
        trailing = at[-1] - at[-2] - 1
        if trailing > GAP:
            return len(text)
        for start, number in begun:
            if not (start and _joined(folded, at, start)) and self._alive(
                tail, folded, at, start, number
            ):
                return len(text) - len(tail) + at[start]
        return len(text)

    def _begun(self, folded: str) -> list[tuple[int, int]]:
        """Return start and number of each beginning at the end of `folded`, the longest first.

        A single letter, which has no number, is -1.
        """
        length = len(folded)
        begun = []
        if self._beginnings:
            for start, end, number in reversed(self._beginnings.find_overlapping(folded)):
                if end != length:
                    break
                begun.append((start, number))
        begun.sort()
        if folded and folded[-1] in self._firsts:
            begun.append((length - 1, -1))
        return begun

    def _alive(self, tail: str, folded: str, at: list[int], start: int, number: int) -> bool:
        """Say whether what is begun can go on after the separators that follow it."""
        length = len(folded)
        trailing = at[length] - at[length - 1] > 1
        if number >= self._tables.unfinished:
            return not trailing
        # After separators the next letter is taken for one of a word: in other scripts a blank is
        # no matter, and `loose` says where such a letter may follow.
        spread = _spread(tail, folded + "a", at, start, length + trailing, self._loose_of(number))
        return spread is not None

    def _loose_of(self, number: int) -> int:
        place = bisect_left(self._loose_at, number)
        if place < len(self._loose_at) and self._loose_at[place] == number:
            return self._loose[place]
        return 0
