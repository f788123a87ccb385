"""SQL of the hot path: written by SQLAlchemy Core, compiled once, run on the driver's own cursor.

Handing each batch through SQLAlchemy's execution layer costs more than everything else in a commit
together (docs/evidence.md has the figures). Only inserts of whole rows come this way.
"""

from functools import cache
from typing import Final

from sqlalchemy import Dialect, Table, insert
from sqlalchemy.dialects import postgresql, sqlite

# Positional parameters, so that a row is a plain tuple in the order of the table's columns.
_DIALECTS: Final[dict[str, Dialect]] = {
    "sqlite": sqlite.dialect(paramstyle="qmark"),
    "postgresql": postgresql.dialect(paramstyle="format"),
}


@cache
def insert_row(table: Table, dialect: str) -> str:
    """`INSERT` of one whole row of `table`, parameters in the order of its columns."""
    return str(insert(table).compile(dialect=_DIALECTS[dialect]))
