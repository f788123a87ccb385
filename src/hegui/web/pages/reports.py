"""Reports and complaints 投诉举报 (Art. 15), and appeals: the form, and the receipt."""

from typing import Final

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import Response

from hegui.cases import LONGEST, REASONS, find_case, open_case, read_answer
from hegui.evidence.archive import Archive
from hegui.language import N_, Problem, say
from hegui.store.tables import exchanges
from hegui.web.render import beijing, page, redirect, service_of
from hegui.web.routing import Missing, Route


def show_report(request: Request) -> Response:
    return _form(request, _own_exchange(request))


def send_report(request: Request) -> Response:
    """Open a case about one's own exchange, and show the receipt."""
    exchange, form = _own_exchange(request), request.state.form
    archive = service_of(request).archive
    chosen = form.get("reason", "")
    text = form.get("text", "").replace("\r\n", "\n")  # as the browser counts its characters
    try:
        receipt = open_case(archive, request.state.person, exchange, chosen, text)
    except Problem as problem:
        error = problem.say(request.state.language)
        return _form(request, exchange, 400, chosen, text, error)
    return redirect(f"/receipt/{receipt}")


def show_receipt(request: Request) -> Response:
    """How a case stands, for the person who opened it."""
    archive, number = service_of(request).archive, request.path_params["number"]
    case = find_case(archive, number)
    if case is None or not _belongs(archive, request.state.person, case.key_id):
        raise Missing(
            "receipt_unknown",
            N_(
                "There is no receipt {number} of yours: check the number, and that you are signed in "
                "as the person who sent the report."
            ),
            number=number,
        )
    receipt = {
        "number": case.receipt,
        "at": beijing(case.at),
        "state": case.state,
        "reason": say(request.state.language, REASONS[case.reason]),
        "exchange": case.exchange,
        "due": case.due,
        "answer": read_answer(archive, case.receipt),
    }
    return page(request, "receipt.html", receipt=receipt)


def _form(
    request: Request,
    exchange: str,
    status: int = 200,
    chosen: str = "",
    text: str = "",
    error: str | None = None,
) -> Response:
    reasons = [
        {"key": key, "text": say(request.state.language, reason)} for key, reason in REASONS.items()
    ]
    return page(
        request, "report.html", status,
        exchange=exchange, reasons=reasons, chosen=chosen, text=text, longest=LONGEST,
        error=error,
    )  # fmt: skip


def _own_exchange(request: Request) -> str:
    archive = service_of(request).archive
    exchange: str = request.path_params["exchange"]
    query = select(exchanges.c.key_id).where(exchanges.c.exchange == exchange)
    with archive.store.read() as connection:
        key = connection.execute(query).scalar()
    if not _belongs(archive, request.state.person, key):
        raise Missing(
            "exchange_unknown",
            N_(
                "There is no exchange {exchange} of yours: open the report from the answer it is about."
            ),
            exchange=exchange,
        )
    return exchange


def _belongs(archive: Archive, person: str, key_id: str | None) -> bool:
    return key_id is not None and archive.vault.person_of(key_id) == person


REPORT_ROUTES: Final = (
    Route("/report/{exchange}", ("GET",), "person", show_report),
    Route("/report/{exchange}", ("POST",), "person", send_report),
    Route("/receipt/{number}", ("GET",), "person", show_receipt),
)
