"""The service agreement 服务协议 (Interim Measures, Art. 9(2)): versions, and who accepted which.

A version is the SHA-256 of its bytes, so what a person accepted can always be shown again.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec
import yaml
from sqlalchemy import Connection, insert, select

from hegui.evidence.archive import Archive
from hegui.language import Problem, Text
from hegui.store.periods import FOR_EVER
from hegui.store.tables import acceptances, agreement_texts, agreements
from hegui.store.writer import Entry

CARRIES: Final = ("IM-4.0", "IM-9.3")
_SAMPLE: Final = Path(__file__).with_name("agreement.yaml")


class Clause(msgspec.Struct, frozen=True):
    heading: Text
    text: Text
    carries: tuple[str, ...] = ()


class Agreement(msgspec.Struct, frozen=True):
    title: Text
    clauses: tuple[Clause, ...]


@cache
def read_agreement(body: bytes) -> Agreement:
    """Read the bytes of a version (YAML)."""
    return msgspec.convert(yaml.safe_load(body), Agreement)


class Agreements:
    """The agreement in force, and the acceptances of it."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._current: tuple[str, str, bytes] | None = None  # version, since, body
        self._accepted: set[str] = set()  # persons known to have accepted the current version

    def publish(self, body: bytes) -> str:
        """Put a version in force; publishing the same bytes again changes nothing."""
        version = sha256(body).hexdigest()
        read_agreement(body)

        def store_text(connection: Connection) -> None:
            connection.execute(insert(agreement_texts), {"version": version, "body": body})

        if self.current()[0] != version:
            entry = Entry(
                "agreement.published", CARRIES, version[:16], {"version": version}, agreements
            )
            self._archive.writer.commit_now(entry, check=store_text)
            self.forget()
        return version

    def publish_sample(self) -> None:
        """Put the sample in force where there is no agreement yet."""
        if not self.current()[0]:
            self.publish(_SAMPLE.read_bytes())

    def current(self) -> tuple[str, str, bytes]:
        """Version, time and bytes of the agreement in force; empty when there is none."""
        if self._current is None:
            query = (
                select(agreements.c.version, agreements.c.at, agreement_texts.c.body)
                .join(agreement_texts, agreement_texts.c.version == agreements.c.version)
                .order_by(agreements.c.seq.desc())
                .limit(1)
            )
            with self._archive.store.read() as connection:
                row = connection.execute(query).first()
            self._current = (row.version, row.at, bytes(row.body)) if row else ("", "", b"")
        return self._current

    def accepted(self, person: str) -> str | None:
        """When the person accepted the current version, or None."""
        account = self._archive.vault.key_for(person, "account", FOR_EVER).key_id
        query = select(acceptances.c.at).where(
            acceptances.c.account == account, acceptances.c.version == self.current()[0]
        )
        with self._archive.store.read() as connection:
            return connection.execute(query).scalar()

    def known(self, person: str) -> bool:
        """Whether this process has already seen that the person accepted: no database is asked."""
        return person in self._accepted

    def has_accepted(self, person: str) -> bool:
        if person not in self._accepted and self.accepted(person):
            self._accepted.add(person)
        return person in self._accepted

    def accept(self, person: str, version: str, by: str) -> None:
        """Record that the person accepted `version`, `by` page, api or operator.

        Raises:
            Problem: `agreement_stale` when that is not the version in force.
        """
        if version != self.current()[0]:
            raise Problem(
                "agreement_stale",
                "This is not the version of the agreement that is in force: read it again and accept "
                "version {version}.",
                version=self.current()[0],
            )
        if self.has_accepted(person):
            return
        account = self._archive.vault.key_for(person, "account", FOR_EVER).key_id
        facts = {"account": account, "version": version, "by": by}
        entry = Entry(
            "agreement.accepted", CARRIES, account, facts, acceptances,
            person=person, retention="account",
        )  # fmt: skip
        self._archive.writer.commit_now(entry)
        self._accepted.add(person)

    def forget(self) -> None:
        """Ask the store again: the agreement, a key or a person may have changed elsewhere."""
        self._current = None
        self._accepted.clear()
