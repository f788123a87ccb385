"""The store away: how its absence is told from a mistake in what was to be written."""

from typing import Final

from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from hegui.language import N_, Problem

# PEP 249 gives the errors of every driver these names.
_AWAY: Final = frozenset({"OperationalError", "InterfaceError", "InternalError"})
_NO_SUCH_TABLE: Final = "42P01"  # PostgreSQL: `hegui tick` has yet to make this month's


class StoreDownError(Problem):
    """The store is away, and this is nothing that the outbox may or can take."""

    def __init__(self) -> None:
        message = N_("The store does not answer, so nothing can be put on record: see that the "
                     "database runs and that its disk has room.")  # fmt: skip
        super().__init__("store_down", message)


def is_unreachable(error: BaseException) -> bool:
    """Say whether the database was away or unable, and what was to be written not to blame."""
    original = getattr(error, "orig", None) or error
    names = {kind.__name__ for kind in type(original).__mro__}
    return (
        isinstance(error, (OSError, PoolTimeoutError, StoreDownError))
        or not names.isdisjoint(_AWAY)
        or type(original).__name__ == "DatabaseError"  # SQLite: the file is damaged, or none
        or getattr(original, "sqlstate", "") == _NO_SUCH_TABLE
    )
