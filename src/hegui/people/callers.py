"""API keys 接口密钥: who may call, and for whom it may speak.

A key is shown once and stored as its SHA-256 (it carries 192 random bits, so no slow hash is
needed). It belongs to a registered person, who has accepted the agreement like any other.
"""

import base64
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from typing import Final, Literal

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from hegui.evidence.archive import Archive
from hegui.evidence.ledger import now
from hegui.language import Problem
from hegui.store.periods import FOR_EVER
from hegui.store.tables import agreements, api_keys, ledger_head, revocations
from hegui.store.writer import Entry

CARRIES: Final = ("IM-9.1",)
Asserts = Literal["no", "header", "token"]

PAGE: Final = "page"  # stands for the API key where a person asks on the page of the service
_PREFIX: Final = "hg-"
_CACHE: Final = 100_000  # asserted users remembered, about 200 bytes each
_LONGEST_SUBJECT: Final = 200


class Caller(msgspec.Struct, frozen=True):
    """Who holds an API key, and whether that key may speak for users of its own."""

    api_key: str
    person: str
    asserts: Asserts = "no"
    public_key: str = ""

    @property
    def allowance(self) -> str:
        """Whose allowance a request uses up: the key's, and on the page the person's own.

        Only `api_key` is put on record: that a person asked on the page is no fact about them.
        """
        return self.person if self.api_key == PAGE else self.api_key


class ApiKey(msgspec.Struct, frozen=True):
    api_key: str
    asserts: str
    created: str
    revoked: str
    account: str


class Callers:
    """Every live key in memory, read again when the store says that something changed."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._by_digest: dict[str, Caller] = {}
        self._users: dict[tuple[str, str], str] = {}
        self._seen: tuple[int, ...] = ()

    def refresh(self) -> bool:
        """Read the keys again if keys, agreement or erasures changed; returns whether they did."""
        with self._archive.store.read() as connection:
            seen = tuple(
                connection.execute(query).scalar_one()
                for query in (
                    select(func.count()).select_from(api_keys),
                    select(func.count()).select_from(revocations),
                    select(func.count()).select_from(agreements),
                    select(ledger_head.c.erasures),
                )
            )
        if seen == self._seen:
            return False
        self._seen = seen
        self._users.clear()
        self._by_digest = dict(self._load())
        return True

    def _load(self) -> list[tuple[str, Caller]]:
        dead = select(revocations.c.api_key)
        with self._archive.store.read() as connection:
            rows = connection.execute(select(api_keys).where(api_keys.c.api_key.not_in(dead))).all()
        return [
            (row.digest, Caller(row.api_key, person, row.asserts, row.public_key))
            for row in rows
            if (
                person := self._archive.vault.person_of(row.account)
            )  # an erased holder has no keys
        ]

    def find(self, secret: str) -> Caller | None:
        """The holder of this key, or None."""
        return self._by_digest.get(sha256(secret.encode()).hexdigest())

    # -- users a caller speaks for -------------------------------------------------------------------

    def known_user(self, caller: Caller, subject: str) -> str | None:
        """The user of that name, if this process has seen it: no database is asked."""
        return self._users.get((caller.api_key, subject))

    def user(self, caller: Caller, subject: str) -> str:
        """The person whom the caller knows as `subject`; registered when first seen."""
        vault = self._archive.vault
        person = vault.person(caller.api_key, subject)
        if person is None:
            try:
                person = vault.add_person(caller.api_key, subject, now())
            except IntegrityError:  # another process was first
                person = vault.person(caller.api_key, subject) or ""
        if len(self._users) >= _CACHE:
            self._users.clear()
        self._users[caller.api_key, subject] = person
        return person

    # -- administration ------------------------------------------------------------------------------

    def create(self, person: str, asserts: Asserts = "no", public_key: str = "") -> tuple[str, str]:
        """Make a key for a person; returns its id and the secret, which is not kept."""
        name, secret = f"key_{token_hex(6)}", _PREFIX + token_urlsafe(24)
        account = self._archive.vault.key_for(person, "account", FOR_EVER).key_id
        facts = {
            "api_key": name,
            "digest": sha256(secret.encode()).hexdigest(),
            "account": account,
            "asserts": asserts,
            "public_key": public_key,
        }
        entry = Entry(
            "key.created", CARRIES, name, facts, api_keys, person=person, retention="account"
        )
        self._archive.writer.commit_now(entry)
        return name, secret

    def revoke(self, name: str) -> None:
        """End a key.

        Raises:
            Problem: `key_unknown`.
        """
        keys = {key.api_key: key for key in self.list()}
        if name not in keys:
            raise Problem(
                "key_unknown", "There is no key {name}: `hegui keys list` shows them.", name=name
            )
        if not keys[name].revoked:
            entry = Entry("key.revoked", CARRIES, name, {"api_key": name}, revocations)
            self._archive.writer.commit_now(entry)

    def list(self) -> list[ApiKey]:
        query = (
            select(api_keys, revocations.c.at.label("revoked"))
            .outerjoin(revocations, revocations.c.api_key == api_keys.c.api_key)
            .order_by(api_keys.c.seq)
        )
        with self._archive.store.read() as connection:
            return [
                ApiKey(row.api_key, row.asserts, row.at, row.revoked or "", row.account)
                for row in connection.execute(query)
            ]


def subject_of_token(caller: Caller, token: str) -> str:
    """The `sub` of a user token: a JWT signed (EdDSA) by the caller's registered key.

    It must carry `exp` and the audience "hegui", so that it cannot be replayed for ever or elsewhere.

    Raises:
        Problem: `user_token`.
    """
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(caller.public_key, validate=True))
        claims = jwt.decode(
            token, key, ["EdDSA"], audience="hegui", options={"require": ["exp", "sub", "aud"]}
        )
    except (jwt.PyJWTError, ValueError) as error:
        raise Problem(
            "user_token",
            "The user token was not accepted ({reason}): sign a fresh JWT with sub, exp and "
            'aud "hegui" by the Ed25519 key that is registered with this API key.',
            reason=error,
        ) from error
    return check_subject(str(claims["sub"]))


def check_public_key(text: str) -> None:
    """Check the form of a registered public key.

    Raises:
        Problem: `public_key`.
    """
    try:
        Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except ValueError as error:
        raise Problem(
            "public_key", "Give --public-key: the 32 bytes of an Ed25519 public key in base64."
        ) from error


def check_subject(subject: str) -> str:
    """The name a caller gives a user.

    Raises:
        Problem: `user_name`.
    """
    if not subject or len(subject) > _LONGEST_SUBJECT or not subject.isprintable():
        raise Problem(
            "user_name",
            "The user's name must be 1 to {longest} printable characters: use a stable id of "
            "your own, not the person's name or number.",
            longest=_LONGEST_SUBJECT,
        )
    return subject
