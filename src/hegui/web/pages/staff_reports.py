"""Reports and complaints as staff see them: what waits, the nearest deadline first, and each one."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hegui.cases import (
    LONGEST,
    REASONS,
    Case,
    find_case,
    list_cases,
    list_steps,
    next_states,
    read_answer,
    take_step,
)
from hegui.evidence.opening import open_report
from hegui.language import N_, Problem, say
from hegui.web.pages.staff import REASON, ROLE, event, opening_events, staff_of
from hegui.web.render import beijing, page, redirect, service_of
from hegui.web.routing import Missing, Route

_ROWS: Final = 50
_STEPS: Final = {
    "working": N_("Taken up by {name}"),
    "answered": N_("Answered by {name}"),
    "closed": N_("Closed by {name}"),
}


def show_reports(request: Request) -> Response:
    """The reports that wait for an answer, or (`show=settled`) those that have one."""
    settled = request.query_params.get("show") == "settled"
    given = request.query_params.get("page", "")
    number = max(1, int(given)) if given.isascii() and given.isdecimal() and len(given) < 7 else 1
    archive = service_of(request).archive
    skip = (number - 1) * _ROWS
    found = list_cases(archive, settled=settled, skip=skip, limit=_ROWS + 1)
    pager = {
        "newer": _url(settled, number - 1) if number > 1 else None,
        "older": _url(settled, number + 1) if len(found) > _ROWS else None,
    }
    rows = [_told(case, request.state.language) for case in found[:_ROWS]]
    return page(
        request, "staff/reports.html",
        rows=rows, settled=settled, pager=pager, staff=staff_of(request),
    )  # fmt: skip


def _url(settled: bool, number: int) -> str:
    return f"/staff/reports?show={'settled' if settled else 'waiting'}&page={number}"


def _told(case: Case, language: str) -> dict[str, Any]:
    return {
        "receipt": case.receipt,
        "at": beijing(case.at),
        "exchange": case.exchange,
        "reason": say(language, REASONS.get(case.reason, case.reason)),
        "state": case.state,
        "due": case.due,
        "late": case.late,
    }


# -- one report ------------------------------------------------------------------------------------


def show_report(request: Request) -> Response:
    return _page(request, _find(request))


def open_words(request: Request) -> Response:
    """Show what the person wrote; that it was opened stands in the ledger first."""
    case, archive = _find(request), service_of(request).archive
    reason = request.state.form.get("reason", "")
    try:
        words = open_report(archive, case.receipt, request.state.staff, reason)
    except Problem as problem:
        return _page(request, case, error=problem.say(request.state.language))
    return _page(request, case, words=words)


def take(request: Request) -> Response:
    """Take a report up, answer it or close it."""
    case, form = _find(request), request.state.form
    archive, holder = service_of(request).archive, request.state.staff
    answer = form.get("answer", "").replace("\r\n", "\n")  # as the browser counts its characters
    try:
        take_step(archive, case, holder, form.get("state", ""), answer)
    except Problem as problem:
        told = problem.say(request.state.language)
        return _page(request, _find(request), step_error=told, draft=answer)
    return redirect(f"/staff/reports/{case.receipt}")


def _find(request: Request) -> Case:
    number = request.path_params["receipt"]
    case = find_case(service_of(request).archive, number)
    if case is None:
        raise Missing(
            "no_report",
            N_("There is no report {receipt}: choose one from the list."),
            receipt=number,
        )
    return case


def _page(
    request: Request,
    case: Case,
    *,
    words: str | None = None,
    error: str | None = None,
    step_error: str | None = None,
    draft: str = "",
) -> Response:
    archive = service_of(request).archive
    return page(
        request, "staff/report.html", 400 if error or step_error else 200,
        report=_told(case, request.state.language),
        events=_events(request, case),
        words=words,
        answer=read_answer(archive, case.receipt),
        next_states=next_states(archive, case),
        error=error,
        step_error=step_error,
        draft=draft,
        limits=REASON,
        longest=LONGEST,
        staff=staff_of(request),
    )  # fmt: skip


def _events(request: Request, case: Case) -> list[dict[str, Any]]:
    archive, language = service_of(request).archive, request.state.language
    received = say(language, N_("Received and sealed"))
    events = [event(case.at, received, "", case.seq)]
    for step in list_steps(archive, case.receipt):
        title = say(language, _STEPS[step.state], name=step.staff)
        events.append(event(step.at, title, "", step.seq))
    events += opening_events(archive, case.receipt, language)
    return sorted(events, key=lambda event: event["entry"])


STAFF_REPORT_ROUTES: Final = (
    Route("/staff/reports", ("GET",), ROLE, show_reports),
    Route("/staff/reports/{receipt}", ("GET",), ROLE, show_report),
    Route("/staff/reports/{receipt}/open", ("POST",), ROLE, open_words),
    Route("/staff/reports/{receipt}/step", ("POST",), ROLE, take),
)
