"""The pages before the chat: what the service is, registration, the agreement."""

from typing import Any, Final

from sqlalchemy.exc import IntegrityError
from starlette.requests import Request
from starlette.responses import Response

from hegui.evidence.ledger import now
from hegui.evidence.vault import Vault
from hegui.language import N_, Problem, say
from hegui.people.agreement import read_agreement
from hegui.web.render import beijing, page, redirect, service_of
from hegui.web.routing import Route
from hegui.web.sessions import COOKIE, Sessions, set_cookie

_SESSION_SECONDS: Final = 14 * 24 * 3600
_LONGEST_NAME: Final = 64
_ISSUER: Final = "development"


def home(request: Request) -> Response:
    """What this service is, for whom and for what (Art. 10)."""
    models = [
        {"name": name, "is_demo": upstream.url == "demo:"}
        for upstream in service_of(request).models.upstreams
        for name in upstream.models
    ]
    return page(request, "home.html", models=models)


# -- registration ----------------------------------------------------------------------------------


def show_register(request: Request) -> Response:
    return _register_page(request)


def register(request: Request) -> Response:
    """Begin a session, for a new person or one who registered before (Art. 9).

    The development adapter checks no identity, so a name is all that it takes: settings offer no
    other adapter yet.
    """
    service = service_of(request)
    name = request.state.form.get("name", "").strip()
    try:
        person = _person_named(service.archive.vault, name)
    except Problem as problem:
        return _register_page(request, 400, problem.say(request.state.language), name)
    token = Sessions(service.archive).create("person", person, _SESSION_SECONDS)
    response = redirect("/chat" if service.agreements.has_accepted(person) else "/agreement")
    set_cookie(response, service.settings, COOKIE, token, _SESSION_SECONDS)
    return response


def _register_page(
    request: Request, status: int = 200, error: str | None = None, name: str = ""
) -> Response:
    told = {"error": error, "name": name, "longest": _LONGEST_NAME}
    return page(request, "register.html", status, **told)


def _person_named(vault: Vault, name: str) -> str:
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise Problem(
            "name",
            "A name has 1 to {longest} printable characters: choose another.",
            longest=_LONGEST_NAME,
        )
    try:
        return vault.person(_ISSUER, name) or vault.add_person(_ISSUER, name, now())
    except IntegrityError as error:  # of two who register it at once, one is first
        raise Problem(
            "name_taken", "Somebody has just registered this name: send the form again to sign in."
        ) from error


def leave(request: Request) -> Response:
    """Sign out: the session ends here, not only in the browser."""
    Sessions(service_of(request).archive).end(request.cookies.get(COOKIE, ""))
    response = redirect("/")
    response.delete_cookie(COOKIE)
    return response


# -- the agreement ---------------------------------------------------------------------------------


def show_agreement(request: Request) -> Response:
    return _agreement(request)


def accept_agreement(request: Request) -> Response:
    """Record that this person accepts the version they read (Art. 9(2))."""
    version = request.state.form.get("version", "")
    try:
        service_of(request).agreements.accept(request.state.person, version, "page")
    except Problem as problem:
        if problem.code != "agreement_stale":
            raise
        error = N_("The agreement has changed since you opened this page. Read the version below, "
                   "then accept it.")  # fmt: skip
        return _agreement(request, 409, say(request.state.language, error))
    return redirect("/chat")


def _agreement(request: Request, status: int = 200, error: str | None = None) -> Response:
    agreements, person = service_of(request).agreements, request.state.person
    version, since, body = agreements.current()
    if not version:
        raise Problem(
            "no_agreement",
            "There is no service agreement yet, so nobody can use the chat: the operator "
            "must publish one.",
        )
    accepted = agreements.accepted(person) if person else None
    return page(
        request, "agreement.html", status,
        agreement=_in_words(request.state.language, version, since, body),
        accepted_at=beijing(accepted) if accepted else None,
        error=error,
    )  # fmt: skip


def _in_words(language: str, version: str, since: str, body: bytes) -> dict[str, Any]:
    text = read_agreement(body)
    clauses = [
        {
            "heading": clause.heading.say(language),
            "text": clause.text.say(language),
            "carries": list(clause.carries),
        }
        for clause in text.clauses
    ]
    return {
        "title": text.title.say(language),
        "version": version,
        "short": version[:12],
        "date": beijing(since)[:10],
        "clauses": clauses,
    }


PUBLIC_ROUTES: Final = (
    Route("/", ("GET",), "public", home),
    Route("/register", ("GET",), "public", show_register),
    Route("/register", ("POST",), "public", register),
    Route("/agreement", ("GET",), "public", show_agreement),
    Route("/agreement", ("POST",), "person", accept_agreement),
    Route("/leave", ("POST",), "person", leave),
)
