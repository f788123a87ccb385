"""SQL of the hot path: written by SQLAlchemy Core, compiled once, run on the driver's own cursor.

Handing each batch through SQLAlchemy's execution layer costs more than everything else in a commit
together (docs/evidence.md has the figures). Only inserts of whole rows come this way, and the
reading of long stretches of them.
"""

from functools import cache
from typing import Final

from sqlalchemy import Dialect, LargeBinary, Table, bindparam, cast, insert, select
from sqlalchemy.dialects import postgresql, sqlite

# Positional parameters, so that a row is a plain tuple in the order of the table's columns.
_DIALECTS: Final[dict[str, Dialect]] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect(paramstyle="format"),  # type: ignore[no-untyped-call]
}


@cache
def insert_row(table: Table, dialect: str) -> str:
    """`INSERT` of one whole row of `table`, parameters in the order of its columns."""
    return str(insert(table).compile(dialect=_DIALECTS[dialect]))


@cache
def select_range(table: Table, dialect: str) -> str:
    """`SELECT` of the whole rows of `table` whose `seq` lies in [first, second parameter)."""
    between = (table.c.seq >= bindparam("low"), table.c.seq < bindparam("high"))
    # SQLite hands back what was stored: the cast makes bytes even of a text put there by force.
    columns = [cast(c, c.type) if isinstance(c.type, LargeBinary) else c for c in table.columns]
    query = select(*columns).where(*between).order_by(table.c.seq)
    return str(query.compile(dialect=_DIALECTS[dialect]))
