"""SQL of the hot path: written by SQLAlchemy Core, compiled once, run on the driver's own cursor.

Handing each batch through SQLAlchemy's execution layer costs more than everything else in a commit
together (docs/evidence.md has the figures). Only inserts of whole rows come this way, and the
reading of long stretches of them.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Dialect, LargeBinary, Table, bindparam, cast, insert, select
from sqlalchemy.dialects import postgresql, sqlite

# Positional parameters, so that a row is a plain tuple in the order of the table's columns.
_DIALECTS: Final[dict[str, Dialect]] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}


# Rows in one statement. The driver lets go of the interpreter's lock at every step of SQLite, and
# each time the event loop takes it over: a row a step made every answer of the gateway a fifth dearer.
_ROWS: Final = (32, 16, 8, 4, 2, 1)


def insert_rows(cursor: Any, table: Table, dialect: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert whole rows of `table`, values in the order of its columns, in few statements."""
    done = 0
    for count in _ROWS:
        while len(rows) - done >= count:
            values = [value for row in rows[done : done + count] for value in row]
            cursor.execute(_insert(table, dialect, count), values)
            done += count


@cache
def _insert(table: Table, dialect: str, count: int) -> str:
    """`INSERT` of `count` whole rows of `table`."""
    one = str(insert(table).compile(dialect=_DIALECTS[dialect]))
    row = one[one.rindex("(") :]
    return one + f", {row}" * (count - 1)


@cache
def select_range(table: Table, dialect: str) -> str:
    """`SELECT` of the whole rows of `table` whose `seq` lies in [first, second parameter)."""
    between = (table.c.seq >= bindparam("low"), table.c.seq < bindparam("high"))
    # SQLite hands back what was stored: the cast makes bytes even of a text put there by force.
    columns = [cast(c, c.type) if isinstance(c.type, LargeBinary) else c for c in table.columns]
    query = select(*columns).where(*between).order_by(table.c.seq)
    return str(query.compile(dialect=_DIALECTS[dialect]))
