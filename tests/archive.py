"""Archives for tests: settings in a folder, databases made, keys made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hegui.evidence.archive import Archive
from hegui.settings import Evidence, Settings, Store
from hegui.store.tables import exchanges, outcomes
from hegui.store.writer import Entry

CARRIES = ("IM-9.3",)
SECRET = b"the words that must not be found"


def settings_in(folder: Path, store_url: str = "", vault_url: str = "") -> Settings:
    """Settings whose every file lies in `folder`."""
    return Settings(
        store=Store(
            url=store_url or f"sqlite:///{folder / 'hegui.db'}",
            vault_url=vault_url or f"sqlite:///{folder / 'vault.db'}",
            outbox=folder / "outbox",
        ),
        evidence=Evidence(
            origin="ledger.example.cn/service-1",
            master_key=folder / "keys" / "master.key",
            signing_key=folder / "keys" / "ledger.key",
            checkpoint_folder=folder / "checkpoints",
        ),
    )


def make_archive(folder: Path, store_url: str = "", vault_url: str = "") -> Archive:
    archive = Archive(settings_in(folder, store_url, vault_url))
    archive.prepare()
    return archive


@pytest.fixture(name="archive")
def archive_fixture(request, database_url: str, tmp_path: Path) -> Iterator[Archive]:
    """A prepared archive; with PostgreSQL, store and vault are two databases of its server."""
    if database_url.startswith("sqlite"):
        archive = make_archive(tmp_path)
        yield archive
        archive.close()
        return
    with request.getfixturevalue("postgres_server").fresh() as vault_url:
        archive = make_archive(tmp_path, database_url, vault_url)
        yield archive
        archive.close()


@pytest.fixture(name="on_sqlite")
def on_sqlite_fixture(tmp_path: Path) -> Iterator[Archive]:
    archive = make_archive(tmp_path)
    yield archive
    archive.close()


def admitted(number: int, person: str = "p", body: bytes = SECRET) -> Entry:
    name = f"{number:032x}"
    facts = {"exchange": name, "api_key": "k", "route": "chat", "model": "m", "stream": False}
    return Entry(
        "exchange.admitted", CARRIES, name, facts | {"instance": "i"}, exchanges, body, person
    )  # fmt: skip


def finished(number: int, person: str = "p", body: bytes = SECRET) -> Entry:
    name = f"{number:032x}"
    facts = dict.fromkeys(("control", "category", "reason", "label", "lexicon"), "")
    facts |= {"exchange": name, "state": "finished"}
    return Entry("exchange.finished", CARRIES, name, facts, outcomes, body, person)


def fill(archive: Archive, pairs: int, *, start: int = 0, persons: int = 3) -> None:
    """Commit `pairs` exchanges, admitted and finished, of a few persons."""
    for number in range(start, start + pairs):
        person = f"p{number % persons}"
        archive.writer.commit_now(admitted(number, person), finished(number, person))


def codes(report) -> list[tuple[str, str]]:
    return [(finding.code, finding.table) for finding in report.findings]


def nothing(done: int, total: int) -> None:
    assert 0 <= done <= total
