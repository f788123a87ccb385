"""Ranked search over a few hundred short texts: Okapi BM25 over words and pairs of characters."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

_K1: Final = 1.2  # how soon repeating a term stops helping
_B: Final = 0.75  # how much a long text is held against it
_RUN: Final = re.compile("[\u3400-\u9fff]+|[a-z0-9]+")
# Tried in this order; what is left must keep four letters, so that "filing" does not become "fil".
_ENDINGS: Final = re.compile("(?<=[a-z]{4})(?:ations?|ators?|ating|ated|ates|ate|ings?|ed|es|s|e)$")
_DOUBLE: Final = re.compile(r"(?<=[a-z]{3})([bdglmnprt])\1$")


class Match(msgspec.Struct, frozen=True):
    """A text found: its place in the list, its BM25 score, and what of the question it holds.

    `shared` counts the question's terms in it; `coverage` is their share of all the question's
    terms, 0 to 1, each weighed by its rarity.
    """

    place: int
    score: float
    shared: int
    coverage: float


def terms(text: str, stop: re.Pattern[str]) -> list[str]:
    """Return the search terms of a text: stems of words, and each pair of Han characters.

    What `stop` matches is left out, and characters on its two sides make no pair. A Han character
    that stands alone is a term itself.
    """
    found = []
    for run in _RUN.findall(stop.sub(" ", text.casefold())):
        if run.isascii():
            found.append(_stem(run))
        else:
            found += [run[i : i + 2] for i in range(max(len(run) - 1, 1))]
    return found


def _stem(word: str) -> str:
    """Cut endings crudely, so that label, labels, labelled and labelling are one term."""
    return _DOUBLE.sub(r"\1", _ENDINGS.sub("", word))


class Index:
    """Finds the texts that share rare terms with a question; it never changes."""

    def __init__(self, texts: Sequence[str], stop: re.Pattern[str]) -> None:
        self._stop = stop
        counts = [Counter(terms(text, stop)) for text in texts]
        sizes = [count.total() for count in counts]
        mean = sum(sizes) / len(sizes)
        spread = Counter(term for count in counts for term in count)
        self._idf = {term: _rarity(held, len(texts)) for term, held in spread.items()}
        # Of two neighbouring pairs of characters one often spans two words, and is nobody's term.
        rarest = _rarity(0, len(texts))
        self._unknown = {True: rarest, False: rarest / 2}  # by: is it a word of ASCII letters
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for place, (count, size) in enumerate(zip(counts, sizes, strict=True)):
            damping = _K1 * (1 - _B + _B * size / mean)
            for term, times in count.items():
                weight = self._idf[term] * times * (_K1 + 1) / (times + damping)
                self._postings[term].append((place, weight))

    def find(self, question: str) -> list[Match]:
        """Return every text that shares a term with the question, the best first."""
        wanted = dict.fromkeys(terms(question, self._stop))
        whole = sum(self._idf.get(term, self._unknown[term.isascii()]) for term in wanted)
        scores: dict[int, float] = defaultdict(float)
        held: dict[int, list[float]] = defaultdict(list)
        for term in wanted:
            for place, weight in self._postings.get(term, ()):
                scores[place] += weight
                held[place].append(self._idf[term])
        found = [
            Match(place, scores[place], len(weights), sum(weights) / whole)
            for place, weights in held.items()
        ]
        return sorted(found, key=lambda match: (-match.score, match.place))


def _rarity(held: int, texts: int) -> float:
    return math.log(1 + (texts - held + 0.5) / (held + 0.5))
