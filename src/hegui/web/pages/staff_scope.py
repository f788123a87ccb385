"""The scope of the service as staff answer it: the facts, what follows, and what changed when."""

from collections import Counter
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hegui.evidence import scope as scopes
from hegui.evidence.scope import COUNTER, Step
from hegui.language import N_, Problem, say
from hegui.law import register
from hegui.law.model import DecisionRow, Fact
from hegui.law.reading import UNKNOWN, Decision
from hegui.law.scoping import Changes, Scope, decide, fitting
from hegui.web.pages.staff import ROLE, event, staff_of
from hegui.web.render import page, redirect, service_of
from hegui.web.routing import Route

_WORDS: Final = {"true": True, "false": False}
_NONE: Final = ""  # the box "none of these", of a fact with several choices


def show_scope(request: Request) -> Response:
    """The form with the last answers, and what follows from them."""
    archive = service_of(request).archive
    found = scopes.current(archive)
    return _page(request, found or decide(scopes.counters(archive)), recorded=found is not None)


def take_answers(request: Request) -> Response:
    """Put the answers on record; what is wrong with one is said above the form."""
    answers = read_answers(request.state.form)
    try:
        scopes.answer(service_of(request).archive, answers, request.state.staff)
    except Problem as problem:
        told = problem.say(request.state.language)
        return _page(request, decide(fitting(answers)), recorded=False, error=told)
    return redirect("/staff/scope")


def read_answers(form: dict[str, str]) -> dict[str, Any]:
    """The answers in the fields of the form; a fact without any is left out."""
    found = {fact.id: _read(fact, form) for fact in register().tables.facts}
    return {name: value for name, value in found.items() if value is not None}


def _read(fact: Fact, form: dict[str, str]) -> Any:
    if fact.kind == "several":
        if f"{fact.id}.{UNKNOWN}" in form:
            return UNKNOWN
        chosen = sorted(each.id for each in fact.choices if f"{fact.id}.{each.id}" in form)
        return chosen if chosen or f"{fact.id}.{_NONE}" in form else None
    value = form.get(fact.id, "").strip()
    if fact.kind == "yes_no":
        return _WORDS.get(value, value or None)
    if fact.kind == "number" and value.isascii() and value.isdecimal():
        return int(value)
    return value or None


# -- what the page shows ---------------------------------------------------------------------------


def _page(request: Request, found: Scope, *, recorded: bool, error: str | None = None) -> Response:
    language = request.state.language
    steps = scopes.history(service_of(request).archive)
    older = recorded and steps[-1].version != found.version
    return page(
        request, "staff/scope.html", 400 if error else 200,
        groups=_groups(found, language),
        tables=[_table(each, language) for each in found.decisions if _says(each)],
        lists=_lists(found, language),
        duties=Counter(found.applies(duty).answer for duty in register()),
        history=[_event(step, language) for step in reversed(steps)],
        recorded=recorded,
        older=older,
        error=error,
        staff=staff_of(request),
    )  # fmt: skip


def _says(decision: Decision) -> bool:
    return bool(decision.rows or decision.possible or decision.gap)


def _groups(found: Scope, language: str) -> list[dict[str, Any]]:
    """The facts that were answered or still matter, in their groups."""
    wanted = {fact.id for fact in found.open_facts} | found.answers.keys()
    groups: dict[str, list[dict[str, Any]]] = {}
    for fact in register().tables.facts:
        if fact.id in wanted:
            told = _fact(fact, found.answers.get(fact.id), language)
            groups.setdefault(fact.group, []).append(told)
    term = register().term
    return [
        {"title": term("fact_group", code).say(language), "facts": facts}
        for code, facts in groups.items()
    ]


def _fact(fact: Fact, value: Any, language: str) -> dict[str, Any]:
    """A fact as a field of the form. `value` is what was answered, None if nothing was."""
    if fact.kind == "yes_no":
        words = [("true", say(language, N_("yes"))), ("false", say(language, N_("no")))]
    else:
        words = [(each.id, each.text.say(language)) for each in fact.choices]
    if isinstance(value, bool):
        given = ["true" if value else "false"]
    elif isinstance(value, list | tuple):
        given = list(value) or [_NONE]
    else:
        given = [] if value is None else [str(value)]
    if fact.kind == "several":
        words.append((_NONE, say(language, N_("None of these"))))
    return {
        "id": fact.id,
        "kind": fact.kind,
        "question": fact.question.say(language),
        "why": fact.why.say(language),
        "articles": fact.articles,
        "counted": fact.source == "counter",
        "choices": [*words, (UNKNOWN, say(language, N_("Not known yet")))],
        "given": given,
    }


def _table(decision: Decision, language: str) -> dict[str, Any]:
    return {
        "title": decision.table.title.say(language),
        "rows": [_row(row, language) for row in decision.rows],
        "possible": [
            {"id": row.id, "result": row.result.say(language)} for row in decision.possible
        ],
        "fits": not decision.gap or bool(decision.missing),
        "reopens": [each.say(language) for each in decision.table.reopens],
    }


def _row(row: DecisionRow, language: str) -> dict[str, Any]:
    reading = row.interpretation
    return {
        "id": row.id,
        "result": row.result.say(language),
        "articles": row.articles,
        "mark": register().term("mark", row.verified).say(language),
        "note": row.note.say(language) if row.note else "",
        "question": reading.question.say(language) if reading else "",
        "default": reading.default.say(language) if reading else "",
    }


def _lists(found: Scope, language: str) -> list[dict[str, Any]]:
    """The roles and circumstances that are so, and those that are not known."""
    told = ((N_("Your roles"), "actor", found.roles),
            (N_("Circumstances"), "circumstance", found.circumstances))  # fmt: skip
    return [
        {
            "title": say(language, title),
            "true": [_word(group, code, language) for code, state in states.items() if state],
            "unknown": [_word(group, c, language) for c, state in states.items() if state is None],
        }
        for title, group, states in told
    ]


def _word(group: str, code: str, language: str) -> str:
    return register().term(group, code).say(language)


def _event(step: Step, language: str) -> dict[str, Any]:
    title = say(language, N_("Answered by {name}"), name=step.staff)
    if step.staff == COUNTER:
        title = say(language, N_("A counted number crossed a threshold"))
    detail = say(language, N_("The first answers")) if step.step == 1 else ""
    return event(step.at, title, detail or _changed(step.changes, language), step.seq)


def _changed(changes: Changes, language: str) -> str:
    """What an answering changed, in one line: facts, then the rows that decide otherwise."""
    parts = []
    if changes.facts:
        facts = {fact.id: fact.question.say(language) for fact in register().tables.facts}
        told = "; ".join(facts[name] for name in changes.facts if name in facts)
        parts.append(say(language, N_("Answered otherwise: {facts}"), facts=told))
    if changes.rows:
        pairs = (
            f"{', '.join(old) or '–'} → {', '.join(new) or '–'}"
            for old, new in changes.rows.values()
        )
        parts.append(say(language, N_("Decided otherwise: {rows}"), rows="; ".join(pairs)))
    return " ".join(parts)


STAFF_SCOPE_ROUTES: Final = (
    Route("/staff/scope", ("GET",), ROLE, show_scope),
    Route("/staff/scope", ("POST",), ROLE, take_answers),
)
