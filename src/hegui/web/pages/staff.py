"""The staff console 工作台: the register of exchanges, opening one, reports, sessions."""

import base64
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from sqlalchemy import ColumnElement, Row, Select, and_, select
from starlette.requests import Request
from starlette.responses import Response

from hegui.cases import REASONS
from hegui.evidence.archive import Archive
from hegui.evidence.merkle import leaf_hash, root_from_inclusion
from hegui.evidence.opening import open_exchange
from hegui.evidence.proofs import entry_bytes, prove
from hegui.language import N_, Problem, say
from hegui.people.staff import ADMINISTRATOR, invited_by
from hegui.store.tables import cases, exchanges, outcomes
from hegui.web.pages.staff_ledger import ledger_page, verify_page
from hegui.web.render import beijing, page, redirect, service_of
from hegui.web.routing import Missing, Route
from hegui.web.sessions import COOKIE_STAFF, Sessions, set_cookie

_ROLE: Final = f"staff:{ADMINISTRATOR}"
_SESSION_SECONDS: Final = 12 * 3600
_ROWS: Final = 50
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
    answer = redirect("/staff/exchanges")
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
        "This link was used already, has ended or is not complete: the service prints a new one "
        "each time it starts.",
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
            "There is no exchange {exchange}: choose one from the register.",
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
    proof = None if row.end_seq is None else _proof(archive, row.end_seq)
    told = {"exchange": _shown(row), "events": _events(request, row), "proof": proof}
    status = 400 if error else 200
    return page(
        request, "staff/exchange.html", status,
        **told, opened=opened, error=error, staff=staff_of(request),
    )  # fmt: skip


def question_text(request: str) -> str:
    """What the messages of a request say; the request itself where it has another form."""
    try:
        messages = msgspec.json.decode(request)["messages"]
        lines = [(str(message["role"]), message["content"]) for message in messages]
    except (msgspec.MsgspecError, KeyError, TypeError):
        return request
    if not all(isinstance(content, str) for _, content in lines):
        return request
    return "\n\n".join(f"{role}: {content}" for role, content in lines)


def _events(request: Request, row: Row[Any]) -> list[dict[str, Any]]:
    language = request.state.language
    events = [_event(row.at, say(language, N_("Admitted and sealed")), row.model, row.seq)]
    if row.end_seq is not None:
        detail = " ".join(filter(None, (row.state, row.control, row.category, row.reason)))
        ended = say(language, N_("End recorded and sealed"))
        events.append(_event(row.end_at, ended, detail, row.end_seq))
    query = select(cases).where(cases.c.exchange == row.exchange).order_by(cases.c.seq)
    with service_of(request).archive.store.read() as connection:
        for case in connection.execute(query):
            reported = say(language, N_("Reported by the user"))
            events.append(_event(case.at, reported, case.receipt, case.seq))
    return events


def _event(at: str, title: str, detail: str, entry: int) -> dict[str, Any]:
    return {"at": beijing(at), "title": title, "detail": detail, "entry": entry}


def _proof(archive: Archive, seq: int) -> dict[str, Any]:
    """Prove the entry, and follow the proof to the root as an outsider would."""
    proof, _, note = prove(archive, seq).partition("\n\n")
    checkpoint = archive.signer.open(note)
    path = [base64.b64decode(line) for line in proof.splitlines()[2:]]
    with archive.store.read() as connection:
        leaf = leaf_hash(entry_bytes(connection, seq))
    ok = root_from_inclusion(leaf, seq, checkpoint.size, path) == checkpoint.root
    return {"entry": seq, "size": checkpoint.size, "root": checkpoint.root.hex(), "ok": ok}


# -- reports ---------------------------------------------------------------------------------------


def _reports(request: Request) -> Response:
    before = request.query_params.get("before", "")
    query = select(cases).order_by(cases.c.seq.desc()).limit(_ROWS + 1)
    if before.isdecimal():
        query = query.where(cases.c.seq < int(before[:18]))
    with service_of(request).archive.store.read() as connection:
        rows = connection.execute(query).all()
    older = f"/staff/reports?before={rows[_ROWS - 1].seq}" if len(rows) > _ROWS else None
    pager = {"newer": "/staff/reports" if before else None, "older": older}
    shown = [_report(row, request.state.language) for row in rows[:_ROWS]]
    return page(request, "staff/reports.html", rows=shown, pager=pager, staff=staff_of(request))


def _report(row: Row[Any], language: str) -> dict[str, Any]:
    reason = say(language, REASONS.get(row.reason, row.reason))
    at = {"at": beijing(row.at), "due": None, "late": False}
    return at | {"receipt": row.receipt, "exchange": row.exchange, "reason": reason, "state": "received"}  # fmt: skip


def _ledger(request: Request) -> Response:
    return ledger_page(request, staff_of(request))


def _verify(request: Request) -> Response:
    return verify_page(request, staff_of(request))


STAFF_ROUTES: Final = (
    Route("/staff/enter/{token}", ("GET",), "public", _show_link),
    Route("/staff/enter/{token}", ("POST",), "public", _use_link),
    Route("/staff/exchanges", ("GET",), _ROLE, _exchanges),
    Route("/staff/exchanges/{exchange}", ("GET",), _ROLE, _exchange),
    Route("/staff/exchanges/{exchange}/open", ("POST",), _ROLE, _open),
    Route("/staff/reports", ("GET",), _ROLE, _reports),
    Route("/staff/ledger", ("GET",), _ROLE, _ledger),
    Route("/staff/ledger/verify", ("POST",), _ROLE, _verify),
    Route("/staff/leave", ("POST",), _ROLE, _leave),
)
