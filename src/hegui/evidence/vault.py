"""The vault: whose a key is, and the key. Destroying a row here is what erasure means.

A data key belongs to one person, one retention class and one month. The ledger names only its
random id and a commitment to it (AES-GCM alone would let two keys open one ciphertext).
"""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from secrets import token_bytes, token_hex
from typing import Final

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from hegui.evidence.master import MasterKeys
from hegui.language import Problem
from hegui.store.engine import Database
from hegui.store.tables import keys, persons, sessions, tombstones

NONCE_BYTES: Final = 12
_CACHE: Final = 50_000  # keys held in memory, about 400 bytes each
_COMMITMENT: Final = b"hegui/key-commitment/v1\x00"
_MARK: Final = b"hegui/erased-person/v1\x00"
_PATIENCE_SECONDS: Final = 20.0
_MANY: Final = 1_000  # ids in one statement: databases bound the number of parameters


def commitment(data_key: bytes) -> str:
    """The public commitment to a data key, in hex: it binds, and tells nothing of the key."""
    return sha256(_COMMITMENT + data_key).hexdigest()


def mark_of(person: str) -> str:
    """What stays of an erased person: a digest of the random number that stood for them here."""
    return sha256(_MARK + person.encode()).hexdigest()[:32]


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
        self._generation = 0
        self._lock = threading.Lock()

    def key_for(self, person: str, retention: str, period: str) -> DataKey:
        """The key to seal with, made durable before it is first used.

        Raises:
            Problem: `person_erased` from the moment the person is condemned.
        """
        name = (person, retention, period)
        key = self._cache.get(name)
        if key is None:
            generation = self._generation
            key = self._find(name) or self._make(name)
            with self._lock:
                if len(self._cache) >= _CACHE:
                    self._cache.clear()
                if generation == self._generation:  # else it may have been condemned meanwhile
                    self._cache[name] = key
        return key

    def held(self, person: str, retention: str, period: str) -> DataKey | None:
        """The key if this process has it in memory: no database is asked."""
        return self._cache.get((person, retention, period))

    def open_key(self, key_id: str) -> DataKey | None:
        """The key with this id, or None when it has been destroyed."""
        with self.database.read() as connection:
            row = connection.execute(select(keys).where(keys.c.key_id == key_id)).first()
        return (
            _data_key(key_id, self.master.unwrap(row.master, key_id, row.wrapped)) if row else None
        )

    def forget(self) -> None:
        """Drop the cached keys: some have been condemned, here or in another process."""
        with self._lock:
            self._generation += 1
            self._cache.clear()

    def _find(self, name: tuple[str, str, str]) -> DataKey | None:
        person, retention, period = name
        query = select(keys).where(
            keys.c.person == person,
            keys.c.retention == retention,
            keys.c.period == period,
            ~_condemned(),
        )
        with self.database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        return _data_key(row.key_id, self.master.unwrap(row.master, row.key_id, row.wrapped))

    def _make(self, name: tuple[str, str, str]) -> DataKey:
        key_id, secret = token_hex(16), token_bytes(32)
        row = dict(zip(("person", "retention", "period"), name, strict=True))
        try:
            with self.database.write() as connection:
                _alone(connection)
                _refuse_erased(connection, name[0])
                master, wrapped = self.master.wrap(key_id, secret)
                row |= {"key_id": key_id, "master": master}
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

    def condemn(self, person: str, at: str, reason: str) -> list[str]:
        """Forget who the person is and let none of their keys be used again; may be repeated.

        Returns what the ledger has to name: the person's mark, then the ids of all their keys. The
        keys themselves end with `destroy`, when the ledger has said so.

        Raises:
            Problem: `person_unknown` when the vault knows nothing of the person.
        """
        mark = mark_of(person)
        with self.database.write() as connection:
            _alone(connection)
            query = select(keys.c.key_id).where(keys.c.person == person).order_by(keys.c.key_id)
            ids = [mark, *connection.execute(query).scalars()]
            named = connection.execute(delete(persons).where(persons.c.person == person)).rowcount
            new = _without_grave(connection, ids)
            if mark in new and not named and len(ids) == 1:
                raise Problem(
                    "person_unknown",
                    "The vault holds nothing of the person {person}: check the number.",
                    person=person,
                )
            connection.execute(delete(sessions).where(sessions.c.holder == person))
            _dig(connection, dict.fromkeys(new, (at, reason)))
        return ids

    def destroy(self, ids: Sequence[str]) -> None:
        """Destroy those of these keys that are condemned, and overwrite where they stood."""
        with self.database.write() as connection:
            for some in _portions(ids):
                connection.execute(delete(keys).where(keys.c.key_id.in_(some), _condemned()))
        self._scrub()

    def bury(self, graves: Mapping[str, tuple[str, str]]) -> None:
        """Destroy the keys and persons that these ids name: id → (time, reason).

        For ids whose erasure stands in the ledger, in a vault that came back from a backup.
        """
        with self.database.write() as connection:
            _alone(connection)
            for person in connection.execute(select(persons.c.person)).scalars().all():
                if mark_of(person) in graves:
                    connection.execute(delete(sessions).where(sessions.c.holder == person))
                    connection.execute(delete(persons).where(persons.c.person == person))
            _dig(connection, {id_: graves[id_] for id_ in _without_grave(connection, list(graves))})
        self.destroy(list(graves))

    def condemned(self) -> set[str]:
        """The persons who have condemned keys that are not destroyed yet."""
        with self.database.read() as connection:
            return set(connection.execute(select(keys.c.person).where(_condemned())).scalars())

    def graves(self) -> int:
        """How many keys and persons have ended."""
        with self.database.read() as connection:
            return connection.execute(select(func.count()).select_from(tombstones)).scalar_one()

    def buried(self) -> dict[str, tuple[str, str]]:
        """Destroyed keys: id → (time, reason)."""
        with self.database.read() as connection:
            rows = connection.execute(select(tombstones))
            return {row.key_id: (row.at, row.reason) for row in rows}

    def alive(self) -> set[str]:
        """The ids of all keys that are still there."""
        with self.database.read() as connection:
            return set(connection.execute(select(keys.c.key_id)).scalars())

    def wrapped_by(self) -> dict[str, int]:
        """How many keys each master key wraps."""
        query = select(keys.c.master, func.count()).group_by(keys.c.master)
        with self.database.read() as connection:
            return {row[0]: row[1] for row in connection.execute(query)}

    def rotate_master(self) -> int:
        """Make a new master key, wrap every key with it, retire the old; returns how many.

        A crash leaves both master keys in the file and every key readable: rotate again.
        """
        with self.master.alone():
            self.master.add()
            count = self._rewrap()
            self.master.retire_old()
        self._scrub()
        return count

    def _rewrap(self) -> int:
        with self.database.write() as connection:
            _alone(connection)
            query = select(keys).where(keys.c.master != self.master.current)
            rows = connection.execute(query).all()
            for row in rows:
                secret = self.master.unwrap(row.master, row.key_id, row.wrapped)
                master, wrapped = self.master.wrap(row.key_id, secret)
                change = {"master": master, "wrapped": wrapped}
                connection.execute(update(keys).where(keys.c.key_id == row.key_id), change)
        return len(rows)

    def _scrub(self) -> None:
        """Fold the write-ahead log into the file: freed pages are overwritten only there.

        Raises:
            Problem: `vault_busy` when somebody reads the vault for longer than we can wait.
        """
        if not self.database.is_sqlite:
            return
        until = time.monotonic() + _PATIENCE_SECONDS
        while not self._truncate_log():
            if time.monotonic() > until:
                raise Problem(
                    "vault_busy",
                    "The destroyed keys are gone from the vault, but not yet from its write-ahead "
                    "log: another program holds the vault open. End it and run `hegui tick`.",
                )
            time.sleep(0.01)

    def _truncate_log(self) -> bool:
        with self.database.engine("maintenance").connect() as connection:
            raw = connection.connection.cursor()
            busy, *_ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy


def _alone(connection: Connection) -> None:
    """Let nobody make, condemn or re-wrap a key meanwhile (SQLite has one writer anyway)."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE tombstones IN SHARE ROW EXCLUSIVE MODE"))


def _condemned() -> ColumnElement[bool]:
    return exists().where(tombstones.c.key_id == keys.c.key_id)


def _refuse_erased(connection: Connection, person: str) -> None:
    query = select(tombstones.c.at).where(tombstones.c.key_id == mark_of(person))
    if connection.execute(query).first() is not None:
        raise Problem(
            "person_erased",
            "What was kept about this person has been erased: nothing more is recorded under that "
            "account. A new account may be opened.",
        )


def _portions(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    return (ids[start : start + _MANY] for start in range(0, len(ids), _MANY))


def _without_grave(connection: Connection, ids: Sequence[str]) -> list[str]:
    found: set[str] = set()
    for some in _portions(ids):
        query = select(tombstones.c.key_id).where(tombstones.c.key_id.in_(some))
        found.update(connection.execute(query).scalars())
    return [id_ for id_ in ids if id_ not in found]


def _dig(connection: Connection, graves: Mapping[str, tuple[str, str]]) -> None:
    rows = [{"key_id": id_, "at": at, "reason": reason} for id_, (at, reason) in graves.items()]
    if rows:
        connection.execute(insert(tombstones), rows)
