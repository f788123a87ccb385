"""Minimisation 最小必要: a model sees `[MOBILE_1]`, the user reads the number again in the answer.

Personal information that the task does not need is not given on (PIPL Art. 6). What a user wrote is
replaced by tokens before the model is asked, and the tokens in its answer by what the user wrote.
The model's own answer is scanned before its tokens are put back, so that nobody's own number is
masked from them.
"""

import re
from collections.abc import Collection
from typing import Final

from hegui.safety.personal import ENTRIES, KINDS
from hegui.safety.window import Detector

# Capitals, an underscore and a number in square brackets: models copy it like a placeholder of a
# form, and it is plain ASCII in every tokenizer.
_TOKEN: Final = re.compile(r"\[[A-Z_]{1,16}_[0-9]{1,9}\]")
_WRITTEN: Final = "TEXT"  # stands for what the user wrote in the form of a token
HIDDEN: Final = frozenset(kind for kind in KINDS if ENTRIES[kind].action == "mask")


class Restorer:
    """Puts the values back into one answer, holding only what may begin a token."""

    def __init__(self, values: dict[str, str]) -> None:
        self._values = values
        self._held = ""

    def feed(self, text: str, *, last: bool = False) -> str:
        """Take the next piece of the answer and return what is certain; with `last`, all."""
        text = self._held + text
        end = len(text) if last else self._certain(text)
        self._held = text[end:]
        return _TOKEN.sub(lambda match: self._values.get(match[0], match[0]), text[:end])

    def _certain(self, text: str) -> int:
        """Return where a token begins that has not ended yet, else the end."""
        start = text.rfind("[")
        if start < 0 or not any(token.startswith(text[start:]) for token in self._values):
            return len(text)
        # A whole token also begins itself; it waits for nothing.
        return len(text) if text.endswith("]") else start


class Minimiser:
    """The tokens of one exchange: the same value, written the same way, has the same token.

    Where the user writes what looks like a token, that is hidden behind a token too, and so comes
    back as it was written, never as somebody's value.
    """

    def __init__(self, personal: Detector, kinds: Collection[str] = HIDDEN) -> None:
        self._personal, self._kinds = personal, kinds
        self._tokens: dict[tuple[str, str], str] = {}
        self._counts: dict[str, int] = {}

    def hide(self, text: str) -> str:
        """Return `text` with every value of the kinds replaced by its token."""
        parts, done = [], 0
        for start, end, name in self._spans(text):
            parts += [text[done:start], self._token(name, text[start:end])]
            done = end
        return "".join([*parts, text[done:]])

    def restorer(self) -> Restorer:
        """Return what puts the values back, one for each stream of the answer."""
        return Restorer({token: value for (_, value), token in self._tokens.items()})

    def _spans(self, text: str) -> list[tuple[int, int, str]]:
        """Return what to hide, in order; what overlaps is hidden as one, by the name of the first."""
        found = [
            (hit.start, hit.end, hit.entry.term.upper())
            for hit in self._personal.scan(text)
            if hit.entry.term in self._kinds
        ]
        found += [(match.start(), match.end(), _WRITTEN) for match in _TOKEN.finditer(text)]
        merged: list[tuple[int, int, str]] = []
        for start, end, name in sorted(found, key=lambda span: (span[0], -span[1])):
            if merged and start < merged[-1][1]:
                first, before, known = merged[-1]
                merged[-1] = (first, max(before, end), known)
            else:
                merged.append((start, end, name))
        return merged

    def _token(self, name: str, value: str) -> str:
        if (name, value) not in self._tokens:
            self._counts[name] = self._counts.get(name, 0) + 1
            self._tokens[name, value] = f"[{name}_{self._counts[name]}]"
        return self._tokens[name, value]
