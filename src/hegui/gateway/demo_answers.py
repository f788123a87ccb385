"""What the demo model says: rows of the register, a short list of own answers, scripted cases."""

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec

from hegui.gateway.demo_index import Index, Match
from hegui.language import LANGUAGES, Text
from hegui.law import Article, Clock, Interpretation, Obligation, Provision, Register, register
from hegui.safety.normalise import fold

_INSTRUMENT: Final = "IM"  # the Interim Measures; the demo model speaks of no other instrument
# Below this share of the question found in a text, or if one term is all they have in common, the
# question is about something else; unless that term is nearly all there is to the question.
_COVERAGE: Final = 0.28
_WHOLE: Final = 0.9
_LONGEST: Final = 2000  # the patterns take the square of a text's length at worst
_SEE_ALSO: Final = 3
_NEAR: Final = 0.6  # of the best score: near enough to be named under "see also"
_HAN: Final = re.compile("[\u3400-\u9fff]")
_WORD: Final = re.compile("[A-Za-z]+")
# In Chinese, about this many characters say what one English word says.
_HAN_A_WORD: Final = 1.5


class Manner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an answer comes: HTTP status, seconds before it starts, factor on its gaps, a break."""

    status: int = 200
    first_seconds: float = 0
    slowness: float = 1
    broken: bool = False


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scripted case: the phrase that calls it, what it shows, and what it says."""

    phrase: Text
    shows: Text
    says: Text
    manner: Manner = Manner()


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An own answer to a frequent question; `cites` are rows of the register."""

    question: Text
    answer: Text
    cites: tuple[str, ...] = ()


class _Patterns(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Regular expressions; `greeting` and `menu` are matched against the folded question."""

    greeting: str
    menu: str
    article: str
    elsewhere: str
    here: str
    stop: Text


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything in demo.yaml; see there for what each text is for."""

    opening: Text
    closing: Text
    greeting: Text
    off_topic: Text
    ability: Text
    menu: Text
    menu_line: Text
    elsewhere: Text
    no_article: Text
    words: dict[str, Text]
    numerals: str
    patterns: _Patterns
    also: dict[str, dict[str, str]]
    suggestions: tuple[Text, ...]
    cases: tuple[Case, ...]
    faq: tuple[Entry, ...]


class Answer(msgspec.Struct, frozen=True):
    text: str
    manner: Manner = Manner()


class _Passage(msgspec.Struct, frozen=True):
    """One thing that can be found: its text for the search, the answer, its name for "see also".

    `cite` is what an answer that speaks of the same thing holds.
    """

    search: str
    answer: str
    cite: str
    name: str


@cache
def script() -> Script:
    """Return the texts that ship with the demo model; read once a process."""
    text = files("hegui.gateway").joinpath("demo.yaml").read_bytes()
    return msgspec.yaml.decode(text, type=Script)


def suggestions(language: str) -> list[str]:
    """Return four things to try, for an empty chat page in `language` ("zh" or "en")."""
    return [text.say(language) for text in script().suggestions]


def language_of(text: str) -> str:
    """Return "zh" or "en", by whether Chinese or English says more of the text."""
    han, words = len(_HAN.findall(text)), len(_WORD.findall(text))
    return "zh" if han >= words * _HAN_A_WORD else "en"


def answer(question: str) -> Answer:
    """Answer one question, in its own language; what was said before is not looked at.

    Of a long text, the first 2,000 characters count.
    """
    question = question[:_LONGEST]
    return _book(language_of(question)).answer(question)


@cache
def _book(language: str) -> "_Book":
    return _Book(language, script(), register())


def _fits(match: Match) -> bool:
    return match.coverage >= (_COVERAGE if match.shared > 1 else _WHOLE)


class _Book:
    """The answers in one language."""

    def __init__(self, language: str, texts: Script, law: Register) -> None:
        self._language, self._script, self._law = language, texts, law
        self._provisions = [row for row in law.provisions if row.instrument == _INSTRUMENT]
        self._numbers = {self._numeral(number): number for number in range(1, 100)}
        self._passages = list(self._read())
        stop = re.compile(texts.patterns.stop.say(language))
        self._index = Index([passage.search for passage in self._passages], stop)

    def answer(self, question: str) -> Answer:
        folded = fold(question)
        for case in self._script.cases:
            if any(fold(case.phrase.say(language)) in folded for language in LANGUAGES):
                return Answer(self._open(case.says.say(self._language)), case.manner)
        return Answer(self._open(self._reply(question, folded)))

    def _reply(self, question: str, folded: str) -> str:
        texts, patterns = self._script, self._script.patterns
        if re.search(patterns.menu, folded):
            return self._menu()
        if not folded or re.search(patterns.greeting, folded):
            return f"{self._say(texts.greeting)}\n{self._ability()}"
        if asked := re.search(patterns.article, question, re.IGNORECASE):
            return self._article(question, asked)
        return self._found(question) or f"{self._say(texts.off_topic)}\n{self._ability()}"

    def _open(self, text: str) -> str:
        return f"{self._say(self._script.opening)}\n{text}"

    def _say(self, text: Text, /, **values: object) -> str:
        told = text.say(self._language)
        return told.format(**values) if values else told

    def _ability(self) -> str:
        return self._say(self._script.ability)

    def _menu(self) -> str:
        lines = [
            self._say(
                self._script.menu_line,
                phrase=case.phrase.say(self._language),
                shows=case.shows.say(self._language),
            )
            for case in self._script.cases
        ]
        return "\n".join([self._say(self._script.menu), *lines])

    def _article(self, question: str, asked: re.Match[str]) -> str:
        """Answer with every row of the article, unless another instrument's is meant."""
        patterns = self._script.patterns
        named = re.search(patterns.here, question, re.IGNORECASE)
        if not named and re.search(patterns.elsewhere, question, re.IGNORECASE):
            return self._say(self._script.elsewhere)
        written = next(part for part in asked.groups() if part)
        number = int(written) if written.isdecimal() else self._numbers.get(written)
        last = max(int(row.path.article) for row in self._provisions)
        if not number or number > last:
            return self._say(self._script.no_article, last=last, numeral=self._numeral(last))
        rows = self._law.article(_INSTRUMENT, number)
        return "\n".join([*self._rows(rows), self._say(self._script.closing)])

    def _rows(self, article: Article) -> Iterator[str]:
        for row in article.provisions:
            duties = [duty for duty in article.obligations if row.id in duty.provisions]
            yield from (self._duty(duty) for duty in duties)
            if not duties:
                yield self._provision(row)

    def _found(self, question: str) -> str:
        """Return the best passage and the names of those near it, or "" if none fits."""
        wider = " ".join(
            words
            for pattern, words in self._script.also[self._language].items()
            if re.search(pattern, question, re.IGNORECASE)
        )
        matches = [match for match in self._index.find(f"{question} {wider}") if _fits(match)]
        if not matches:
            return ""
        best, *rest = matches
        near = [self._passages[match.place] for match in rest if match.score > _NEAR * best.score]
        chosen = self._passages[best.place]
        other = [passage.name for passage in near if passage.cite not in chosen.answer]
        names = list(dict.fromkeys(other))[:_SEE_ALSO]
        see = [self._word("see", names=self._join(names))] if names else []
        return "\n".join([chosen.answer, *see, self._say(self._script.closing)])

    def _read(self) -> Iterator[_Passage]:
        """Turn the register and the own answers into what can be found."""
        for entry in self._script.faq:
            yield self._frequent(entry)
        for row in self._provisions:
            duties = [duty for duty in self._law.obligations if row.id == duty.provisions[0]]
            if not duties:
                yield self._passage(row, self._provision(row))
            for duty in duties:
                yield self._passage(row, self._duty(duty, whole=True))
                yield from (self._reading(row, reading) for reading in duty.interpretations)

    def _frequent(self, entry: Entry) -> _Passage:
        question, said = entry.question.say(self._language), self._say(entry.answer)
        cites = [self._head(self._law.provision(row)) for row in entry.cites]
        rests = [self._word("basis", names=self._join(cites))] if cites else []
        # A question is worth more than the words of its answer.
        search, told = f"{question} {question} {said}", "\n".join([said, *rests])
        return _Passage(search, told, cite=said, name=question)

    def _passage(self, row: Provision, said: str) -> _Passage:
        facets = (self._say(self._law.term("facet", facet)) for facet in row.facets)
        search = f"{self._say(row.gloss)} {' '.join(facets)} {said}"
        return _Passage(search, said, self._cite(row), self._name(row))

    def _reading(self, row: Provision, reading: Interpretation) -> _Passage:
        question, default = self._say(reading.question), self._say(reading.default)
        told = self._word("reading", question=question, default=default)
        said = f"{self._head(row)}\n{told}"
        return _Passage(f"{question} {default}", said, self._cite(row), self._name(row))

    def _provision(self, row: Provision) -> str:
        note = f"\n{self._say(row.note)}" if row.note else ""
        return f"{self._head(row)}\n{self._say(row.gloss)}{note}"

    def _duty(self, duty: Obligation, *, whole: bool = False) -> str:
        """Tell a duty; the `whole` of it is who, when, how long and what is not settled, too."""
        modality = self._law.term("modality", duty.modality)
        head = self._head(self._law.provision(duty.provisions[0]), duty.verified)
        told = self._word("duty", modality=self._say(modality), text=self._say(duty.duty))
        lines = [head, told]
        if whole:
            actors = (self._law.term("actor", actor) for actor in duty.actors)
            lines += [
                self._word("who", names=self._join([self._say(actor) for actor in actors])),
                self._word("when", text=self._say(duty.trigger)),
                *(self._period(clock) for clock in duty.clocks if clock.amount and clock.unit),
            ]
        lines.append(self._word("evidence", text=self._say(duty.evidence)))
        if duty.needs_check:
            lines.append(self._word("needs_check", count=len(duty.interpretations)))
        return "\n".join(lines)

    def _period(self, clock: Clock) -> str:
        groups = {"kind": "clock", "unit": "unit", "calendar": "calendar", "anchor": "anchor"}
        told = {
            name: self._say(self._law.term(group, getattr(clock, name)))
            for name, group in groups.items()
        }
        figure = self._say(self._law.term("figure", clock.figure))
        mark = self._say(self._law.term("mark", clock.verified))
        return self._word("period", amount=clock.amount, figure=figure, mark=mark, **told)

    def _head(self, row: Provision, mark: str = "") -> str:
        """Return the citation with the mark that says how far the row was checked."""
        mark = mark or row.verified
        words = self._say(self._law.term("mark", mark))
        return self._word("head", cite=self._cite(row), id=row.id, mark=mark, words=words)

    def _cite(self, row: Provision) -> str:
        path = row.path
        parts = (("article", path.article), ("paragraph", path.paragraph), ("item", path.item))
        told = (
            self._word(name, number=number, numeral=self._numeral(int(number)))
            for name, number in parts
            if number is not None
        )
        return "".join(told)

    def _name(self, row: Provision) -> str:
        return f"{self._cite(row)} {self._say(row.gloss)}"

    def _join(self, names: list[str]) -> str:
        return self._word("join").join(names)

    def _numeral(self, number: int) -> str:
        """Write a number from 1 to 99 in Chinese."""
        digits, (tens, ones) = self._script.numerals, divmod(number, 10)
        ten = (digits[tens] if tens > 1 else "") + digits[10] if tens else ""
        return ten + (digits[ones] if ones else "")

    def _word(self, name: str, /, **values: object) -> str:
        return self._say(self._script.words[name], **values)
