"""Period tables: sealed bodies by retention class and month, so that expiry is a dropped table.

Only the maintenance connection makes or drops them (`hegui tick`, and start-up); a request that
finds no table for its month is refused rather than recorded in the wrong place.
"""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Final

from sqlalchemy import insert, inspect, select

from hegui.store.engine import Database
from hegui.store.tables import body_table, body_table_name, periods

RETENTIONS: Final = ("content", "account")
FOR_EVER: Final = "all"  # the period of classes that end with the account, not with the calendar
_LASTING: Final = frozenset({"account"})


def period_of(retention: str, at: str) -> str:
    """The period (YYYYMM, or "all") in which something of this class and time is kept."""
    return FOR_EVER if retention in _LASTING else at[0:4] + at[5:7]


def _wanted(today: date) -> Iterable[tuple[str, str]]:
    """This month and the next for each class: tick may be late by a month and nothing stops."""
    after = (today.replace(day=1) + timedelta(days=32)).isoformat()
    for retention in RETENTIONS:
        yield from {(retention, period_of(retention, at)) for at in (today.isoformat(), after)}


def make_periods(database: Database, today: date) -> list[str]:
    """Make the period tables that are missing; returns their names."""
    made = []
    with database.maintain() as connection:
        known = set(connection.execute(select(periods.c.name)).scalars())
        there = set(inspect(connection).get_table_names())
        for retention, period in sorted(_wanted(today)):
            name = body_table_name(retention, period)
            if name not in there:
                body_table(name).create(connection)
                made.append(name)
            if name not in known:
                row = {"name": name, "retention": retention, "period": period}
                connection.execute(insert(periods), row)
    return made
