"""What every page passes through: language, session, role, where a form came from, problems told.

A page's handler is `(request) -> Response`: a plain function (run in a thread, so it may ask the
databases) or a coroutine. It finds on `request.state`: `language`, `person` and `staff` (ids or
None), `person_name`, and `form` (the fields of a POST); for a route with `upload` also `file` (what
was sent along, or None) and `fault` (the `Problem` with the file, or None).
"""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Final

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Mounted

from hegui.language import LANGUAGES, N_, Problem, choose, say
from hegui.people.staff import role_of
from hegui.web.forms import is_own, read_form, read_past, read_upload
from hegui.web.render import message, redirect, service_of
from hegui.web.sessions import COOKIE, COOKIE_STAFF, Sessions

log = structlog.get_logger()

Handler = Callable[[Request], Any]  # a Response, or a coroutine that ends in one

_LANGUAGE_COOKIE: Final = "lang"
_YEAR_SECONDS: Final = 365 * 24 * 3600
_HOME: Final = ("/", N_("Back to the start"))


class Busy(Problem):
    """As many are at it as may be at a time; the next one waits."""


class Missing(Problem):
    """There is no such thing, or it belongs to somebody else: both look the same from outside."""


class Route(msgspec.Struct, frozen=True):
    """A page: its path, its methods, who may use it, and what answers.

    `role` is public, person (a user who is signed in), or staff:<the role a staff member needs>.
    `upload` is how many bytes of a file its form may carry along; 0 for a form without one. `at_once`
    is how many, in this process, may use the page at a time; 0 for any number.
    """

    path: str
    methods: tuple[str, ...]
    role: str
    handler: Handler
    upload: int = 0
    at_once: int = 0

    def mounted(self) -> Mounted:
        """The route as Starlette takes it, behind all that every page passes through."""
        places = asyncio.Semaphore(self.at_once) if self.at_once else None

        async def serve(request: Request) -> Response:
            return await _serve(self, request, places)

        return Mounted(self.path, serve, methods=list(self.methods))


async def _serve(route: Route, request: Request, places: asyncio.Semaphore | None) -> Response:
    _set_language(request)
    try:
        await asyncio.to_thread(_set_holders, request)
        response = _turned_away(route, request) or await _in_turn(route, request, places)
    except Missing as problem:
        response = _problem(request, problem, N_("There is no such page"), 404)
    except Busy as problem:
        response = _problem(request, problem, N_("Too many at a time"), 503)
    except Problem as problem:
        response = _problem(request, problem, N_("That did not work"), 400)
    except Exception as error:  # noqa: BLE001 (a visitor never sees a traceback)
        log.error("page.failed", path=route.path, error=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)
        response = _broken(request)
    if request.query_params.get(_LANGUAGE_COOKIE) == request.state.language:
        response.set_cookie(
            _LANGUAGE_COOKIE, request.state.language, _YEAR_SECONDS, samesite="lax", httponly=True
        )
    return response


async def _in_turn(route: Route, request: Request, places: asyncio.Semaphore | None) -> Response:
    if places is None:
        return await _answer(route, request)
    if places.locked():
        await read_past(request.stream())
        raise Busy("busy", N_("Others are using this page: try again in a minute."))
    async with places:
        return await _answer(route, request)


async def _answer(route: Route, request: Request) -> Response:
    state = request.state
    state.file = None
    if route.upload:
        state.form, state.file, state.fault = await read_upload(request, route.upload)
    elif request.method == "POST":
        limit = service_of(request).settings.server.max_body_bytes
        state.form = await read_form(request, limit)
    try:
        if inspect.iscoroutinefunction(route.handler):
            answer: Response = await route.handler(request)
        else:
            answer = await asyncio.to_thread(route.handler, request)
    finally:
        if state.file:
            await state.file.close()
    return answer


def _set_language(request: Request) -> None:
    """The language that was asked for by the address, else by the cookie, else by the browser."""
    default = service_of(request).settings.service.language
    wanted = (request.query_params.get("lang"), request.cookies.get(_LANGUAGE_COOKIE))
    known = [language for language in wanted if language in LANGUAGES]
    accepts = request.headers.get("accept-language", "")
    request.state.language = known[0] if known else choose(accepts, default)
    request.state.person = request.state.staff = request.state.person_name = None


def _set_holders(request: Request) -> None:
    archive = service_of(request).archive
    found = Sessions(archive)
    if token := request.cookies.get(COOKIE):
        person = found.find(token, "person")
        request.state.person_name = archive.vault.name_of(person) if person else None
        request.state.person = person if request.state.person_name else None
    if token := request.cookies.get(COOKIE_STAFF):
        holder = found.find(token, "staff")
        request.state.staff = holder
        request.state.staff_role = role_of(archive, holder) if holder else None


def _turned_away(route: Route, request: Request) -> Response | None:
    """The answer to whoever may not use this route, or None."""
    state = request.state
    if request.method == "POST" and not is_own(request):
        text = say(state.language, N_("The form did not come from a page of this service: open "
                                      "the page here and send it again."))  # fmt: skip
        return message(request, N_("Not accepted"), text, 403, "foreign_form", _HOME)
    kind, _, role = route.role.partition(":")
    if kind == "person" and not state.person:
        return redirect("/register")
    if kind == "staff" and (not state.staff or state.staff_role != role):
        text = say(state.language, N_("This page is for the operator's staff: open the link "
                                      "that the service prints when it starts."))  # fmt: skip
        return message(request, N_("Not for you"), text, 403, "staff_only", _HOME)
    return None


def _problem(request: Request, problem: Problem, title: str, status: int) -> Response:
    text = problem.say(request.state.language)
    return message(request, title, text, status, problem.code, _HOME)


def _broken(request: Request) -> Response:
    text = say(request.state.language, N_("Something in the service failed. Nothing you sent is "
                                          "lost if it had a receipt; try again in a moment."))  # fmt: skip
    return message(request, N_("The service failed"), text, 500, "failed", _HOME)


async def no_page(request: Request, error: Exception) -> Response:
    """The answer where no route fits, or not with this method."""
    _set_language(request)
    status = error.status_code if isinstance(error, HTTPException) else 404
    text = say(request.state.language, N_("Nothing is served at this address: check it, or go on "
                                          "from the start."))  # fmt: skip
    return message(request, N_("There is no such page"), text, status, "no_page", _HOME)
