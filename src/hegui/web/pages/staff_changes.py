"""What changed: entries of the ledger that can turn a state, and the law, a year back and ahead."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hegui.evidence.history import Change, list_changes
from hegui.law import Provision, register
from hegui.web.pages.staff import ROLE, staff_of
from hegui.web.pages.standing import linked
from hegui.web.render import beijing, page, service_of
from hegui.web.routing import Route

_ROWS: Final = 50
_YEAR: Final = timedelta(days=365)


def show_changes(request: Request) -> Response:
    """The newest changes, `before` an entry of the ledger if the address names one."""
    language, given = request.state.language, request.query_params.get("before", "")
    before = int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else None
    found = list_changes(service_of(request).archive, before, _ROWS + 1)
    older = f"/staff/changes?before={found[_ROWS - 1].seq}" if len(found) > _ROWS else None
    today = datetime.now(UTC).date()
    return page(
        request, "staff/changes.html",
        changes=[_told(change, language) for change in found[:_ROWS]],
        pager={"newer": None if before is None else "/staff/changes", "older": older},
        ahead=law_changes(today + timedelta(days=1), today + _YEAR, language),
        behind=law_changes(today - _YEAR, today, language)[::-1],
        staff=staff_of(request),
    )  # fmt: skip


def _told(change: Change, language: str) -> dict[str, Any]:
    return {
        "at": beijing(change.at),
        "title": change.say(language),
        "detail": linked(change.detail),
        "duties": change.duties,
        "entry": change.seq,
    }


def law_changes(first: date, last: date, language: str) -> list[dict[str, Any]]:
    """What began, ended or took another number from `first` to `last`, a day and instrument an entry."""
    found: dict[tuple[date, str], dict[str, list[Any]]] = defaultdict(
        lambda: {"began": [], "renumbered": [], "ended": []}
    )
    for row in register().provisions:
        for what, day in _days(row):
            if first <= day <= last:
                found[day, row.instrument][what].append(row)
    return [
        {"day": day.isoformat(), **_instrument(code, language), **_rows(rows)}
        for (day, code), rows in sorted(found.items(), key=lambda entry: entry[0])
    ]


def _days(row: Provision) -> list[tuple[str, date]]:
    """What happened to a provision, and on which day."""
    days = [("renumbered" if row.renumbered_from else "began", row.valid_from)]
    if row.valid_to:
        days.append(("ended", row.valid_to + timedelta(days=1)))
    return days


def _instrument(code: str, language: str) -> dict[str, str]:
    found = register().instrument(code)
    status = register().term("status", found.status).say(language)
    return {"code": code, "title": found.title.say(language), "status": status}


def _rows(rows: dict[str, list[Provision]]) -> dict[str, Any]:
    return {
        "began": len(rows["began"]),
        "ended": [row.id for row in rows["ended"]],
        "renumbered": [(row.renumbered_from[-1].id, row.id) for row in rows["renumbered"]],
    }


CHANGES_ROUTES: Final = (Route("/staff/changes", ("GET",), ROLE, show_changes),)
