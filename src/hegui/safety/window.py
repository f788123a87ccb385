"""The window 滑动窗口: what of a stream may go out now, so that nothing of a hit ever does.

Looking back at a stream finds a word when half of it has been sent; the window holds text back
instead. At any cutting of the stream into pieces it releases the same text and gives the same
verdict as one scan of the whole. What it holds is what its detectors call live: the end of the text
that may still become a hit, most often a character or two.
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec

from hegui.language import Problem
from hegui.safety.lexicon import Action, Entry, Hit

# Characters a window holds at most. No detector of ours reaches a third of it at its worst; one that
# does has gone wrong, and then nothing more goes out.
MOST_HELD: Final = 2048
# What a window that holds too much stops with. No risk of the 31 is meant for it: the last one is
# given, and the entry itself, by its source, says whose verdict it is.
OVERFLOW: Final = Entry("more held than a window may hold", "A.5.b", "withhold", "window")

_STOPS: Final = frozenset({"refuse", "withhold"})


class Detector(Protocol):
    """Finds hits in a text, and says which end of a text may still become one.

    A hit depends on its own characters, on `context` characters to its left, and on what stands to
    its right; on no other hit.
    """

    @property
    def context(self) -> int:
        """Characters left of a hit that it looks at."""

    def scan(self, text: str) -> list[Hit]:
        """Every hit in `text`, overlapping ones too, as if the text ended there."""

    def live(self, text: str) -> int:
        """The first index from which the end of `text` may still become, or be part of, a hit.

        `len(text)` when there is none. Whatever comes next, no hit from before that index can
        appear, go or change. It may err only towards holding longer.
        """


class Release(msgspec.Struct, frozen=True):
    """What one step lets go.

    `text` is safe to send; spans of hits to `mask` in it are replaced, one `*` a character. `hit`
    is the hit that ended the stream (`refuse` or `withhold`), or None. `noted` are the hits to
    `mask` and `note` that were decided in this step, for the record. Offsets count from the
    stream's start.
    """

    text: str
    hit: Hit | None = None
    noted: tuple[Hit, ...] = ()


_NOTHING: Final = Release("")


def by_entry(hit: Hit) -> Action:
    """What the entry itself says, where no policy decides."""
    return hit.entry.action


class Window:
    """Holds back the end of one stream. One window a surface and choice: they never share one.

    `decide` says what happens on a hit, for instance by the policy of a profile.
    """

    def __init__(
        self, detectors: Sequence[Detector], decide: Callable[[Hit], Action] = by_entry
    ) -> None:
        self._detectors, self._decide = detectors, decide
        self._context = max([detector.context for detector in detectors], default=0)
        self._buffer = ""  # what was let go last, as left context; then what is held
        self._seen = 0  # how many characters at the front of the buffer have been let go
        self._origin = 0  # where in the stream the buffer begins
        self._masked = 0  # stream offset up to which text is covered by a mask
        self._hit: Hit | None = None
        self._closed = False

    def feed(self, text: str, *, last: bool = False) -> Release:
        """Take the next piece and release what no later piece can make part of a hit.

        With `last` the stream ends: what was held is released, or stopped. After a hit every further
        piece releases nothing and gives the same hit. Raises `Problem` after the last piece.
        """
        if self._closed:
            raise Problem(
                "window.closed",
                "Text came after the end of its stream. Open a new window for each stream.",
            )
        self._closed = last
        if self._hit:
            return Release("", self._hit)
        self._buffer += text
        release = self._let_go(len(self._buffer) if last else self._decided())
        return release if self.held <= MOST_HELD else self._overflow(release)

    @property
    def held(self) -> int:
        """How many characters are held back now."""
        return len(self._buffer) - self._seen

    def _decided(self) -> int:
        """Return where the held text begins: what any detector calls live, or after it."""
        end = len(self._buffer)
        for detector in self._detectors:
            # No more than a scan looks at: before that, nothing can become a hit any more.
            skip = max(self._seen - detector.context, 0)
            end = min(end, skip + detector.live(self._buffer[skip:]))
        return max(end, self._seen)

    def _let_go(self, end: int) -> Release:
        if end == self._seen and not self._closed:
            return _NOTHING
        found = self._hits(end)
        if not found and self._masked <= self._origin:  # nearly always
            text = self._buffer[self._seen : end]
            self._forget(end)
            return Release(text)
        stop = next((hit for hit, action in found if action in _STOPS), None)
        if stop is not None:
            self._hit, end = stop, stop.start - self._origin
            found = [(hit, action) for hit, action in found if hit.start < stop.start]
        masks = [hit for hit, action in found if action == "mask"]
        text = self._cover(self._buffer[self._seen : end], masks)
        self._forget(end)
        return Release(text, stop, tuple(hit for hit, _ in found))

    def _hits(self, end: int) -> list[tuple[Hit, Action]]:
        """Return the hits that begin in the text about to go: by start, the longest first."""
        found = []
        for detector in self._detectors:
            skip = max(self._seen - detector.context, 0)
            shift = self._origin + skip
            for hit in detector.scan(self._buffer[skip:]):
                if self._seen <= hit.start + skip < end:
                    moved = Hit(hit.start + shift, hit.end + shift, hit.entry) if shift else hit
                    found.append((moved, self._decide(moved)))
        if len(found) > 1:
            found.sort(key=lambda each: (each[0].start, -each[0].end))
        return found

    def _cover(self, text: str, masks: list[Hit]) -> str:
        """Replace what masks cover in the text about to go."""
        first = self._origin + self._seen
        spans = [(first, self._masked), *((hit.start, hit.end) for hit in masks)]
        self._masked = max(end for _, end in spans)
        letters = list(text)
        for start, end in spans:
            for place in range(start - first, min(end - first, len(text))):
                letters[place] = "*"
        return "".join(letters)

    def _forget(self, end: int) -> None:
        kept = max(end - self._context, 0)
        self._buffer = self._buffer[kept:]
        self._origin += kept
        self._seen = end - kept

    def _overflow(self, release: Release) -> Release:
        """Fail closed when more is held than may be; of what is held nothing goes out."""
        if self._hit:
            return release
        start = self._origin + self._seen
        self._hit = Hit(start, start + self.held, OVERFLOW)
        return Release(release.text, self._hit, release.noted)
