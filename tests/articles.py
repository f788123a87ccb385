"""What the tests of articles share: the routes that answer in text, the ledger, and how a duty stands."""

from datetime import date
from typing import Any

from sqlalchemy import select

from hegui.evidence.archive import Archive
from hegui.evidence.ledger import Head, read_head
from hegui.evidence.status import Standing, board
from hegui.store.tables import entries
from hegui.tick import tick
from serving import MODEL

# Every route that answers in text, and how it is asked a text.
ROUTES = {
    "/v1/chat/completions": lambda text: {"messages": _messages(text)},
    "/v1/responses": lambda text: {"input": text},
    "/v1/messages": lambda text: {"max_tokens": 9, "messages": _messages(text)},
    "/v1/completions": lambda text: {"prompt": text},
}


def asking(path: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    """The body that asks `text` on this route."""
    return {"model": MODEL, **ROUTES[path](text), **more}


def _messages(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def heads(archive: Archive, kind: str = "") -> list[Head]:
    """What the ledger says publicly, the oldest first; with `kind`, only such entries."""
    with archive.store.read() as connection:
        rows = connection.scalars(select(entries.c.head).order_by(entries.c.seq)).all()
    found = [read_head(bytes(row)) for row in rows]
    return [head for head in found if kind in ("", head.kind)]


def standing(archive: Archive, duty: str, today: date | None = None) -> Standing:
    """How a duty stands once everything that is new has been counted."""
    tick(archive)
    return board(archive, today=today).standings[duty]
