"""What is due, as staff see it: overdue first, then month by month; events and what is done."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hegui.cases.clocks import BEIJING
from hegui.cases.due import Due, complete, due_list, is_started
from hegui.cases.occurrences import LONGEST, anchors, dated, record
from hegui.language import N_, Problem, say
from hegui.law import register
from hegui.web.pages.staff import ROLE, staff_of
from hegui.web.render import page, redirect, service_of
from hegui.web.routing import Route

_PATH: Final = "/staff/calendar"
_EVENT: Final = ("anchor", "day", "time", "obligation", "note")
_DONE: Final = ("item", "done_on", "reference")


def show_calendar(request: Request) -> Response:
    """What is open, or (`show=done`) what is done, the last first."""
    return _page(request)


def record_event(request: Request) -> Response:
    """Put an event on record; its clocks run from then on."""
    form = _fields(request, _EVENT)
    happened = "T".join(filter(None, (form["day"], form["time"])))
    archive, holder = service_of(request).archive, request.state.staff
    try:
        record(archive, form["anchor"], happened, holder, form["obligation"], form["note"])
    except Problem as problem:
        return _page(request, event_error=problem.say(request.state.language))
    return redirect(_PATH)


def record_done(request: Request) -> Response:
    """Put on record that something is done."""
    form, now = _fields(request, _DONE), datetime.now(BEIJING)
    archive, holder = service_of(request).archive, request.state.staff
    try:
        complete(archive, form["item"], form["reference"], holder, form["done_on"], now=now)
    except Problem as problem:
        return _page(request, done_error=problem.say(request.state.language))
    return redirect(_PATH)


def _fields(request: Request, names: tuple[str, ...]) -> dict[str, str]:
    form = getattr(request.state, "form", {})
    return {name: form.get(name, "") for name in names}


def _page(request: Request, *, event_error: str = "", done_error: str = "") -> Response:
    archive, language = service_of(request).archive, request.state.language
    found = due_list(archive, datetime.now(BEIJING))
    open_ = [each for each in found if each.state != "done"]
    finished = request.query_params.get("show") == "done"
    done = sorted((each for each in found if each.state == "done"), key=lambda each: each.done)
    return page(
        request, "staff/calendar.html", 400 if event_error or done_error else 200,
        groups=list(_groups(done[::-1] if finished else open_, language)),
        finished=finished,
        started=is_started(archive),
        items=[each for each in open_ if each.kind not in {"answer", "expiry"}],
        anchors={code: text.say(language) for code, text in anchors().items()},
        duties=sorted({each.duty.id for each in dated()}),
        form=_fields(request, (*_EVENT, *_DONE)),
        event_error=event_error,
        done_error=done_error,
        longest=LONGEST,
        staff=staff_of(request),
    )  # fmt: skip


def _groups(found: list[Due], language: str) -> Iterator[dict[str, Any]]:
    """The list as sections with a title, in the order that it has."""
    for title, part in groupby(found, _section):
        rows = [_row(each, language) for each in part]
        yield {"title": title if title[:1].isdigit() else say(language, title), "rows": rows}


def _section(each: Due) -> str:
    if each.state == "overdue":
        return N_("Overdue")
    if each.state == "done":
        return each.done[:7]
    return each.by[:7] or N_("No figure")


def _row(each: Due, language: str) -> dict[str, Any]:
    event = register().term("anchor", each.anchor).say(language) if each.anchor else ""
    return {
        "due": each,
        "by": each.by.replace("T", " ")[:16],
        "duty": each.duty.say(language),
        "event": event,
        "since": each.since.replace("T", " ")[:16],
        "figure": each.explain(language),
        "url": f"/staff/reports/{each.subject}" if each.kind == "answer" else "",
    }


STAFF_CALENDAR_ROUTES: Final = (
    Route(_PATH, ("GET",), ROLE, show_calendar),
    Route("/staff/calendar/events", ("POST",), ROLE, record_event),
    Route("/staff/calendar/done", ("POST",), ROLE, record_done),
)
