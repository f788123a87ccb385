"""Three-valued evaluation of the decision tables: true, false, or not known yet.

An unanswered fact is unknown, never "no". A fact answered with `UNKNOWN` is the same, only that
nobody is asked for it again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Final

import msgspec

from hegui.law.model import AtLeast, DecisionRow, DecisionTable, Fact, Rule, Tables, Test

UNKNOWN: Final = "unknown"
_NONE: Final = ""  # the id of no row
Value = bool | int | str | Sequence[str]
Answers = Mapping[str, Value]


class Decision(msgspec.Struct, frozen=True):
    """What a table says: the rows that hold, and those that may once `missing` is answered.

    `gap`: with some of the answers that are missing, or with those given, no row holds.
    """

    table: DecisionTable
    rows: tuple[DecisionRow, ...] = ()
    possible: tuple[DecisionRow, ...] = ()
    missing: tuple[str, ...] = ()
    gap: bool = False


class Reading:
    """The tables read against one set of answers; everything is worked out once, when asked for."""

    def __init__(self, tables: Tables, answers: Answers) -> None:
        self._answers = {name: value for name, value in answers.items() if value != UNKNOWN}
        self._facts = {fact.id: fact for fact in tables.facts}
        self._circumstances = tables.circumstances
        self._setters = {
            name: table for table in tables.decisions for row in table.rows for name in row.sets
        }
        self._known: dict[str, Value | None] = {}
        self._decided: dict[str, Decision] = {}

    # -- values ------------------------------------------------------------------------------------

    def value(self, name: str) -> Value | None:
        """The value of a fact, a circumstance or what a row sets; None while it is not known."""
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    def _find(self, name: str) -> Value | None:
        if name in self._facts:
            return self._answers.get(name)
        if name in self._circumstances:
            return self.holds(self._circumstances[name])
        decision = self.decide(self._setters[name])
        # Where every row that is still possible says the same, it does not matter which it will be.
        rows = [row for row in decision.possible if not row.besides] or decision.rows
        said = {row.sets.get(name) for row in rows if not row.besides}
        return said.pop() if len(said) == 1 and not decision.gap else None

    def holds(self, rule: Rule, assumed: Answers | None = None) -> bool | None:
        """Whether a rule holds, `assumed` before what was answered; None if that is not known."""
        if not rule:
            return True
        groups = [
            _all(self._meets(name, test, assumed or {}) for name, test in group.items())
            for group in rule
        ]
        return True if True in groups else None if None in groups else False

    def _meets(self, name: str, test: Test, assumed: Answers) -> bool | None:
        value = assumed[name] if name in assumed else self.value(name)
        return None if value is None else _meets(value, test)

    # -- tables ------------------------------------------------------------------------------------

    def decide(self, table: DecisionTable) -> Decision:
        if table.id not in self._decided:
            self._decided[table.id] = self._decide(table)
        return self._decided[table.id]

    def _decide(self, table: DecisionTable) -> Decision:
        guard = self.holds(table.when)
        if guard is False:
            return Decision(table)
        if guard is None:
            all_rows = tuple(row for row in table.rows if not row.otherwise)
            wanted = [*self._wanted(table.when), *self._beside(table)[2]]
            return Decision(table, possible=all_rows, missing=self._facts_of(wanted))
        rows, possible, wanted = self._beside(table)
        gap = False
        if table.mode == "first":
            found, gap, names = self._first(table)
            wanted = [*names, *wanted]
            if len(found) == 1 and not gap:
                rows = [*found, *rows]
            else:
                rows = [row for row in table.rows if row.otherwise] + rows
                possible = [*found, *possible]
        asked = [name for row in rows for name in row.asks]
        missing = self._facts_of([*wanted, *asked])
        return Decision(table, tuple(rows), tuple(possible), missing, gap)

    def _beside(
        self, table: DecisionTable
    ) -> tuple[list[DecisionRow], list[DecisionRow], list[str]]:
        """Of the rows that hold or not by themselves: those that do, may, and what that hangs on."""
        rows = [row for row in table.rows if row.besides or table.mode == "all"]
        states = [(row, self.holds(row.when)) for row in rows]
        possible = [row for row, state in states if state is None]
        wanted = [name for row in possible for name in self._wanted(row.when)]
        return [row for row, state in states if state], possible, wanted

    def _first(self, table: DecisionTable) -> tuple[list[DecisionRow], bool, list[str]]:
        """The rows that may hold first, whether perhaps none does, and what that depends on."""
        rows = [row for row in table.rows if not row.besides and not row.otherwise]
        found: set[str] = set()
        names: dict[str, None] = {}

        def follow(start: int, assumed: dict[str, Value]) -> None:
            for number in range(start, len(rows)):
                row = rows[number]
                if (state := self.holds(row.when, assumed)) is None:
                    name = self._wanted(row.when, assumed)[0]
                    names[name] = None
                    for value in self._domain(name):
                        follow(number, {**assumed, name: value})
                    return
                if state:
                    found.add(row.id)
                    return
            found.add(_NONE)

        follow(0, {})
        return [row for row in rows if row.id in found], _NONE in found, list(names)

    def _domain(self, name: str) -> tuple[Value, ...]:
        fact = self._facts.get(name)
        if fact is None or fact.kind == "yes_no":
            return (True, False)
        return tuple(choice.id for choice in fact.choices)

    # -- what to ask -------------------------------------------------------------------------------

    def _wanted(self, rule: Rule, assumed: Answers | None = None) -> list[str]:
        """The unknown names on which a rule depends that is not known, first the first."""
        assumed = assumed or {}
        found = []
        for group in rule:
            states = {name: self._meets(name, test, assumed) for name, test in group.items()}
            if False not in states.values():
                found += [name for name, state in states.items() if state is None]
        return found

    def _facts_of(self, names: Iterable[str]) -> tuple[str, ...]:
        """The unanswered facts that these names depend on, each once."""
        return tuple(dict.fromkeys(fact for name in names for fact in self._behind(name)))

    def _behind(self, name: str) -> Iterator[str]:
        if self.value(name) is not None:
            return
        if name in self._facts:
            yield name
        elif name in self._circumstances:
            yield from self.missing(self._circumstances[name])
        else:
            yield from self.decide(self._setters[name]).missing

    def missing(self, rule: Rule) -> Iterator[str]:
        """The unanswered facts that decide whether a rule holds; none once that is known."""
        if self.holds(rule) is None:
            yield from self._facts_of(self._wanted(rule))


def _all(states: Iterator[bool | None]) -> bool | None:
    found = list(states)
    return False if False in found else None if None in found else True


def _meets(value: Value, test: Test) -> bool:
    if isinstance(test, AtLeast):
        return isinstance(value, int) and value >= test.at_least
    if isinstance(test, bool):
        return value is test
    return bool(set(test) & ({value} if isinstance(value, str) else set(value)))  # type: ignore[arg-type]


def is_valid(fact: Fact, value: object) -> bool:
    """Whether a value is an answer to this fact."""
    choices = {choice.id for choice in fact.choices}
    if value == UNKNOWN:
        return True
    if fact.kind == "yes_no":
        return isinstance(value, bool)
    if fact.kind == "number":
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if fact.kind == "several":
        return isinstance(value, list | tuple) and all(each in choices for each in value)
    if fact.kind == "choice":
        return isinstance(value, str) and value in choices
    return _is_date(value)


def _is_date(value: object) -> bool:
    try:
        msgspec.convert(value, date)
    except msgspec.ValidationError:
        return False
    return isinstance(value, str)
