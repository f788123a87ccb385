"""The window 滑动窗口: what of a stream may go out now, so that nothing of a hit ever does.

Looking back at a stream finds a word when half of it has been sent; the window holds text back
instead. At any cutting of the stream into pieces it releases the same text and gives the same
verdict as one scan of the whole.
"""

from typing import Final

import msgspec

from hegui.language import Problem
from hegui.safety.lexicon import GAP, Hit, Lexicon
from hegui.safety.normalise import fold, width

_STOPS: Final = frozenset({"refuse", "withhold"})


class Release(msgspec.Struct, frozen=True):
    """What one step lets go.

    `text` is safe to send; spans of `mask` entries in it are replaced, one `*` a character. `hit`
    is the hit that ended the stream (`refuse` or `withhold`), or None. `noted` are the `mask` and
    `note` hits that were decided in this step, for the record. Offsets count from the stream's
    start.
    """

    text: str
    hit: Hit | None = None
    noted: tuple[Hit, ...] = ()


class Window:
    """Holds back the end of one stream. One window a surface and choice: they never share one."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._buffer = ""  # one character already let go, if any, as left border; then what is held
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
        return self._let_go(len(self._buffer) if last else self._decided())

    def _decided(self) -> int:
        """Return where the held text begins: no hit from before it can grow by what comes.

        A hit begun before the last `longest` letters ends before the last letter, so its right
        border is known as well; one begun before a gap wider than `GAP` cannot cross it.
        """
        longest = self._lexicon.longest
        index = len(self._buffer)
        missing = longest
        # Counting the letters of a slice is several times quicker than a walk, and in ordinary text
        # one slice, or another longer by the separators in the first, already has enough. Holding
        # a little more than needed is harmless, so a short buffer is not looked at closely.
        for _ in range(3):
            index -= missing
            if index <= self._seen:
                return self._seen
            missing = longest - len(fold(self._buffer[index:]))
            if missing <= 0:
                return index
            if missing > GAP:
                break
        return self._walk()

    def _walk(self) -> int:
        """Find the same place letter by letter, and look out for a wide gap on the way."""
        letters = separators = 0
        for index in range(len(self._buffer) - 1, self._seen - 1, -1):
            letter = width(self._buffer[index])
            letters += letter
            separators = 0 if letter else separators + 1
            if separators > GAP:
                return index + separators
            if letters >= self._lexicon.longest:
                return index
        return self._seen

    def _let_go(self, end: int) -> Release:
        if end == self._seen and not self._closed:
            return Release("")
        hits = [
            Hit(hit.start + self._origin, hit.end + self._origin, hit.entry)
            for hit in self._lexicon.scan(self._buffer)
            if self._seen <= hit.start < end
        ]
        stop = next((hit for hit in hits if hit.entry.action in _STOPS), None)
        if stop:
            self._hit, end = stop, stop.start - self._origin
            hits = [hit for hit in hits if hit.start < stop.start]
        text = self._buffer[self._seen : end]
        noted = tuple(hit for hit in hits if hit is not stop)
        if noted or self._masked > self._origin:
            text = self._cover(text, noted)
        self._forget(end)
        return Release(text, stop, noted)

    def _cover(self, text: str, noted: tuple[Hit, ...]) -> str:
        """Replace what masks cover in the text about to go."""
        first = self._origin + self._seen
        spans = [(first, self._masked)]
        spans += [(hit.start, hit.end) for hit in noted if hit.entry.action == "mask"]
        self._masked = max(end for _, end in spans)
        letters = list(text)
        for start, end in spans:
            for place in range(start - first, min(end - first, len(text))):
                letters[place] = "*"
        return "".join(letters)

    def _forget(self, end: int) -> None:
        kept = max(end - 1, 0)
        self._buffer = self._buffer[kept:]
        self._origin += kept
        self._seen = end - kept
