"""What changed: entries of the ledger that can turn a state, and the law, a year back and ahead."""

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hegui.evidence.history import Change, list_changes
from hegui.law import register
from hegui.law.time import changes
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
        ahead=law_changes(today, today + _YEAR, language),
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


def law_changes(since: date, until: date, language: str) -> list[dict[str, Any]]:
    """What began, ended or took another number after `since` up to `until`, by day and instrument."""
    found, told = changes(register(), since, until), _by_day()
    for row in (*found.began, *found.published):
        told[row.valid_from, row.instrument]["began"] += 1
    for moved in found.renumbered:
        here = moved.provision
        told[here.valid_from, here.instrument]["renumbered"].append((moved.before, moved.after))
    for row in found.ended:
        last = row.valid_to or until
        told[last + timedelta(days=1), row.instrument]["ended"].append(row.id)
    for each in found.alone:
        told[each.in_force or until, each.code]["began"] += 0
    return [
        {"day": day.isoformat(), **_instrument(code, language), **what}
        for (day, code), what in sorted(told.items(), key=lambda entry: entry[0])
    ]


def _by_day() -> defaultdict[tuple[date, str], dict[str, Any]]:
    return defaultdict(lambda: {"began": 0, "renumbered": [], "ended": []})


def _instrument(code: str, language: str) -> dict[str, Any]:
    found = register().instrument(code)
    status = register().term("status", found.status).say(language)
    carries = any(duty.id.startswith(f"{code}-") for duty in register())
    return {"code": code if carries else "", "title": found.title.say(language), "status": status}


CHANGES_ROUTES: Final = (Route("/staff/changes", ("GET",), ROLE, show_changes),)
