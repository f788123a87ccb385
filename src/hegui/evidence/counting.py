"""Counting: run the checks over the entries that are new, and keep what they found.

The counts of a batch, the place that was reached and, when a check's outcome has become another,
the ledger entry that says so are one transaction of the writer. Another process that counts at the
same time finds the place moved and leaves its batch alone.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
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

    def expire(self, moment: str) -> None:
        """Whatever should have ended by now counts as what it is."""
        for subject in [each for each, deadline in self.pending.items() if deadline < moment]:
            del self.pending[subject]
            self.days[moment[:10]].add(subject, good=False)


def count(archive: Archive) -> int:
    """Run every check; returns how many entries were looked at."""
    end, looked = time.monotonic() + _SECONDS, 0
    while True:
        try:
            taken = _count_batch(archive)
        except Problem:  # another process counts: its result is as good
            break
        looked += taken
        if taken < _BATCH or time.monotonic() > end:
            break
    _look(archive)
    return looked


def _count_batch(archive: Archive) -> int:
    with archive.store.read() as connection:
        folds = _folds(connection)
        start = min(fold.seq for fold in folds)
        query = select(entries.c.seq, entries.c.head).where(entries.c.seq >= start)
        rows = connection.execute(query.order_by(entries.c.seq).limit(_BATCH)).all()
    was = {fold.check.name: fold.seq for fold in folds}
    _run(folds, ((row.seq, read_head(row.head)) for row in rows))
    moment = now()
    for fold in folds:
        if len(rows) < _BATCH:  # at the end: what could have come has come
            fold.expire(moment)
    changes = _changes(archive, {fold.check.name: fold.days for fold in folds})
    news = rows or changes or any(fold.days for fold in folds)
    if not news and not _is_old(min(fold.at for fold in folds), moment):
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
            if fold.seq <= seq:
                fold.seq = seq + 1
                fold.take(head)


def _folds(connection: Connection) -> list[Fold]:
    cursors = {row.name: row for row in connection.execute(select(check_cursors))}
    return [
        Fold(check, row.seq, msgspec.json.decode(row.pending, type=_Pending), row.at)
        if (row := cursors.get(check.name)) else Fold(check)
        for check in FOLDS
    ]  # fmt: skip


def _keep(connection: Connection, folds: Sequence[Fold], was: dict[str, int], at: str) -> None:
    """Add the counts, in the writer's transaction; raises if another process was faster."""
    for fold in folds:
        name = fold.check.name
        mine = check_cursors.c.name == name
        here = connection.execute(select(check_cursors.c.seq).where(mine)).scalar()
        if (here or 0) != was[name]:
            raise Problem("counted", "Another process has just counted these entries: look again.")
        for day, fresh in fold.days.items():
            _put_day(connection, name, day, fresh, add=True)
        pending = _encode(fold.pending).decode()
        connection.execute(delete(check_cursors).where(mine))
        values = {"name": name, "seq": fold.seq, "pending": pending, "at": at}
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
            connection.execute(delete(check_days).where(check_days.c.name == name))
            _put_day(connection, name, moment[:10], seen, add=False)
            connection.execute(delete(check_cursors).where(check_cursors.c.name == name))
            values = {"name": name, "seq": 0, "pending": "{}", "at": moment}
            connection.execute(check_cursors.insert().values(values))

    changes = _changes(
        archive, {name: {moment[:10]: seen} for name, seen in found.items()}, only=True
    )
    archive.writer.commit_now(*changes, check=keep)


def _changes(archive: Archive, fresh: dict[str, Any], *, only: bool = False) -> list[Entry]:
    """An entry for each check whose outcome is no longer what the ledger last said."""
    known = {} if only else latest(archive)
    with archive.store.read() as connection:
        last = {row.name: row.outcome for row in connection.execute(_last_changes())}
    changes = []
    for name, days in fresh.items():
        total = Count()
        if found := known.get(name):
            total.join(found.count)
        for day in days.values():
            total.join(day)
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
    day = today or datetime.now(UTC).date()
    since = _since(archive, day)
    counts: dict[str, Count] = defaultdict(Count)
    with archive.store.read() as connection:
        query = (
            select(check_days).where(check_days.c.day >= since).order_by(check_days.c.day.desc())
        )
        for row in connection.execute(query):
            counts[row.name].join(_count_of(row))
        cursors = {row.name: row for row in connection.execute(select(check_cursors))}
    names = [check.name for check in (*FOLDS, *LOOKS)]
    return {
        name: Found(
            name, counts[name], since,
            cursors[name].at if name in cursors else "", cursors[name].seq if name in cursors else 0,
        )
        for name in names
    }  # fmt: skip


def daily(archive: Archive, today: date | None = None) -> dict[str, dict[str, Count]]:
    """What each check found on each day of its window, by name and ISO day; no day without a count."""
    day = today or datetime.now(UTC).date()
    found: dict[str, dict[str, Count]] = defaultdict(dict)
    with archive.store.read() as connection:
        query = select(check_days).where(check_days.c.day >= _since(archive, day))
        for row in connection.execute(query.order_by(check_days.c.day)):
            found[row.name][row.day] = _count_of(row)
    return found


def _since(archive: Archive, day: date) -> str:
    """The first day of the window that ends with `day`."""
    return (day - timedelta(days=archive.settings.register.window_days - 1)).isoformat()


def recount(archive: Archive) -> dict[str, tuple[Count, Count]]:
    """Count everything anew; returns the checks whose kept counts differ: (kept, counted)."""
    with archive.store.read() as connection:
        kept = _folds(connection)
        folds = [Fold(fold.check) for fold in kept]
        limits = {fold.check.name: fold.seq for fold in kept}
        rows = connection.execution_options(yield_per=_BATCH).execute(
            select(entries.c.seq, entries.c.head).order_by(entries.c.seq)
        )
        for row in rows:
            head = read_head(row.head)
            for fold in folds:
                if row.seq < limits[fold.check.name]:
                    fold.take(head)
        days = connection.execute(select(check_days)).all()
    differ = {}
    for fold, held in zip(folds, kept, strict=True):
        name = fold.check.name
        stored, anew = Count(), Count()
        for row in days:
            if row.name == name:
                stored.join(_count_of(row))
        for subject in held.pending:  # still within its time when it was counted
            fold.pending.pop(subject, None)
        fold.expire("~")
        for each in fold.days.values():
            anew.join(each)
        if (stored.population, stored.good) != (anew.population, anew.good):
            differ[name] = (stored, anew)
    return differ
