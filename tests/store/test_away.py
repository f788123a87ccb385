import sqlite3

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from hegui.language import Problem
from hegui.store.away import StoreDownError, is_unreachable


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (sqlite3.OperationalError("database or disk is full"), True),
        (sqlite3.DatabaseError("database disk image is malformed"), True),
        (OperationalError("", None, sqlite3.OperationalError("locked")), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.ReadOnlySqlTransaction(), True),
        (psycopg.errors.DiskFull(), True),
        (psycopg.errors.UndefinedTable(), True),  # the month's table is not made yet
        (PoolTimeoutError(), True),
        (ConnectionResetError(), True),
        (StoreDownError(), True),
        (sqlite3.IntegrityError("unique"), False),
        (IntegrityError("", None, sqlite3.IntegrityError("unique")), False),
        (psycopg.errors.UniqueViolation(), False),
        (psycopg.DataError("a text with a zero byte"), False),
        (psycopg.errors.UndefinedColumn(), False),
        (ValueError("too long"), False),
        (Problem("person_erased", "Gone."), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_absence_is_told_from_a_mistake(error, away):
    assert is_unreachable(error) is away
