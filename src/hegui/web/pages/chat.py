"""The chat page: the same door as the gateway's, with the answer as events or as a whole page."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from hegui.evidence.ledger import now
from hegui.exchange import Exchange, State, Verdict, new_id
from hegui.gateway import chat
from hegui.gateway.demo import suggestions
from hegui.gateway.door import Refused
from hegui.gateway.wire import encode
from hegui.language import Problem
from hegui.people.callers import PAGE, Caller
from hegui.web.pages import conversation
from hegui.web.pages.conversation import Asked, Turn
from hegui.web.render import beijing, page, redirect, service_of
from hegui.web.routing import Route
from hegui.web.sessions import set_cookie

_LONGEST: Final = 8_000
_COOKIE: Final = "hegui-chat"  # the exchanges so far: the page can be loaded again at any time
_EVENTS: Final = "text/event-stream"


class _Events(StreamingResponse):
    """Events that close their source at once when nobody listens: the model is told to stop."""

    media_type = _EVENTS
    body_iterator: AsyncGenerator[bytes, None]

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self.body_iterator):
            await super().stream_response(send)


def show(request: Request) -> Response:
    """The conversation so far; whoever has not accepted the agreement is led there."""
    if not service_of(request).agreements.has_accepted(request.state.person):
        return redirect("/agreement")
    given = request.query_params.get("c")
    named = request.cookies.get(_COOKIE, "") if given is None else given
    return _page(request, conversation.parse_ids(named))


async def ask(request: Request) -> Response:
    """Answer one question: as events for the script, else as a page."""
    agreements, person = service_of(request).agreements, request.state.person
    if not await asyncio.to_thread(agreements.has_accepted, person):
        return redirect("/agreement")
    ids = _so_far(request)
    try:
        exchange = await _exchange(request, ids)
        response = await _answer(request, exchange, ids)
    except Problem as problem:
        error = problem.say(request.state.language)
        return await asyncio.to_thread(_page, request, ids, 400, error)
    except Refused as refused:
        return await asyncio.to_thread(_turned_away, request, ids, refused.verdict)
    named = _join([*ids, exchange.id])
    set_cookie(response, service_of(request).settings, _COOKIE, named, None)
    return response


async def _answer(request: Request, exchange: Exchange, ids: list[str]) -> Response:
    door = service_of(request).door
    refused = False
    try:
        await door.enter(exchange)
    except Refused:
        refused = exchange.state == "refused"
        if not refused:
            raise  # no exchange came about
    if exchange.stream:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return _Events(_events(request, exchange, refused=refused), headers=headers)
    if not refused:
        try:
            await door.whole(exchange)
        except Refused:
            if exchange.state != "interrupted":
                raise
    return redirect(f"/chat?c={_join([*ids, exchange.id])}")


async def _events(
    request: Request, exchange: Exchange, *, refused: bool
) -> AsyncGenerator[bytes, None]:
    """The events that chat.html describes."""
    yield _event("start", {"exchange": exchange.id, "at": beijing(now())})
    if not refused:
        try:
            async with aclosing(service_of(request).door.stream(exchange)) as pieces:
                async for batch in pieces:
                    texts = [piece.text for piece in batch if piece.surface == "content"]
                    yield b"".join(_event("text", {"text": text}) for text in texts)
        except Refused:
            exchange.state = "interrupted"
    verdict, state = exchange.verdict, exchange.state
    notice = conversation.notice(
        exchange.id, state, verdict.control, verdict.category, exchange.language
    )
    if notice is not None:
        yield _event("notice", notice)
    yield _event("done", _done(exchange, state))


def _done(exchange: Exchange, state: State) -> dict[str, str]:
    url = f"/report/{exchange.id}"
    label = conversation.label()
    return {"exchange": exchange.id, "state": state, "label": label, "report_url": url}


def _event(name: str, data: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), encode(data))


# -- the question ----------------------------------------------------------------------------------


async def _exchange(request: Request, ids: list[str]) -> Exchange:
    """The question as an exchange, with what was said before it."""
    service, state = service_of(request), request.state
    text = state.form.get("text", "").strip()
    if not text:
        raise Problem("no_question", "There is no question: write one and send it again.")
    if len(text) > _LONGEST:
        raise Problem("too_long", "Use at most {longest} characters.", longest=_LONGEST)
    turns = await asyncio.to_thread(
        conversation.read_turns, service.archive, state.person, ids, state.language
    )
    earlier = [chat.Said(said.role, said.content) for said in conversation.earlier(turns)]
    model = service.models.default
    stream = _EVENTS in request.headers.get("accept", "")  # the script asks for them
    said = [*earlier, chat.Said("user", text)]
    asked = chat.asked(chat.ChatRequest(model, said, stream=stream))
    if isinstance(asked, Verdict):
        raise Refused(asked)
    return Exchange(
        id=new_id(),
        route=conversation.ROUTE,
        language=state.language,
        caller=Caller(PAGE, state.person),
        person=state.person,
        model=model,
        stream=stream,
        texts=asked.texts,
        request=msgspec.json.encode(Asked(text)),
        forward=asked.forward,
        rewrite=asked.rewrite,
    )


def _so_far(request: Request) -> list[str]:
    """The conversation's exchanges: those of the form, and what the script has added since.

    The script does not change the form, but each answer lengthens the cookie.
    """
    form = conversation.parse_ids(request.state.form.get("conversation", ""))
    cookie = conversation.parse_ids(request.cookies.get(_COOKIE, ""))
    goes_on = not form or form[-1] in cookie
    return cookie if goes_on else form


def _join(ids: list[str]) -> str:
    return ".".join(ids[-conversation.MOST_TURNS :])


# -- the page --------------------------------------------------------------------------------------


def _turned_away(request: Request, ids: list[str], verdict: Verdict) -> Response:
    told = verdict.say(request.state.language)
    response = _page(request, ids, verdict.status, told)
    if verdict.retry_after:
        response.headers["retry-after"] = str(verdict.retry_after)
    return response


def _page(
    request: Request, ids: list[str], status: int = 200, error: str | None = None
) -> Response:
    service, language = service_of(request), request.state.language
    turns = conversation.read_turns(service.archive, request.state.person, ids, language)
    return page(
        request, "chat.html", status,
        turns=turns,
        conversation=_join([turn.exchange for turn in turns]),
        suggestions=_suggestions(request, turns),
        model={"name": service.models.default, "is_demo": _is_demo(request)},
        error=error,
    )  # fmt: skip


def _suggestions(request: Request, turns: list[Turn]) -> list[dict[str, Any]]:
    """Things to try with the demo model; of a real model we do not know what suits it."""
    if turns or not _is_demo(request):
        return []
    return [{"text": text} for text in suggestions(request.state.language)]


def _is_demo(request: Request) -> bool:
    models = service_of(request).models
    return any(
        models.default in upstream.models and upstream.url == "demo:"
        for upstream in models.upstreams
    )


CHAT_ROUTES: Final = (
    Route("/chat", ("GET",), "person", show),
    Route("/chat", ("POST",), "person", ask),
)
