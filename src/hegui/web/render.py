"""Pages from templates, in two languages. Times are shown as Beijing time 北京时间."""

from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import URL
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hegui.cases import BEIJING
from hegui.gateway.service import Service
from hegui.language import catalogue, say

_TEMPLATES: Final = Path(__file__).with_name("templates")


def service_of(request: Request) -> Service:
    """The running service behind this request."""
    service: Service = request.app.state.service
    return service


def beijing(at: str) -> str:
    """A time of the ledger (RFC 3339, UTC) as ISO 8601 in Beijing time, to the second."""
    return datetime.fromisoformat(at).astimezone(BEIJING).isoformat(timespec="seconds")


@cache
def _environment(language: str) -> Environment:
    pages = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install = pages.install_gettext_translations  # type: ignore[attr-defined]  # the extension adds it
    install(catalogue(language), newstyle=True)
    return pages


def page(request: Request, template: str, status: int = 200, **context: Any) -> Response:
    """The page of a template; the context that base.html asks for is added here."""
    language = request.state.language
    common = _common(request, language)
    html = _environment(language).get_template(template).render({**common, **context})
    return HTMLResponse(html, status, {"cache-control": "no-store"})


def _common(request: Request, language: str) -> dict[str, Any]:
    told = service_of(request).settings.service
    other = "en" if language == "zh" else "zh"
    url = request.url.include_query_params(lang=other)
    return {
        "lang": language,
        "service": {
            "name": told.name,
            "operator": told.operator,
            "report_address": told.report_address,
            "report_days": told.report_days,
            "working_days": told.report_calendar == "prc_working",
            "filing": list(told.filing),
            "audience": told.audience.say(language),
            "uses": told.uses.say(language),
        },
        "person": {"name": request.state.person_name} if request.state.person else None,
        "path": request.url.path,
        "other_language_url": URL(path=url.path, query=url.query),
    }


def message(
    request: Request,
    title: str,
    text: str,
    status: int,
    code: str | None = None,
    way: tuple[str, str] | None = None,
) -> Response:
    """A page that says one thing; `title` and the text of `way` (URL, text) are English messages."""
    language = request.state.language
    on = {"url": way[0], "text": say(language, way[1])} if way else None
    told = {"title": say(language, title), "text": text, "code": code, "next": on}
    return page(request, "message.html", status, **told)


def redirect(url: str) -> Response:
    """Send the browser on with GET."""
    return RedirectResponse(url, 303)
