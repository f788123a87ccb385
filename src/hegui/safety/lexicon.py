"""The lexicon 关键词库: terms under the 31 risks, built once, scanned everywhere.

A built lexicon is one file: a magic line with the version, the SHA-256 of everything after it, and
a msgpack body with the entries and a ready automaton, so that loading is reading. The hash is
looked at before the automaton is touched, because the automaton's reader trusts its bytes. It finds
damage, not malice: who can write the file can write its hash, so load only files you built or whose
``sha256`` you recorded.
"""

import hashlib
import re
from array import array
from collections.abc import Iterable, Iterator
from datetime import date
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
# Folded letters a term may have. One letter would hit everything; the longest term sets how much
# text a stream holds back.
SHORTEST: Final = 2
LONGEST: Final = 64

_MAGIC: Final = b"hegui-lexicon 1\n"
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


class _Body(msgspec.Struct, array_like=True):
    """What the file holds. Entries stay packed, and one is unpacked only when it is hit."""

    built: date
    longest: int
    entries: bytes
    entry_ends: bytes
    owners: bytes
    breaks: bytes
    automaton: bytes


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


def _joined(folded: str, at: list[int], place: int) -> bool:
    """Say whether the letters before and at `place` run on as one word, or one number."""
    if at[place] - at[place - 1] > 1:
        return False
    left, right = folded[place - 1], folded[place]
    return _is_word(left) and _is_word(right) and left.isdigit() == right.isdigit()


class Lexicon:
    """Terms ready to be found. Make one with `build`, `load` or `from_bytes`; it never changes."""

    def __init__(self, body: _Body, sha256: str, automaton: Any) -> None:
        self._body = body
        self._automaton = automaton
        self.sha256: Final = sha256  # its version, for the evidence of a decision
        self._entry_ends = memoryview(body.entry_ends).cast("Q")
        self._owners = memoryview(body.owners).cast("I")
        self._breaks = memoryview(body.breaks).cast("Q")

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
        automaton = daachorse.CharwiseDoubleArrayAhoCorasick(list(patterns))
        packed, ends = bytearray(), array("Q")
        for entry in kept:
            packed += msgspec.msgpack.encode(entry)
            ends.append(len(packed))
        body = _Body(
            built=today,
            longest=max(map(len, patterns)),
            entries=bytes(packed),
            entry_ends=ends.tobytes(),
            owners=array("I", (owner for owner, _ in patterns.values())).tobytes(),
            breaks=array("Q", (breaks for _, breaks in patterns.values())).tobytes(),
            automaton=automaton.serialize(),
        )
        digest = hashlib.sha256(msgspec.msgpack.encode(body))
        return cls(body, digest.hexdigest(), automaton)

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "lexicon") -> Self:
        """Read a built lexicon; `name` is how a `Problem` calls it.

        Raises `Problem` when the bytes are no lexicon of this version or do not match their hash.
        """
        if not data.startswith(_MAGIC):
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
        automaton = daachorse.CharwiseDoubleArrayAhoCorasick.deserialize(body.automaton)
        return cls(body, digest.hexdigest(), automaton)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a built lexicon from a file; raises `Problem` as `from_bytes` does, or if absent."""
        try:
            data = path.read_bytes()
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
        return _MAGIC + bytes.fromhex(self.sha256) + msgspec.msgpack.encode(self._body)

    @property
    def built(self) -> date:
        """The day it was built, against which expiry dates were held."""
        return self._body.built

    @property
    def longest(self) -> int:
        """Folded letters of its longest spelling."""
        return self._body.longest

    def __len__(self) -> int:
        return len(self._entry_ends)

    def entries(self) -> Iterator[Entry]:
        """Unpack every entry, in the order they were built."""
        return map(self._entry, range(len(self)))

    def _entry(self, number: int) -> Entry:
        start = self._entry_ends[number - 1] if number else 0
        packed = memoryview(self._body.entries)[start : self._entry_ends[number]]
        return msgspec.msgpack.decode(packed, type=Entry)

    def scan(self, text: str) -> list[Hit]:
        """Return every hit in `text`, overlapping ones too: by start, the longest first."""
        folded = fold(text)
        candidates = self._automaton.find_overlapping(folded)
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
        return self._spelt(text, folded, at, start, end, self._breaks[pattern])

    def _spelt(
        self, text: str, folded: str, at: list[int], start: int, end: int, breaks: int
    ) -> bool:
        """Say whether the gaps inside a match leave it one word, or the words of its own term.

        A blank or apostrophe that the term itself has not counts only where every letter of the
        word stands apart ("f o o"), and not in a term of two letters ("plan a I").
        """
        ordinary = run_on = False
        for place in range(start + 1, end):
            gap = at[place] - at[place - 1] - 1
            if gap > GAP:
                return False
            if breaks >> (place - start) & 1:
                if ordinary and run_on:
                    return False
                ordinary = run_on = False
            elif _is_word(folded[place - 1]) and _is_word(folded[place]):
                run_on = run_on or gap <= 0
                ordinary = ordinary or bool(_ORDINARY.search(text, at[place - 1] + 1, at[place]))
        return not ordinary or (not run_on and end - start > SHORTEST)
