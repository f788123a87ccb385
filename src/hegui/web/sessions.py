"""Sessions 会话: who is behind a cookie. The vault keeps only the cookie's SHA-256.

A session dies with its holder's erasure. A `link` is a one-time invitation and never a cookie.
"""

import time
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final, Literal

from sqlalchemy import delete, insert, select
from starlette.responses import Response

from hegui.evidence.archive import Archive
from hegui.settings import Settings
from hegui.store.tables import sessions

COOKIE: Final = "hegui"
COOKIE_STAFF: Final = "hegui-staff"
Kind = Literal["person", "staff", "link"]


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


class Sessions:
    """The sessions of one archive."""

    def __init__(self, archive: Archive) -> None:
        self._vault = archive.vault_database

    def create(self, kind: Kind, holder: str, seconds: int) -> str:
        """Begin a session of so many seconds; the token is returned once and not kept."""
        token, at = token_urlsafe(24), int(time.time())
        row = {
            "digest": _digest(token),
            "kind": kind,
            "holder": holder,
            "expires": at + seconds,
        }
        with self._vault.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.expires <= at))
            connection.execute(insert(sessions), row)
        return token

    def find(self, token: str, kind: Kind) -> str | None:
        """The holder of a living session of that kind, or None."""
        query = select(sessions.c.holder).where(
            sessions.c.digest == _digest(token),
            sessions.c.kind == kind,
            sessions.c.expires > int(time.time()),
        )
        with self._vault.read() as connection:
            return connection.execute(query).scalar()

    def use_link(self, token: str) -> str | None:
        """The holder of a one-time link, which ends here; None if it is unknown, used or too old."""
        holder = self.find(token, "link")
        return holder if holder is not None and self.end(token) else None

    def end(self, token: str) -> bool:
        """End a session; whether there was one (of two that end it at once, one hears yes)."""
        with self._vault.write() as connection:
            gone = connection.execute(delete(sessions).where(sessions.c.digest == _digest(token)))
            return gone.rowcount == 1


def set_cookie(
    response: Response, settings: Settings, name: str, value: str, seconds: int | None
) -> None:
    """Set a cookie that no script reads; with None for seconds it ends with the browser."""
    secure = settings.public_url.startswith("https:")
    response.set_cookie(name, value, seconds, httponly=True, samesite="lax", secure=secure)
