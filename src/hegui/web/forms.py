"""What a page's form sends: read with a limit, and only from our own pages."""

from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from hegui.exchange import Verdict
from hegui.gateway.wire import read_body
from hegui.language import Problem

_MOST_FIELDS = 200


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
