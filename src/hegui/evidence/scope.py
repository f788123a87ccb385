"""The scope of the service as evidence: who answered what, and which decisions changed since (IM-2).

An answer is a step that is never changed; the last one counts. Numbers that hegui counts itself
are compared at every tick, and a threshold that was crossed is a step of its own.
"""

from typing import Any, Final

import msgspec
from sqlalchemy import Row, distinct, func, select
from sqlalchemy.exc import IntegrityError

from hegui.evidence.archive import Archive
from hegui.evidence.ledger import now
from hegui.language import Problem
from hegui.law.reading import Answers
from hegui.law.scoping import Changes, Scope, changed_facts, decide, fitting
from hegui.store.periods import period_of
from hegui.store.tables import keys, persons, scopings
from hegui.store.writer import Entry

CARRIES: Final = ("IM-2.1",)
COUNTER: Final = "counter"  # who answers for numbers that hegui counted
LONGEST_NAME: Final = 80  # characters: the width of the column
_encode = msgspec.json.Encoder(order="deterministic").encode


class Step(msgspec.Struct, frozen=True):
    """One answering: `changes` against the step before, decided by today's tables.

    `version` names the tables of its day; with those of another version it may have been decided
    otherwise then. `at` is a ledger time, `seq` the entry's number.
    """

    step: int
    version: str
    staff: str
    at: str
    seq: int
    scope: Scope
    changes: Changes


def answer(archive: Archive, answers: Answers, staff: str) -> Scope:
    """Put answers on record and return what follows; the same answers again change nothing.

    `staff` stays in the ledger for ever: a staff id or an office, no person's name. The counters
    join the answers; of a counted and an answered number the larger counts.

    Raises:
        Problem: `scope.staff`, `scope.stale`, and what `decide` raises.
    """
    if not 0 < len(staff) <= LONGEST_NAME or not staff.isprintable():
        raise Problem(
            "scope.staff",
            "Say who answers, in 1 to {longest} characters: a staff id or an office.",
            longest=LONGEST_NAME,
        )
    decide(answers)  # before the counters hide an answer of another form
    scope = decide(with_counters(archive, answers))
    last = _last(archive)
    text = _encode(scope.answers).decode()
    if last is None or (last.answers, last.version) != (text, scope.version):
        _record(archive, last.step + 1 if last else 1, scope.version, text, staff)
    return scope


def current(archive: Archive) -> Scope | None:
    """What follows, by today's tables, from the last answers; None before the first."""
    last = _last(archive)
    return _scope(last) if last else None


def history(archive: Archive) -> list[Step]:
    """Every answering, the first first, and what each changed."""
    with archive.store.read() as connection:
        rows = connection.execute(select(scopings).order_by(scopings.c.step)).all()
    steps: list[Step] = []
    for row in rows:
        scope = _scope(row)
        before = steps[-1].scope if steps else decide({})
        changes = changed_facts(before, scope)
        steps.append(Step(row.step, row.version, row.staff, row.at, row.seq, scope, changes))
    return steps


def counters(archive: Archive) -> dict[str, int]:
    """What hegui counts: registered users, and those who used the service this month (UTC).

    Users whose data was erased are not counted; those who never came through hegui neither.
    """
    # A person gets a key a month, with the first exchange of that month.
    month = period_of("content", now())
    active = select(func.count(distinct(keys.c.person))).where(
        keys.c.period == month, keys.c.retention == "content"
    )
    with archive.vault_database.read() as connection:
        registered = connection.execute(select(func.count()).select_from(persons)).scalar_one()
        return {
            "registered_users": registered,
            "monthly_users": connection.execute(active).scalar_one(),
        }


def with_counters(archive: Archive, answers: Answers) -> dict[str, Any]:
    """The answers, with every counted number that is larger than what was answered."""
    found = dict(answers)
    for name, count in counters(archive).items():
        said = found.get(name)
        if not isinstance(said, int) or said < count:
            found[name] = count
    return found


def reopened(archive: Archive) -> int:
    """Record the counted numbers if they change what was decided; how many decisions changed.

    A threshold that was crossed so becomes a step of its own, once; a number that changes nothing
    stays out of the ledger.
    """
    before = current(archive)
    if before is None:
        return 0
    after = decide(with_counters(archive, before.answers))
    changes = changed_facts(before, after)
    if not changes.decided:
        return 0
    answer(archive, before.answers, COUNTER)
    return len(changes.rows) + len(changes.names)


def _record(archive: Archive, step: int, version: str, answers: str, staff: str) -> None:
    facts = {"step": step, "version": version, "answers": answers, "staff": staff}
    entry = Entry("scope.answered", CARRIES, f"scope-{step}", facts, scopings)
    try:
        archive.writer.commit_now(entry)
    except IntegrityError as error:
        raise Problem(
            "scope.stale",
            "Somebody else answered at the same moment: look at what they said and answer again.",
        ) from error


def _last(archive: Archive) -> Row[Any] | None:
    query = select(scopings).order_by(scopings.c.step.desc()).limit(1)
    with archive.store.read() as connection:
        return connection.execute(query).first()


def _scope(row: Row[Any]) -> Scope:
    return decide(fitting(msgspec.json.decode(row.answers)))
