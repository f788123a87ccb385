"""The ledger as staff see it: its size and root, what it holds, and a verification of the whole."""

import time
from collections import Counter
from typing import Any, Final

from sqlalchemy import LargeBinary, cast, select
from starlette.requests import Request
from starlette.responses import Response

from hegui.evidence import checkpoints
from hegui.evidence.archive import Archive
from hegui.evidence.ledger import now
from hegui.evidence.merkle import Edge
from hegui.evidence.verify import verify
from hegui.store.tables import entries, ledger_head
from hegui.web.render import beijing, page, service_of

_BATCH: Final = 2_000  # rows fetched at once


def ledger_page(
    request: Request, staff: dict[str, str], result: dict[str, Any] | None = None
) -> Response:
    """The page of the ledger, with the result of a verification if one was asked for."""
    told = _ledger(service_of(request).archive)
    return page(request, "staff/ledger.html", ledger=told, result=result, staff=staff)


def verify_page(request: Request, staff: dict[str, str]) -> Response:
    """Verify the whole ledger, then show what was found."""
    started, at = time.monotonic(), beijing(now())
    report = verify(service_of(request).archive, lambda _done, _total: None)
    result = {
        "ok": report.verified,
        "at": at,
        "seconds": time.monotonic() - started,
        "findings": [finding.say(request.state.language) for finding in report.findings],
    }
    return ledger_page(request, staff, result)


def _ledger(archive: Archive) -> dict[str, Any]:
    with archive.store.read() as connection:
        head = connection.execute(select(ledger_head)).one()
    root = Edge(head.size, bytes(head.edge)).root().hex()
    note = checkpoints.latest(archive)
    return {"size": head.size, "root": root, "checkpoint": note, "kinds": _kinds(archive)}


def _kinds(archive: Archive) -> list[dict[str, Any]]:
    """Entries by kind. Heads are searched, not decoded: a damaged one must not break the page."""
    counts: Counter[str] = Counter()
    query = select(cast(entries.c.head, LargeBinary))
    with archive.store.read() as connection:
        for head in connection.execution_options(yield_per=_BATCH).execute(query).scalars():
            kind = bytes(head).partition(b'"kind":"')[2].partition(b'"')[0]
            counts[kind.decode(errors="replace") or "?"] += 1
    return [{"kind": kind, "count": count} for kind, count in counts.most_common()]
