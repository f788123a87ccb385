"""Signed evidence: all of it with its state, the next to run out first; and its end."""

from datetime import UTC, datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hegui.evidence.signed import end, list_signed
from hegui.language import N_, Problem
from hegui.law import register
from hegui.web.pages.staff import ROLE, staff_of
from hegui.web.pages.standing import proof_row, proof_words
from hegui.web.render import page, redirect, service_of
from hegui.web.routing import Route

_ORDER: Final = ("soon", "holds", "later", "expired", "ended")


def show_evidence(request: Request) -> Response:
    return _page(request)


def end_proof(request: Request) -> Response:
    """From now on the evidence counts no more."""
    proof, form = request.path_params["proof"], request.state.form
    try:
        end(service_of(request).archive, proof, _reason(form), request.state.staff)
    except Problem as problem:
        return _page(request, proof, problem)
    return redirect(f"/staff/evidence#{proof}")


def _reason(form: dict[str, str]) -> str:
    if reason := form.get("reason", "").strip():
        return reason
    raise Problem("proof.reason", N_("Say why the evidence counts no more."))


def _page(request: Request, proof: str = "", problem: Problem | None = None) -> Response:
    language, today = request.state.language, datetime.now(UTC).date()
    rows = [_row(proof_row(each, today), language)
            for each in list_signed(service_of(request).archive)]  # fmt: skip
    rows.sort(key=lambda row: (_ORDER.index(row["state"]), row["until"]))
    waiting = {duty.human for duty in register() if duty.human} - {
        row["kind"] for row in rows if row["state"] in {"soon", "holds"}
    }
    return page(
        request, "staff/evidence.html", 400 if problem else 200,
        rows=rows,
        proof_words=proof_words(language),
        lacking=sorted(register().term("human", kind).say(language) for kind in waiting),
        error={proof: problem.say(language)} if problem else {},
        staff=staff_of(request),
    )  # fmt: skip


def _row(row: dict[str, Any], language: str) -> dict[str, Any]:
    return row | {"kind_word": register().term("human", row["kind"]).say(language)}


EVIDENCE_ROUTES: Final = (
    Route("/staff/evidence", ("GET",), ROLE, show_evidence),
    Route("/staff/evidence/{proof}/end", ("POST",), ROLE, end_proof),
)
