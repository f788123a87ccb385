"""Counting: run the checks over the entries that are new, and keep what they found.

The counts of a batch, the place that was reached and, when a check's outcome has become another,
the ledger entry that says so are one transaction of the writer. Another process that counts at the
same time finds the place moved and leaves its batch alone.
"""

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, select
from sqlalchemy import func as sql

from hegui.evidence.archive import Archive
from hegui.evidence.checks import FOLDS, LOOKS, RARE, Every, Pair
from hegui.evidence.ledger import Head, now, read_head
from hegui.language import Problem
from hegui.store.tables import check_changes, check_cursors, check_days, entries
from hegui.store.writer import Entry

CARRIES: Final = ("IM-19.1",)
NAMED: Final = 20  # subjects that a day's row, and an entry, names at most
_BATCH: Final = 5_000  # entries in one transaction
_RENEW: Final = timedelta(minutes=10)
_SECONDS: Final = 20.0  # that one call may take; the next goes on from there

_encode = msgspec.json.Encoder(order="sorted").encode
_Pending = dict[str, str]


class Count(msgspec.Struct):
    """What a check found about a population; `missing` names the first that were not as they must be."""

    population: int = 0
    good: int = 0
    missing: list[str] = msgspec.field(default_factory=list)

    def add(self, subject: str, good: bool) -> None:
        self.population += 1
        self.good += good
        if not good and len(self.missing) < NAMED:
            self.missing.append(subject)

    def join(self, other: "Count") -> None:
        self.population += other.population
        self.good += other.good
        self.missing = [*self.missing, *other.missing][:NAMED]

    def outcome(self, name: str) -> str:
        """`good`, `bad`, or `empty` where nothing has happened yet."""
        if self.good < self.population:
            return "bad"
        return "good" if self.population or name in RARE else "empty"


class Found(msgspec.Struct, frozen=True):
    """The latest result of a check over its window; `at` is when it was last run, "" for never."""

    name: str
    count: Count
    since: str  # first day of the window
    at: str
    seq: int  # entries looked at

    @property
    def outcome(self) -> str:
        return self.count.outcome(self.name) if self.at else "empty"


Days = defaultdict[str, Count]


class Fold:
    """One check on its way through the entries."""

    def __init__(
        self, check: Every | Pair, seq: int = 0, pending: _Pending | None = None, at: str = ""
    ) -> None:
        self.check, self.seq, self.pending, self.at = check, seq, pending or {}, at
        self.end: float = math.inf  # entries from here on are none of its business
        self.days: Days = defaultdict(Count)

    def take(self, head: Head) -> None:
        check = self.check
        if isinstance(check, Every):
            verdict = check.judge(head)
            if verdict is not None:
                self.days[head.time[:10]].add(head.subject, verdict)
        elif (deadline := check.opens(head)) is not None:
            self.pending[head.subject] = deadline
        elif check.closes(head) and (deadline := self.pending.pop(head.subject, None)):
            self.days[head.time[:10]].add(head.subject, head.time <= deadline)

    def total(self) -> Count:
        total = Count()
        for day in sorted(self.days, reverse=True):
            total.join(self.days[day])
        return total


def _overdue(pending: _Pending, moment: str) -> Count:
    """What should have ended by then and has not: it counts until it ends, whatever the window."""
    count = Count()
    for subject, deadline in pending.items():
        if deadline < moment:
            count.add(subject, good=False)
    return count


def count(archive: Archive) -> int:
    """Run every check; returns how many entries were looked at."""
    end, looked = time.monotonic() + _SECONDS, 0
    while True:
        try:
            taken = _count_batch(archive)
            looked += taken
            if taken < _BATCH or time.monotonic() > end:
                _look(archive)
                return looked
        except Problem as problem:
            if problem.code != "counted":
                raise
            return looked  # another process counts: its result is as good


def _count_batch(archive: Archive) -> int:
    with archive.store.read() as connection:
        folds = _folds(connection)
        start = min(fold.seq for fold in folds)
        query = select(entries.c.seq, entries.c.head).where(entries.c.seq >= start)
        rows = connection.execute(query.order_by(entries.c.seq).limit(_BATCH)).all()
    was = {fold.check.name: fold.at for fold in folds}
    _run(folds, ((row.seq, read_head(row.head)) for row in rows))
    moment = now()
    changes = _changes(archive, _totals(archive, folds, moment))
    if not rows and not changes and not _is_old(min(fold.at for fold in folds), moment):
        return 0
    archive.writer.commit_now(
        *changes,
        check=lambda connection: _keep(connection, folds, was, moment),
    )
    return len(rows)


def _is_old(at: str, moment: str) -> bool:
    """Whether a result that has not changed must be written again, so that it is seen to be fresh."""
    return not at or datetime.fromisoformat(moment) - datetime.fromisoformat(at) > _RENEW


def _run(folds: Sequence[Fold], heads: Iterable[tuple[int, Head]]) -> None:
    for seq, head in heads:
        for fold in folds:
            if fold.seq <= seq < fold.end:
                fold.seq = seq + 1
                fold.take(head)


def _folds(connection: Connection) -> list[Fold]:
    cursors = {row.name: row for row in connection.execute(select(check_cursors))}
    return [
        Fold(check, row.seq, _pending(row), row.at)
        if (row := cursors.get(check.name)) else Fold(check)
        for check in FOLDS
    ]  # fmt: skip


def _keep(connection: Connection, folds: Sequence[Fold], was: dict[str, str], at: str) -> None:
    """Add the counts, in the writer's transaction; raises if another process was faster."""
    for fold in folds:
        name = fold.check.name
        _put_cursor(connection, name, fold.seq, fold.pending, was[name], at)
        for day, fresh in fold.days.items():
            _put_day(connection, name, day, fresh, add=True)


def _put_cursor(
    connection: Connection, name: str, seq: int, pending: _Pending, was: str, at: str
) -> None:
    """Move the cursor on from where it stood at `was`; raises if another process has done so."""
    mine = check_cursors.c.name == name
    here = connection.execute(select(check_cursors.c.at).where(mine)).scalar()
    if (here or "") != was:
        raise Problem("counted", "Another process has just counted these entries: look again.")
    connection.execute(delete(check_cursors).where(mine))
    values = {"name": name, "seq": seq, "pending": _encode(pending).decode(), "at": at}
    connection.execute(check_cursors.insert().values(values))


def _put_day(connection: Connection, name: str, day: str, fresh: Count, *, add: bool) -> None:
    this = (check_days.c.name == name) & (check_days.c.day == day)
    total = Count()
    if add and (row := connection.execute(select(check_days).where(this)).first()):
        total = _count_of(row)
    total.join(fresh)
    connection.execute(delete(check_days).where(this))
    values: dict[str, Any] = {"name": name, "day": day, "population": total.population}
    values |= {"good": total.good, "missing": " ".join(total.missing)}
    connection.execute(check_days.insert().values(values))


def _count_of(row: Any) -> Count:
    return Count(row.population, row.good, row.missing.split())


def _look(archive: Archive) -> None:
    """Look at the service as it is; only the last look counts."""
    moment, found = now(), {}
    for look in LOOKS:
        seen = Count()
        seen.add("", good=not (missing := look.see(archive)))
        seen.missing = missing.split()[:NAMED]
        found[look.name] = seen
    kept = latest(archive)
    found = {
        name: seen for name, seen in found.items()
        if seen != kept[name].count or _is_old(kept[name].at, moment)
    }  # fmt: skip
    if not found:
        return

    def keep(connection: Connection) -> None:
        for name, seen in found.items():
            _put_cursor(connection, name, 0, {}, kept[name].at, moment)
            connection.execute(delete(check_days).where(check_days.c.name == name))
            _put_day(connection, name, moment[:10], seen, add=False)

    archive.writer.commit_now(*_changes(archive, found), check=keep)


def _totals(archive: Archive, folds: Sequence[Fold], moment: str) -> dict[str, Count]:
    """What each check has found within its window, with what the folds add to it."""
    since = _since(archive, date.fromisoformat(moment[:10]))
    with archive.store.read() as connection:
        kept = _kept(connection, since)
    totals = {}
    for fold in folds:
        total = totals[fold.check.name] = _overdue(fold.pending, moment)
        total.join(kept[fold.check.name])
        for day, fresh in fold.days.items():
            if day >= since:
                total.join(fresh)
    return totals


def _changes(archive: Archive, totals: dict[str, Count]) -> list[Entry]:
    """An entry for each check whose outcome is no longer what the ledger last said."""
    with archive.store.read() as connection:
        last = {row.name: row.outcome for row in connection.execute(_last_changes())}
    changes = []
    for name, total in totals.items():
        outcome = total.outcome(name)
        if outcome != last.get(name, "empty"):
            facts = {"name": name, "outcome": outcome, "population": total.population,
                     "good": total.good, "missing": " ".join(total.missing)}  # fmt: skip
            changes.append(Entry("check.changed", CARRIES, name, facts, check_changes))
    return changes


def _last_changes() -> Any:
    newest = select(check_changes.c.name, sql.max(check_changes.c.seq).label("seq"))
    last = newest.group_by(check_changes.c.name).subquery()
    return select(check_changes.c.name, check_changes.c.outcome).join(
        last, (check_changes.c.name == last.c.name) & (check_changes.c.seq == last.c.seq)
    )


def latest(archive: Archive, today: date | None = None) -> dict[str, Found]:
    """The result of every check over the days of its window, as last counted."""
    moment = now()
    day = today or date.fromisoformat(moment[:10])
    since = _since(archive, day)
    with archive.store.read() as connection:
        counts = _kept(connection, since)
        cursors = {row.name: row for row in connection.execute(select(check_cursors))}
    found = {}
    for check in (*FOLDS, *LOOKS):
        name, count, at, seq = check.name, Count(), "", 0
        if row := cursors.get(name):
            count, at, seq = _overdue(_pending(row), max(moment, day.isoformat())), row.at, row.seq
        count.join(counts[name])
        found[name] = Found(name, count, since, at, seq)
    return found


def _since(archive: Archive, day: date) -> str:
    """The first day of the window that ends with `day`."""
    return (day - timedelta(days=archive.settings.register.window_days - 1)).isoformat()


def _kept(connection: Connection, since: str) -> dict[str, Count]:
    """The counts of each check from that day on, the latest failures first."""
    counts: dict[str, Count] = defaultdict(Count)
    query = select(check_days).where(check_days.c.day >= since).order_by(check_days.c.day.desc())
    for row in connection.execute(query):
        counts[row.name].join(_count_of(row))
    return counts


def _pending(row: Any) -> _Pending:
    return msgspec.json.decode(row.pending, type=_Pending)


def daily(archive: Archive, today: date | None = None) -> dict[str, dict[str, Count]]:
    """What each check found on each day of its window, by name and ISO day; no day without a count."""
    day = today or date.fromisoformat(now()[:10])
    found: dict[str, dict[str, Count]] = defaultdict(dict)
    with archive.store.read() as connection:
        query = select(check_days).where(check_days.c.day >= _since(archive, day))
        for row in connection.execute(query.order_by(check_days.c.day)):
            found[row.name][row.day] = _count_of(row)
    return found


def recount(archive: Archive) -> dict[str, tuple[Count, Count]]:
    """Count everything anew; returns the checks whose kept counts differ: (kept, counted).

    A difference may lie in the day, or in the names of what failed, while the sums agree.
    """
    with archive.store.read() as connection:
        kept = _folds(connection)
        folds = [Fold(fold.check) for fold in kept]
        for fold, held in zip(folds, kept, strict=True):
            fold.end = held.seq
        rows = connection.execution_options(yield_per=_BATCH).execute(
            select(entries.c.seq, entries.c.head).order_by(entries.c.seq)
        )
        _run(folds, ((row.seq, read_head(row.head)) for row in rows))
        for row in connection.execute(select(check_days)):
            for held in kept:
                if row.name == held.check.name:
                    held.days[row.day] = _count_of(row)
    return {
        fold.check.name: (held.total(), fold.total())
        for fold, held in zip(folds, kept, strict=True)
        if (held.days, held.pending) != (fold.days, fold.pending)
    }
