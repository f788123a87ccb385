"""The vault: whose a key is, and the key. Destroying a row here is what erasure means.

A data key belongs to one person, one retention class and one month. The ledger names only its
random id and a commitment to it (AES-GCM alone would let two keys open one ciphertext).
"""

from collections.abc import Sequence
from hashlib import sha256
from secrets import token_bytes, token_hex
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from hegui.evidence.master import MasterKeys
from hegui.store.engine import Database
from hegui.store.tables import keys, persons, sessions, tombstones

NONCE_BYTES: Final = 12
_CACHE: Final = 50_000  # keys held in memory, about 400 bytes each
_COMMITMENT: Final = b"hegui/key-commitment/v1\x00"


def commitment(data_key: bytes) -> str:
    """The public commitment to a data key, in hex: it binds, and tells nothing of the key."""
    return sha256(_COMMITMENT + data_key).hexdigest()


class DataKey(msgspec.Struct, frozen=True):
    key_id: str
    commit: str
    secret: bytes
    aead: AESGCM

    def seal(self, body: bytes, subject: str) -> bytes:
        """Encrypt `body`, bound to the subject of its ledger entry: nonce, ciphertext, tag."""
        nonce = token_bytes(NONCE_BYTES)
        return nonce + self.aead.encrypt(nonce, body, subject.encode())

    def unseal(self, sealed: bytes, subject: str) -> bytes:
        """Decrypt; raises `cryptography.exceptions.InvalidTag` when a byte was changed."""
        nonce, rest = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        return self.aead.decrypt(nonce, rest, subject.encode())


def _data_key(key_id: str, secret: bytes) -> DataKey:
    return DataKey(key_id, commitment(secret), secret, AESGCM(secret))


class Vault:
    """Keys by person, retention class and month; unwrapped keys are cached until an erasure."""

    def __init__(self, database: Database, master: MasterKeys) -> None:
        self.database = database
        self.master = master
        self._cache: dict[tuple[str, str, str], DataKey] = {}

    def key_for(self, person: str, retention: str, period: str) -> DataKey:
        """The key to seal with, made durable before it is first used."""
        name = (person, retention, period)
        key = self._cache.get(name)
        if key is None:
            if len(self._cache) >= _CACHE:
                self._cache.clear()
            key = self._cache[name] = self._find(name) or self._make(name)
        return key

    def open_key(self, key_id: str) -> DataKey | None:
        """The key with this id, or None when it has been destroyed."""
        with self.database.read() as connection:
            row = connection.execute(select(keys).where(keys.c.key_id == key_id)).first()
        return (
            _data_key(key_id, self.master.unwrap(row.master, key_id, row.wrapped)) if row else None
        )

    def forget(self) -> None:
        """Drop the cached keys: some may have been destroyed elsewhere."""
        self._cache.clear()

    def _find(self, name: tuple[str, str, str]) -> DataKey | None:
        person, retention, period = name
        query = select(keys).where(
            keys.c.person == person, keys.c.retention == retention, keys.c.period == period
        )
        with self.database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return _data_key(row.key_id, self.master.unwrap(row.master, row.key_id, row.wrapped))

    def _make(self, name: tuple[str, str, str]) -> DataKey:
        key_id, secret = token_hex(16), token_bytes(32)
        row = dict(zip(("person", "retention", "period"), name, strict=True))
        row |= {"key_id": key_id, "master": self.master.current}
        try:
            with self.database.write() as connection:
                wrapped = self.master.wrap(key_id, secret)
                connection.execute(insert(keys), row | {"wrapped": wrapped})
        except IntegrityError:  # another process was first
            found = self._find(name)
            if found is None:
                raise
            return found
        return _data_key(key_id, secret)

    # -- persons -----------------------------------------------------------------------------------

    def person(self, issuer: str, subject: str) -> str | None:
        """The person whom `issuer` knows as `subject`, or None."""
        query = select(persons.c.person).where(
            persons.c.issuer == issuer, persons.c.subject == subject
        )
        with self.database.read() as connection:
            return connection.execute(query).scalar()

    def person_of(self, key_id: str) -> str | None:
        """The person whose key this is, or None when key or person is no more."""
        with self.database.read() as connection:
            query = select(keys.c.person).where(keys.c.key_id == key_id)
            return connection.execute(query).scalar()

    def add_person(self, issuer: str, subject: str, at: str) -> str:
        """Register a person; raises IntegrityError when that name is taken."""
        person = token_hex(16)
        row = {"person": person, "issuer": issuer, "subject": subject, "created": at}
        with self.database.write() as connection:
            connection.execute(insert(persons), row)
        return person

    def name_of(self, person: str) -> str | None:
        query = select(persons.c.subject).where(persons.c.person == person)
        with self.database.read() as connection:
            return connection.execute(query).scalar()

    # -- the end of keys ---------------------------------------------------------------------------

    def key_ids_of(self, person: str) -> list[str]:
        query = select(keys.c.key_id).where(keys.c.person == person).order_by(keys.c.key_id)
        with self.database.read() as connection:
            return list(connection.execute(query).scalars())

    def destroy_person(self, person: str, at: str, reason: str) -> None:
        """Destroy every key of the person, then all that says who it was."""
        with self.database.write() as connection:
            query = select(keys.c.key_id).where(keys.c.person == person)
            _destroy(connection, list(connection.execute(query).scalars()), at, reason)
            connection.execute(delete(sessions).where(sessions.c.holder == person))
            connection.execute(delete(persons).where(persons.c.person == person))
        self._scrub()
        self.forget()

    def destroy_keys(self, key_ids: Sequence[str], at: str, reason: str) -> None:
        """Destroy the keys that are still there; each leaves a tombstone."""
        with self.database.write() as connection:
            query = select(keys.c.key_id).where(keys.c.key_id.in_(key_ids))
            _destroy(connection, list(connection.execute(query).scalars()), at, reason)
        self._scrub()
        self.forget()

    def buried(self) -> dict[str, tuple[str, str]]:
        """Destroyed keys: id → (time, reason)."""
        with self.database.read() as connection:
            rows = connection.execute(select(tombstones))
            return {row.key_id: (row.at, row.reason) for row in rows}

    def alive(self) -> set[str]:
        """The ids of all keys that are still there."""
        with self.database.read() as connection:
            return set(connection.execute(select(keys.c.key_id)).scalars())

    def rewrap(self) -> int:
        """Wrap every key that an older master key wraps anew; returns how many."""
        current, count = self.master.current, 0
        with self.database.write() as connection:
            rows = connection.execute(select(keys).where(keys.c.master != current)).all()
            for row in rows:
                secret = self.master.unwrap(row.master, row.key_id, row.wrapped)
                change = {"master": current, "wrapped": self.master.wrap(row.key_id, secret)}
                connection.execute(update(keys).where(keys.c.key_id == row.key_id), change)
                count += 1
        return count

    def _scrub(self) -> None:
        """Fold the write-ahead log into the file: freed pages are overwritten only there."""
        if self.database.is_sqlite:
            with self.database.engine("maintenance").connect() as connection:
                raw = connection.connection.driver_connection
                raw.execute("ROLLBACK") if raw.in_transaction else None
                raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _destroy(connection: Connection, key_ids: list[str], at: str, reason: str) -> None:
    if not key_ids:
        return
    connection.execute(delete(keys).where(keys.c.key_id.in_(key_ids)))
    graves = [{"key_id": key_id, "at": at, "reason": reason} for key_id in key_ids]
    connection.execute(insert(tombstones), graves)
