"""Staff 工作人员: who may open sealed content, and the one-time links that let them in.

A staff member is a random id with a role; the ledger names no person.
"""

import time
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from typing import Final

import msgspec
from sqlalchemy import insert, select

from hegui.evidence.archive import Archive
from hegui.store.tables import sessions, staff
from hegui.store.writer import Entry

CARRIES: Final = ("IM-9.1",)
ADMINISTRATOR: Final = "administrator"
LINK_SECONDS: Final = 24 * 3600


class Invited(msgspec.Struct, frozen=True):
    """Whom a link is for; `until` is its end in Unix seconds."""

    staff: str
    role: str
    until: int


def make_link(archive: Archive) -> str:
    """Return the token of a one-time link (24 h) for the administrator, appointing one if needed."""
    holder = _administrator(archive) or _appoint(archive)
    token = token_urlsafe(24)
    row = {"digest": _digest(token), "kind": "link", "holder": holder}
    with archive.vault_database.write() as connection:
        connection.execute(insert(sessions), row | {"expires": int(time.time()) + LINK_SECONDS})
    return token


def invited_by(archive: Archive, token: str) -> Invited | None:
    """Whom a living link is for, without using it; None if it is unknown, used or too old."""
    query = select(sessions.c.holder, sessions.c.expires).where(
        sessions.c.digest == _digest(token),
        sessions.c.kind == "link",
        sessions.c.expires > int(time.time()),
    )
    with archive.vault_database.read() as connection:
        row = connection.execute(query).first()
    role = role_of(archive, row.holder) if row else None
    return Invited(row.holder, role, row.expires) if row and role else None


def role_of(archive: Archive, staff_id: str) -> str | None:
    """The role of a staff member, or None when there is no such member."""
    with archive.store.read() as connection:
        return connection.execute(select(staff.c.role).where(staff.c.staff == staff_id)).scalar()


def _administrator(archive: Archive) -> str | None:
    query = select(staff.c.staff).where(staff.c.role == ADMINISTRATOR).order_by(staff.c.seq)
    with archive.store.read() as connection:
        return connection.execute(query.limit(1)).scalar()


def _appoint(archive: Archive) -> str:
    name = f"staff-{token_hex(4)}"
    facts = {"staff": name, "role": ADMINISTRATOR}
    archive.writer.commit_now(Entry("staff.appointed", CARRIES, name, facts, staff))
    return name


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()
