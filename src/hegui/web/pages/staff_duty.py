"""One duty: its text in both languages, where it stands and why, and the forms that change that."""

from datetime import date
from typing import Any, Final, get_args

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from hegui.cases.due import board_of
from hegui.evidence.archive import Archive
from hegui.evidence.checks import SEEN
from hegui.evidence.counting import Count, daily
from hegui.evidence.signed import Capacity, add, assign, list_signed, review
from hegui.evidence.status import Part, Standing
from hegui.language import LANGUAGES, N_, Problem, say
from hegui.law import Interpretation, Obligation, register
from hegui.law.telling import amounts, clock_text, mark_text, sanction_title, validity_text
from hegui.web.pages.staff import ROLE, staff_of
from hegui.web.pages.standing import (
    linked,
    proof_row,
    proof_words,
    spark,
    told,
    words,
)
from hegui.web.render import beijing, page, redirect, service_of
from hegui.web.routing import Missing, Route

_UPLOAD: Final = 64 * 1024 * 1024  # bytes of a file that the page takes
_CAPACITIES: Final = {"counsel": N_("Counsel"), "internal": N_("In-house")}


def show_duty(request: Request) -> Response:
    return _page(request, _find(request))


def name_owner(request: Request) -> Response:
    """Say who sees to the duty from now on."""
    duty, form = _find(request), request.state.form
    owner = form.get("owner", "")
    try:
        assign(service_of(request).archive, duty.id, owner, request.state.staff)
    except Problem as problem:
        return _page(request, duty, "owner", problem)
    return redirect(f"/staff/duty/{duty.id}")


def add_review(request: Request) -> Response:
    """Put on record what a named person found about an open reading."""
    duty, form = _find(request), request.state.form
    try:
        review(
            service_of(request).archive, duty.id, form.get("reviewer", ""), _capacity(form),
            form.get("finding", ""), _day(form.get("valid_until", "")), request.state.staff,
        )  # fmt: skip
    except Problem as problem:
        return _page(request, duty, "review", problem)
    return redirect(f"/staff/duty/{duty.id}#review")


def add_proof(request: Request) -> Response:
    """Put signed evidence on record; of the file only the name and the digest are kept."""
    state, duty = request.state, _find(request)
    form = state.form
    try:
        file = _file(request)
        add(
            service_of(request).archive, file.file, kind=duty.human or "",
            name=file.filename or "", signer=form.get("signer", ""), owner=form.get("owner", ""),
            valid_until=_day(form.get("valid_until", "")), note=form.get("note", ""),
            about=() if form.get("about") == "all" else (duty.id,), staff=state.staff,
        )  # fmt: skip
    except Problem as problem:
        return _page(request, duty, "proof", problem)
    return redirect(f"/staff/duty/{duty.id}#evidence")


def _capacity(form: dict[str, str]) -> Capacity:
    for known in get_args(Capacity):
        if form.get("capacity") == known:
            capacity: Capacity = known
            return capacity
    raise Problem("review.capacity", N_("Say in which capacity it was reviewed."))


def _file(request: Request) -> UploadFile:
    fault, file = request.state.fault, request.state.file
    if fault is None and isinstance(file, UploadFile):
        return file
    raise fault or Problem("proof.none", N_("Choose the signed file."))


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text.strip())
    except ValueError as error:
        raise Problem(
            "day", N_("Give the last day on which it holds, such as 2027-06-30.")
        ) from error


def _find(request: Request) -> Obligation:
    try:
        return register().obligation(request.path_params["duty"])
    except Problem as problem:
        raise Missing(problem.code, problem.message, **problem.values) from problem


# -- what the page shows ---------------------------------------------------------------------------


def _page(
    request: Request, duty: Obligation, form: str = "", problem: Problem | None = None
) -> Response:
    """The page of a duty; `problem` is told at the form it belongs to, what was typed stays."""
    archive, language = service_of(request).archive, request.state.language
    found = board_of(archive)
    standing = found.standings[duty.id]
    return page(
        request, "staff/duty.html", 400 if problem else 200,
        duty=told(standing, language) | _law(duty, language),
        texts=[_text(duty, each) for each in LANGUAGES],
        reasons=[linked(each.say(language), whole=True) for each in standing.reasons],
        checks=_checks(archive, standing, found.today, language),
        proofs=[proof_row(proof, found.today) for proof in list_signed(archive)
                if duty.id in proof.about],
        proof_words=proof_words(language),
        review=_review(standing, found.today, language),
        capacities={code: say(language, word) for code, word in _CAPACITIES.items()},
        error={form: problem.say(language)} if problem else {},
        typed={form: request.state.form} if problem else {},
        words=words(language),
        megabytes=_UPLOAD // 1024 // 1024,
        staff=staff_of(request),
    )  # fmt: skip


def _text(duty: Obligation, language: str) -> dict[str, Any]:
    """The duty in one language, in which its labels are too."""
    pairs = (
        (N_("When"), duty.trigger),
        (N_("Evidence"), duty.evidence),
        (N_("Stays human"), duty.human_residue),
    )
    return {
        "lang": "zh-Hans" if language == "zh" else "en",
        "modality": register().term("modality", duty.modality).say(language),
        "duty": duty.duty.say(language),
        "pairs": [(say(language, name), text.say(language)) for name, text in pairs if text],
    }


def _law(duty: Obligation, language: str) -> dict[str, Any]:
    """What the register says beside the text."""
    book, term = register(), register().term
    instrument = book.instrument(duty.id.partition("-")[0])
    provisions = [book.provision(each) for each in duty.provisions]
    return {
        "instrument": instrument.title.say(language),
        "code": instrument.code,
        "source": instrument.source_url,
        "provisions": [(each.id, validity_text(each, language)) for each in provisions],
        "who": [term("actor", code).say(language) for code in duty.actors],
        "subjects": [(code, term("facet", code).say(language)) for code in duty.facets],
        "mark": mark_text(duty.verified, language),
        "automation": term("automation", duty.automation).say(language),
        "room": term("room", duty.room).say(language),
        "controls": [term("control", code).say(language) for code in duty.controls],
        "human": term("human", duty.human).say(language) if duty.human else "",
        "sharing": sum(each.human == duty.human for each in book) if duty.human else 0,
        "clocks": [clock_text(clock, language) for clock in duty.clocks],
        "sanctions": [_sanction(code, language) for code in duty.sanctions],
        "other_law": duty.other_law.say(language) if duty.other_law else "",
        "relations": [_relation(each.type, each.to, language) for each in duty.relations],
        "readings": [_reading(each, language) for each in duty.interpretations],
        "open": duty.needs_check,
    }


def _sanction(code: str, language: str) -> dict[str, Any]:
    sanction = register().sanction(code)
    tiers = [
        {
            "condition": tier.condition.say(language),
            "measures": tier.measures.say(language),
            "amounts": amounts(tier, language),
        }
        for tier in sanction.tiers
    ]
    return {"title": sanction_title(sanction, language), "tiers": tiers}


def _relation(kind: str, to: str, language: str) -> dict[str, Any]:
    is_duty = any(each.id == to for each in register())
    return {"kind": register().term("relation", kind).say(language), "to": to, "is_duty": is_duty}


def _reading(reading: Interpretation, language: str) -> dict[str, str]:
    return {
        "question": reading.question.say(language),
        "default": reading.default.say(language),
        "review": register().term("review", reading.review).say(language),
    }


def _checks(
    archive: Archive, standing: Standing, today: date, language: str
) -> list[dict[str, Any]]:
    days = daily(archive, today) if standing.parts else {}
    window = archive.settings.register.window_days
    return [
        _check(part, language)
        | {"spark": None if part.found.name in SEEN
           else spark(days.get(part.found.name, {}), today, window)}
        for part in standing.parts
    ]  # fmt: skip


def _check(part: Part, language: str) -> dict[str, Any]:
    term, found = register().term, part.found
    count: Count = found.count
    return {
        "title": term("evidence", found.name).say(language),
        "coverage": term("coverage", part.link.coverage).say(language),
        "rationale": part.link.rationale.say(language),
        "outcome": found.outcome,
        "good": count.good,
        "population": count.population,
        "missing": [linked(each, whole=True) for each in count.missing],
        "since": found.since,
        "at": beijing(found.at) if found.at else "",
        "entries": found.seq,
    }


def _review(standing: Standing, today: date, language: str) -> dict[str, Any] | None:
    found = standing.review
    if found is None:
        return None
    return {
        "reviewer": found.reviewer,
        "capacity": say(language, _CAPACITIES[found.capacity]),
        "finding": found.finding,
        "until": found.valid_until,
        "at": beijing(found.at),
        "seq": found.seq,
        "holds": found.holds(today),
    }


DUTY_ROUTES: Final = (
    Route("/staff/duty/{duty}", ("GET",), ROLE, show_duty),
    Route("/staff/duty/{duty}/owner", ("POST",), ROLE, name_owner),
    Route("/staff/duty/{duty}/review", ("POST",), ROLE, add_review),
    Route("/staff/duty/{duty}/proof", ("POST",), ROLE, add_proof, _UPLOAD),
)
