"""The whole service as one ASGI application: `/v1` to the gateway, everything else to the pages."""

import asyncio
import mimetypes
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from hegui.evidence.counting import count
from hegui.gateway.service import Service
from hegui.gateway.wire import Message, Receive, Scope, Send
from hegui.language import Problem
from hegui.tick import tick
from hegui.web.routes import ROUTES
from hegui.web.routing import no_page

log = structlog.get_logger()

STATIC: Final = Path(__file__).with_name("static")

# Strict: no inline script or style, nothing from elsewhere.
_HEADERS: Final = [
    (
        b"content-security-policy",
        (
            b"default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
            b"img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class Application:
    """Sends each request where it belongs; the lifespan starts and stops the service."""

    def __init__(self, service: Service) -> None:
        mimetypes.add_type("text/javascript", ".js")
        self._gateway = service.gateway
        self._pages = Starlette(
            routes=[*(route.mounted() for route in ROUTES), Mount("/static", StaticFiles(directory=STATIC))],
            lifespan=_lifespan(service),
            exception_handlers={404: no_page, 405: no_page},
        )  # fmt: skip
        self._pages.state.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            await self._gateway(scope, receive, send)
        else:
            await self._pages(scope, receive, _with_headers(send))


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_HEADERS]
        await send(message)

    return sending


async def _clock(service: Service) -> None:
    """Run `tick` as often as checkpoints are wanted, and count what is new between.

    A failure is logged and tried again. Whoever cancels this waits for what is running: it works
    with the store, which is closed next.
    """
    settings = service.settings
    next_tick = 0.0
    while True:
        await asyncio.sleep(settings.register.count_seconds)
        is_time = time.monotonic() >= next_tick
        if is_time:
            next_tick = time.monotonic() + settings.evidence.checkpoint_minutes * 60
        work = asyncio.create_task(asyncio.to_thread(tick if is_time else count, service.archive))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait([work])
            raise
        except (SQLAlchemyError, Problem, OSError) as error:
            log.error("tick.failed", error=type(error).__name__)  # noqa: TRY400 (no trace: it may hold data)


def _lifespan(service: Service):  # type: ignore[no-untyped-def]  # noqa: ANN202 (Starlette's own type is private)
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        await service.start()
        clock = asyncio.create_task(_clock(service))
        yield
        clock.cancel()
        await asyncio.wait([clock])
        await service.stop()

    return lifespan
