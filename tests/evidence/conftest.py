from archive import archive_fixture, on_sqlite_fixture  # noqa: F401 (fixtures)
