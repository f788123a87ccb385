"""The staff console 工作台: exchanges, opening one, the ledger, sessions."""

from contextlib import suppress
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, select
from starlette.requests import Request
from starlette.responses import Response

from hegui.evidence.archive import Archive
from hegui.evidence.opening import LONGEST, SHORTEST, list_openings, open_exchange
from hegui.language import N_, Problem, say
from hegui.people.staff import ADMINISTRATOR, invited_by
from hegui.safety.risks import risks
from hegui.store.tables import cases, exchanges, outcomes
from hegui.web.pages.conversation import Asked
from hegui.web.pages.staff_ledger import entry_page, ledger_page, proof_of, verify_page
from hegui.web.render import beijing, page, redirect, service_of
from hegui.web.routing import Missing, Route
from hegui.web.sessions import COOKIE_STAFF, Sessions, set_cookie

ROLE: Final = f"staff:{ADMINISTRATOR}"
_SESSION_SECONDS: Final = 12 * 3600
_ROWS: Final = 50
REASON: Final = {"shortest": SHORTEST, "longest": LONGEST}  # of the form that opens content
_DECISIONS: Final = {"withheld": "withhold", "refused": "refuse"}
_WHERE: Final[dict[str, ColumnElement[bool]]] = {
    "pass": outcomes.c.state.is_(None)
    | (outcomes.c.state == "interrupted")
    | and_(outcomes.c.state == "finished", outcomes.c.control == ""),
    "mask": and_(outcomes.c.state == "finished", outcomes.c.control != ""),
    "withhold": outcomes.c.state == "withheld",
    "refuse": outcomes.c.state == "refused",
}


def staff_of(request: Request) -> dict[str, str]:
    """Who is at work, as the templates name them."""
    return {"name": request.state.staff, "role": _role_word(request)}


def _role_word(request: Request) -> str:
    return say(request.state.language, N_("Administrator"))


# -- sessions --------------------------------------------------------------------------------------


def _show_link(request: Request) -> Response:
    invited = invited_by(service_of(request).archive, request.path_params["token"])
    if invited is None:
        raise _dead_link()
    until = beijing(datetime.fromtimestamp(invited.until, UTC).isoformat())
    told = {"name": invited.staff, "role": _role_word(request), "until": until}
    return page(request, "staff/enter.html", staff=None, invited=told)


def _use_link(request: Request) -> Response:
    service = service_of(request)
    found = Sessions(service.archive)
    holder = found.use_link(request.path_params["token"])
    if holder is None:
        raise _dead_link()
    token = found.create("staff", holder, _SESSION_SECONDS)
    answer = redirect("/staff")
    set_cookie(answer, service.settings, COOKIE_STAFF, token, _SESSION_SECONDS)
    return answer


def _leave(request: Request) -> Response:
    Sessions(service_of(request).archive).end(request.cookies.get(COOKIE_STAFF, ""))
    answer = redirect("/")
    answer.delete_cookie(COOKIE_STAFF)
    return answer


def _dead_link() -> Missing:
    return Missing(
        "dead_link",
        N_(
            "This link was used already, has ended or is not complete: the service prints a new one "
            "each time it starts."
        ),
    )


# -- the register ----------------------------------------------------------------------------------


def _joined() -> Select[Any]:
    return select(
        exchanges, outcomes.c.state, outcomes.c.control, outcomes.c.category, outcomes.c.reason,
        outcomes.c.seq.label("end_seq"), outcomes.c.at.label("end_at"),
    ).join_from(
        exchanges, outcomes, exchanges.c.exchange == outcomes.c.exchange, isouter=True
    )  # fmt: skip


def _filtered(filters: dict[str, str]) -> Select[Any]:
    query = _joined()
    if filters["state"] == "running":
        query = query.where(outcomes.c.state.is_(None))
    elif filters["state"]:
        query = query.where(outcomes.c.state == filters["state"])
    decision = _WHERE.get(filters["decision"])
    return query if decision is None else query.where(decision)


def _shown(row: Row[Any]) -> dict[str, Any]:
    state = row.state or "running"
    masked = "mask" if state == "finished" and row.control else "pass"
    return {
        "id": row.exchange,
        "at": beijing(row.at),
        "person": row.key_id[:12],
        "route": row.route,
        "model": row.model,
        "state": state,
        "decision": _DECISIONS.get(state, masked),
        "categories": [row.category] if row.category else [],
        "reason": row.reason or "",
    }


def _exchanges(request: Request) -> Response:
    filters = {name: request.query_params.get(name, "") for name in ("state", "decision")}
    before = request.query_params.get("before", "")
    query, column = _filtered(filters), exchanges.c.exchange
    with service_of(request).archive.store.read() as connection:
        part = query.where(column < before) if before else query
        rows = connection.execute(part.order_by(column.desc()).limit(_ROWS + 1)).all()
        # The page above this one holds the _ROWS next newer; what bounds it is the one after them.
        above = query.where(column >= before).order_by(column).offset(_ROWS).limit(1)
        newer = connection.execute(above).first() if before else None
    last = rows[_ROWS - 1].exchange if len(rows) > _ROWS else ""
    pager = {
        "newer": _url(filters, newer.exchange if newer else "") if before else None,
        "older": _url(filters, last) if last else None,
    }
    shown = [_shown(row) for row in rows[:_ROWS]]
    told: dict[str, Any] = {
        "rows": shown,
        "filters": filters,
        "pager": pager,
        "staff": staff_of(request),
    }
    return page(request, "staff/exchanges.html", **told)


def _url(filters: dict[str, str], before: str) -> str:
    given = {name: value for name, value in {**filters, "before": before}.items() if value}
    return "/staff/exchanges" + (f"?{urlencode(given)}" if given else "")


# -- one exchange ----------------------------------------------------------------------------------


def _find(archive: Archive, exchange: str) -> Row[Any]:
    with archive.store.read() as connection:
        row = connection.execute(_joined().where(exchanges.c.exchange == exchange)).first()
    if row is None:
        raise Missing(
            "no_exchange",
            N_("There is no exchange {exchange}: choose one from the register."),
            exchange=exchange,
        )
    return row


def _exchange(request: Request) -> Response:
    return _exchange_page(request, None, None)


def _open(request: Request) -> Response:
    reason = request.state.form.get("reason", "").strip()
    exchange, holder = request.path_params["exchange"], request.state.staff
    _find(service_of(request).archive, exchange)
    try:
        opened = open_exchange(service_of(request).archive, exchange, holder, reason)
    except Problem as problem:
        return _exchange_page(request, None, problem.say(request.state.language))
    shown = {
        "question": question_text(opened.question),
        "answer": opened.answer,
        "withheld": opened.withheld or None,
        "by": holder,
        "at": beijing(opened.at),
        "reason": reason,
    }
    return _exchange_page(request, shown, None)


def _exchange_page(request: Request, opened: dict[str, Any] | None, error: str | None) -> Response:
    archive = service_of(request).archive
    row = _find(archive, request.path_params["exchange"])
    proof = None if row.end_seq is None else proof_of(archive, row.end_seq)
    told = {"exchange": _shown(row), "events": _events(request, row), "proof": proof}
    status = 400 if error else 200
    return page(
        request, "staff/exchange.html", status,
        **told, opened=opened, error=error, limits=REASON, staff=staff_of(request),
    )  # fmt: skip


class _Part(msgspec.Struct):
    text: str


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part]


class _Messages(msgspec.Struct):
    messages: list[_Message]


def question_text(request: str) -> str:
    """What a request says, of the page or of a program; itself where it has another form."""
    with suppress(msgspec.MsgspecError):
        return msgspec.json.decode(request, type=Asked).text
    try:
        messages = msgspec.json.decode(request, type=_Messages).messages
    except msgspec.MsgspecError:
        return request
    return "\n\n".join(f"{message.role}: {_text_of(message.content)}" for message in messages)


def _text_of(content: str | list[_Part]) -> str:
    return content if isinstance(content, str) else "\n".join(part.text for part in content)


def _events(request: Request, row: Row[Any]) -> list[dict[str, Any]]:
    language = request.state.language
    events = [event(row.at, say(language, N_("Admitted and sealed")), row.model, row.seq)]
    if row.end_seq is not None:
        ended = say(language, N_("End recorded and sealed"))
        events.append(event(row.end_at, ended, _grounds(row, language), row.end_seq))
    archive = service_of(request).archive
    query = select(cases).where(cases.c.exchange == row.exchange)
    with archive.store.read() as connection:
        for case in connection.execute(query):
            reported = say(language, N_("Reported by the user"))
            events.append(event(case.at, reported, case.receipt, case.seq))
    events += opening_events(archive, row.exchange, language)
    return sorted(events, key=itemgetter("entry"))


def _grounds(row: Row[Any], language: str) -> str:
    """What ended the exchange, by its code, and the risk by its name."""
    risk = f"{row.category} {risks()[row.category].name.say(language)}" if row.category else ""
    return " · ".join(filter(None, (row.control, risk, row.reason)))


def opening_events(archive: Archive, subject: str, language: str) -> list[dict[str, Any]]:
    """The openings of an exchange, or of a report's words, as events of a timeline."""
    found = list_openings(archive, subject)
    text = N_("Content opened by {name}")
    return [event(o.at, say(language, text, name=o.staff), o.reason, o.seq) for o in found]


def event(at: str, title: str, detail: str, entry: int) -> dict[str, Any]:
    """One event of a timeline, as parts.html shows it."""
    return {"at": beijing(at), "title": title, "detail": detail, "entry": entry}


def _ledger(request: Request) -> Response:
    return ledger_page(request, staff_of(request))


def _entry(request: Request) -> Response:
    return entry_page(request, staff_of(request))


def _verify(request: Request) -> Response:
    return verify_page(request, staff_of(request))


STAFF_ROUTES: Final = (
    Route("/staff/enter/{token}", ("GET",), "public", _show_link),
    Route("/staff/enter/{token}", ("POST",), "public", _use_link),
    Route("/staff/exchanges", ("GET",), ROLE, _exchanges),
    Route("/staff/exchanges/{exchange}", ("GET",), ROLE, _exchange),
    Route("/staff/exchanges/{exchange}/open", ("POST",), ROLE, _open),
    Route("/staff/ledger", ("GET",), ROLE, _ledger),
    Route("/staff/ledger/verify", ("POST",), ROLE, _verify),
    Route("/staff/ledger/{seq}", ("GET",), ROLE, _entry),
    Route("/staff/leave", ("POST",), ROLE, _leave),
)
