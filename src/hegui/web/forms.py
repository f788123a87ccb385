"""What a page's form sends: read with a limit, and only from our own pages."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from hegui.exchange import Verdict
from hegui.gateway.wire import read_body
from hegui.language import N_, Problem

_MOST_FIELDS = 200
_UPLOAD_SECONDS: Final = 300
_LEFT_OVER: Final = 512 * 1024 * 1024  # bytes read past a file that is too large, to answer at all


def is_own(request: Request) -> bool:
    """Whether one of our own pages sent this form.

    Over plain http, browsers send no Sec-Fetch-Site, but every one sends Origin.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    host = urlsplit(request.headers.get("origin", "")).netloc
    return bool(host) and host == request.headers.get("host")


async def read_form(request: Request, limit: int) -> dict[str, str]:
    """The fields of a form of at most `limit` bytes; of several with one name, the last.

    Raises:
        Problem: `form`, or what `read_body` says of a body too large or too slow.
    """
    body = await read_body(request.receive, dict(request.headers.raw), limit)
    if isinstance(body, Verdict):
        raise Problem(body.code, body.message, **body.values)
    try:
        fields = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as error:
        raise Problem("form", "The form could not be read: go back and send it again.") from error
    return dict(fields)


class _TooLargeError(Exception):
    """More came than a file may have."""


async def read_upload(
    request: Request, limit: int
) -> tuple[dict[str, str], UploadFile | None, Problem | None]:
    """The fields of a form, the one file with it, of at most `limit` bytes, and what is wrong with it.

    The fields stand before the file in our forms, so they are there even if the file is refused: the
    page can show them again. A browser shows no answer before it has sent all, so the rest is read.

    Raises:
        Problem: `form` where the body is no such form, or comes too slowly.
    """
    stream = request.stream()
    parser = MultiPartParser(
        request.headers, _up_to(limit, stream), max_files=1, max_fields=_MOST_FIELDS
    )
    found, fault = None, None
    try:
        async with asyncio.timeout(_UPLOAD_SECONDS):
            try:
                form = await parser.parse()
                given = form.get("file")
                if isinstance(given, UploadFile) and given.filename:
                    found = given
                else:
                    await form.close()
            except _TooLargeError:
                message = N_("A file of more than {limit} MB is not taken here: `hegui evidence add` "
                             "takes it from the command line.")  # fmt: skip
                fault = Problem("proof.size", message, limit=limit // 1024 // 1024)
                await read_past(stream)
    except (MultiPartException, KeyError, TimeoutError) as error:
        raise Problem("form", "The form could not be read: go back and send it again.") from error
    fields = {name: value for name, value in parser.items if isinstance(value, str)}
    return fields, found, fault


async def _up_to(limit: int, stream: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    size = 0
    async for piece in stream:
        yield piece[: limit - size]
        size += len(piece)
        if size > limit:
            raise _TooLargeError


async def read_past(stream: AsyncGenerator[bytes, None]) -> None:
    """Let the rest of a form go by, so that the browser comes to read the answer."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(_UPLOAD_SECONDS):
            async for piece in stream:
                size += len(piece)
                if size > _LEFT_OVER:
                    return
