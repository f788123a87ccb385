"""Databases for the tests that drive the running system."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def urls(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> Iterator[tuple[str, str]]:
    """Of an empty store and vault, once for each kind of database."""
    if database_url.startswith("sqlite"):
        yield database_url, f"sqlite:///{tmp_path / 'vault.db'}"
        return
    with request.getfixturevalue("postgres_server").fresh() as vault_url:
        yield database_url, vault_url
