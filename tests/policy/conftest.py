from archive import archive_fixture, on_sqlite_fixture

__all__ = ["archive_fixture", "on_sqlite_fixture"]
