"""Scoping 适用范围判断: which duties a service has, decided by tables over answered facts (IM-2).

Pure: answers in, a `Scope` out. The tables are data (`scope.yaml`, `decisions.yaml`); what they
leave to counsel is said with a cautious default, and what is not known counts as applying.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cached_property
from hashlib import sha256
from typing import Final, Literal, TypeVar

import msgspec

from hegui.language import N_, Problem, Text, say
from hegui.law.load import Register, register
from hegui.law.model import DecisionRow, Fact, Obligation
from hegui.law.reading import UNKNOWN, Answers, Decision, Reading, Value, is_valid

Answer = Literal["yes", "no", "unknown"]
EVERYBODY: Final = ("U", "X")  # using a service, and being anyone: true of every operator
MEASURES: Final = "measures"  # what the rows of the first table settle: do the Measures apply?
T = TypeVar("T")
_DEAD: Final = {"draft", "superseded"}


class Applies(msgspec.Struct, frozen=True):
    """Whether an obligation is this service's own, and why; `row` decided it, if one did."""

    answer: Answer
    message: str
    values: Mapping[str, tuple[Text, ...]] = {}
    row: DecisionRow | None = None

    @property
    def counts(self) -> bool:
        """Whether to act as if it applies: what is not known does."""
        return self.answer != "no"

    def say(self, language: str) -> str:
        """The reason, in the reader's language."""
        told = {
            name: ", ".join(text.say(language) for text in texts)
            for name, texts in self.values.items()
        }
        return say(language, self.message, row=self.row.id if self.row else "", **told)


class Scope:
    """What the tables say of one service. `answers` are those that were given."""

    def __init__(self, book: Register, answers: Answers) -> None:
        self._book = book
        self._reading = Reading(book.tables, answers)
        self.answers = dict(answers)
        self.version = version(book)

    @cached_property
    def decisions(self) -> tuple[Decision, ...]:
        """What each table about the service says, in the order of the tables."""
        return tuple(self._reading.decide(table) for table in self._book.tables.decisions
                     if not table.event)  # fmt: skip

    def decision(self, table_id: str) -> Decision:
        """What one table says; that of an event too, over answers about the event."""
        found = {table.id: table for table in self._book.tables.decisions}
        return self._reading.decide(found[table_id])

    @cached_property
    def rows(self) -> tuple[DecisionRow, ...]:
        """The rows that hold."""
        return tuple(row for decision in self.decisions for row in decision.rows)

    @property
    def counsel(self) -> tuple[DecisionRow, ...]:
        """The rows that hold and whose reading is for counsel; each has a cautious default."""
        return tuple(row for row in self.rows if row.uncertain)

    @cached_property
    def circumstances(self) -> dict[str, bool | None]:
        """Every circumstance of the vocabulary: true, false, or None while it is not known.

        One without a rule is never known, so it counts.
        """
        rules = self._book.tables.circumstances
        return {
            code: self._reading.holds(rules[code]) if code in rules else None
            for code in self._book.vocabulary.get("circumstance", {})
        }

    @cached_property
    def roles(self) -> dict[str, bool | None]:
        """Which actor the operator is. A user and anyone: always; an authority: never."""
        rules = self._book.tables.roles.items()
        found: dict[str, bool | None] = {code: self._reading.holds(rule) for code, rule in rules}
        return {**found, **dict.fromkeys(EVERYBODY, True), "A": False}

    @cached_property
    def outcomes(self) -> dict[str, bool | None]:
        """What the rows settle, such as `measures` and `algorithm_filing`; None: not known."""
        names = {
            name: self._reading.value(name)
            for table in self._book.tables.decisions
            for row in table.rows
            for name in row.sets
        }
        return {name: value if isinstance(value, bool) else None for name, value in names.items()}

    @cached_property
    def open_facts(self) -> tuple[Fact, ...]:
        """The facts without an answer on which something still depends, in the order of asking."""
        missing = set(self._missing())
        return tuple(fact for fact in self._book.tables.facts if fact.id in missing)

    def _missing(self) -> Iterator[str]:
        tables = self._book.tables
        for decision in self.decisions:
            yield from decision.missing
        for rule in (*tables.circumstances.values(), *tables.roles.values()):
            yield from self._reading.missing(rule)

    # -- whose duty it is --------------------------------------------------------------------------

    def applies(self, duty: Obligation) -> Applies:
        """Whether a duty is this service's own.

        A row that only has to be settled (`modality: none`) is everybody's; what a draft or a
        superseded instrument says, nobody's.
        """
        code = duty.id.partition("-")[0]
        instrument = self._book.instrument(code)
        if instrument.status in _DEAD:
            status = self._book.term("status", instrument.status)
            message = N_("{title} is not in force ({status}): it binds nobody.")
            return Applies("no", message, {"title": (instrument.title,), "status": (status,)})
        settled = duty.modality == "none"
        found = [self._by_circumstances(duty)]
        if not settled:
            found = [self._by_roles(duty), *found]
        if code == "IM" and not settled:
            found = [self._by_measures(), *found]
        for answer in ("no", "unknown"):
            for each in found:
                if each.answer == answer:
                    return each
        return found[0]

    def _by_measures(self) -> Applies:
        decision = self.decision(MEASURES)
        row = next(iter(decision.rows), None)
        told: dict[str, tuple[Text, ...]] = {"result": (row.result,)} if row else {}
        if self.outcomes[MEASURES] is None:
            message = N_("Whether the Measures apply is not known yet ({row}): {result}")
            return Applies("unknown", message, told, row)
        if self.outcomes[MEASURES]:
            return Applies("yes", N_("The Measures apply ({row}): {result}"), told, row)
        return Applies("no", N_("The Measures do not apply ({row}): {result}"), told, row)

    def _by_roles(self, duty: Obligation) -> Applies:
        words = {code: self._book.term("actor", code) for code in duty.actors}
        told = {"actors": tuple(words.values())}
        states = {self.roles.get(code) for code in duty.actors}
        if True in states:
            return Applies("yes", N_("It binds: {actors}."), told)
        if None in states:
            return Applies(
                "unknown", N_("It binds: {actors}. Whether you are one is not known yet."), told
            )
        return Applies("no", N_("It binds: {actors}. You are none of them."), told)

    def _by_circumstances(self, duty: Obligation) -> Applies:
        words = {
            state: tuple(
                self._book.term("circumstance", code)
                for code in duty.applies
                if self.circumstances.get(code) is state
            )
            for state in (False, None)
        }
        if lacking := words[False]:
            return Applies(
                "no", N_("It is for a service of another kind: {lacking}."), {"lacking": lacking}
            )
        if unknown := words[None]:
            message = N_("Not known yet, so it counts as applying: {unknown}.")
            return Applies("unknown", message, {"unknown": unknown})
        return Applies("yes", N_("Nothing more is asked for it to apply."))


class Changes(msgspec.Struct, frozen=True):
    """What differs between two scopes: facts, then what follows from them, each old and new.

    `rows` are by table; the others by name: a circumstance, a role or what a row settles.
    """

    facts: dict[str, tuple[object, object]] = {}
    rows: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}
    names: dict[str, tuple[bool | None, bool | None]] = {}

    @property
    def decided(self) -> bool:
        """Whether anything was decided otherwise, beyond the facts themselves."""
        return bool(self.rows or self.names)


def decide(answers: Answers, book: Register | None = None) -> Scope:
    """What follows from these answers.

    Raises:
        Problem: `law.no-fact` or `law.answer`, when an answer is to no fact or has another form.
    """
    check(answers, book)
    return Scope(_shipped(book), answers)


def next_question(answers: Answers, book: Register | None = None) -> Fact | None:
    """The next fact to ask for, or None: only facts that something still depends on are asked.

    A fact answered with "unknown" stays open and is not asked again.
    """
    wanted = decide(answers, book).open_facts
    return next((fact for fact in wanted if fact.id not in answers), None)


def check(answers: Answers, book: Register | None = None) -> None:
    """Refuse answers that no fact asks for, or of another form than theirs."""
    facts = {fact.id: fact for fact in _shipped(book).tables.facts}
    for name, value in answers.items():
        if name not in facts:
            raise Problem(
                "law.no-fact",
                "Scoping asks for no fact {name}: `hegui law scope --facts` shows those it does.",
                name=name,
            )
        if not is_valid(facts[name], value):
            raise Problem(
                "law.answer",
                "“{value}” is no answer to {name}: give {form}, or “{unknown}”.",
                name=name,
                value=value,
                form=_form(facts[name]),
                unknown=UNKNOWN,
            )


def fitting(answers: Answers, book: Register | None = None) -> dict[str, Value]:
    """The answers that today's facts still ask for: what was asked otherwise once is open again."""
    facts = {fact.id: fact for fact in _shipped(book).tables.facts}
    return {
        name: value
        for name, value in answers.items()
        if name in facts and is_valid(facts[name], value)
    }


def _shipped(book: Register | None) -> Register:
    return register() if book is None else book  # an empty register is false


def _form(fact: Fact) -> str:
    """The form of an answer, in JSON."""
    choices = " | ".join(f'"{choice.id}"' for choice in fact.choices)
    return {
        "yes_no": "true | false",
        "number": "0, 1, 2 …",
        "date": f'"{date(2026, 1, 31)}"',
        "several": f"[{choices}]",
        "choice": choices,
    }[fact.kind]


def changed_facts(old: Scope, new: Scope) -> Changes:
    """Which answers differ between two scopes, and what is decided otherwise because of it."""
    before, after = ({d.table.id: _ids(d.rows) for d in each.decisions} for each in (old, new))
    was, now = ({**each.outcomes, **each.circumstances, **each.roles} for each in (old, new))
    return Changes(
        _differences(old.answers, new.answers, None),
        _differences(before, after, ()),
        _differences(was, now, None),
    )


def _ids(rows: Iterable[DecisionRow]) -> tuple[str, ...]:
    return tuple(row.id for row in rows)


def _differences(old: Mapping[str, T], new: Mapping[str, T], absent: T) -> dict[str, tuple[T, T]]:
    pairs = {name: (old.get(name, absent), new.get(name, absent)) for name in {**old, **new}}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def version(book: Register | None = None) -> str:
    """SHA-256 of facts, tables and rules: what was decided by which tables can always be told."""
    tables = _shipped(book).tables
    told = (tables.facts, tables.decisions, tables.circumstances, tables.roles)
    return sha256(msgspec.json.encode(told, order="deterministic")).hexdigest()
