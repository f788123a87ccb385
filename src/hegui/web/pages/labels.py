"""Whether a file says that AI made it: anyone may ask, nothing of the file is kept."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hegui.labels import Classified
from hegui.labels.apart import classify_apart
from hegui.labels.reasons import REASONS
from hegui.language import Problem
from hegui.web.render import page
from hegui.web.routing import Route

_LARGEST: Final = 64 * 1024 * 1024  # bytes of a file
_VISITORS: Final = 8  # who may send one at a time: each fills up to that much of the disk
# Two files at a time are looked at, and the rest wait; the threads of all other pages stay free.
_LOOKING: Final = ThreadPoolExecutor(2, "labels")


def show_question(request: Request) -> Response:
    return _page(request)


async def look(request: Request) -> Response:
    """Say what the metadata of the file say (Labelling Measures, Art. 6)."""
    file, loop = request.state.file, asyncio.get_running_loop()
    if problem := _fault(request):
        return _page(request, error=problem.say(request.state.language))
    found = await loop.run_in_executor(_LOOKING, classify_apart, file.file, file.filename)
    return _page(request, found=_told(found, request.state.language))


def _fault(request: Request) -> Problem | None:
    if request.state.fault:
        return Problem(
            "labels.size",
            "A file of more than {limit} MB is not taken here: `hegui verify` takes it from the "
            "command line.",
            limit=_LARGEST // 1024 // 1024,
        )
    if request.state.file is None:
        return Problem("labels.no-file", "Choose a file first.")
    return None


def _told(found: Classified, language: str) -> dict[str, Any]:
    """The answer as the page shows it."""
    report = found.report
    return {
        "verdict": report.verdict,
        "grade": found.grade,
        "article": found.article,
        "notice": found.notice.say(language) if found.notice else "",
        "format": report.carrier,
        "fields": report.fields,
        "places": list(dict.fromkeys(site.place for site in report.sites)),
        "reasons": [
            {
                "code": each.code,
                "text": REASONS[each.code].text.say(language),
                "clause": REASONS[each.code].clause.say(language),
                "detail": each.detail,
            }
            for each in report.reasons
        ],
    }


def _page(
    request: Request, found: dict[str, Any] | None = None, error: str | None = None
) -> Response:
    told = {"found": found, "error": error, "megabytes": _LARGEST // 1024 // 1024}
    return page(request, "is-this-ai.html", 400 if error else 200, **told)


LABEL_ROUTES: Final = (
    Route("/is-this-ai", ("GET",), "public", show_question),
    Route("/is-this-ai", ("POST",), "public", look, upload=_LARGEST, at_once=_VISITORS),
)
