"""HTTP at the bottom: read a body with a limit, send JSON, an error, or a stream of events (ASGI)."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import msgspec

from hegui.exchange import Verdict
from hegui.language import N_

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

encode: Final = msgspec.json.Encoder().encode
_BODY_SECONDS: Final = 30

# OpenAI's words for the kinds of error, by HTTP status: what clients switch on.
_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def bad_request(code: str, message: str, status: int = 400, **values: object) -> Verdict:
    """The verdict on a request that cannot be understood."""
    return Verdict("refuse", "request", code=code, message=message, values=values, status=status)


async def read_body(receive: Receive, headers: dict[bytes, bytes], limit: int) -> bytes | Verdict:
    """The whole body, or the refusal of one that is too large or too slow."""
    length = headers.get(b"content-length", b"0")
    message = N_("The request is larger than {limit} bytes: send less.")
    if length.isdigit() and int(length) > limit:
        return bad_request("too_large", message, 413, limit=limit)
    body: bytes = b""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    return bad_request("client_left", N_("The client left."))
                body += bytes(event.get("body", b""))
                if len(body) > limit:
                    return bad_request("too_large", message, 413, limit=limit)
                if not event.get("more_body", False):
                    return body
    except TimeoutError:
        slow = N_("The request did not arrive within {seconds} seconds: send it again.")
        return bad_request("too_slow", slow, 408, seconds=_BODY_SECONDS)


async def send_json(send: Send, status: int, body: object, headers: Headers | None = None) -> None:
    data = encode(body)
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": status, "headers": head + (headers or [])})
    await send({"type": "http.response.body", "body": data})


def event(kind: str, **body: Any) -> bytes:
    """A server-sent event that bears its name, outside and inside."""
    return b"event: " + kind.encode() + b"\ndata: " + encode({"type": kind, **body}) + b"\n\n"


def error_body(verdict: Verdict, language: str, report: str) -> dict[str, Any]:
    """An error in OpenAI's shape, with the obligations, the exchange's rule and where to report."""
    kind = "content_filter" if verdict.category else _TYPES.get(verdict.status, "server_error")
    error: dict[str, Any] = {
        "message": verdict.say(language),
        "type": kind,
        "code": verdict.code,
        "param": None,
        "report": report,
    }
    if verdict.carries:
        error["obligations"] = verdict.carries
    if verdict.category:
        error["category"] = verdict.category
    return {"error": error}


async def send_error(send: Send, verdict: Verdict, body: dict[str, Any]) -> None:
    """Answer with the verdict as an HTTP error; `body` says it in the shape of the API."""
    headers = []
    if verdict.retry_after:
        headers.append((b"retry-after", b"%d" % verdict.retry_after))
    if verdict.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send_json(send, verdict.status, body, headers)
