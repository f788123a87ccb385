"""The home of the console: every article, where the service stands with it, why, and who sees to it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from hegui.cases.due import board_of
from hegui.evidence.counting import count
from hegui.evidence.status import ORDER, Board, Standing, worst
from hegui.language import N_, say
from hegui.law import Instrument, register
from hegui.law.telling import standing_text
from hegui.web.pages.staff import ROLE, staff_of
from hegui.web.pages.standing import counted, proofs_of, told, words
from hegui.web.render import beijing, page, redirect, service_of
from hegui.web.routing import Route

_FIRST: Final = "IM"  # the Interim Measures, article by article; the others each as one
_ARTICLES: Final = range(1, 25)
_RANK: Final = {state: rank for rank, state in enumerate(ORDER)}


def show_register(request: Request) -> Response:
    """The whole register, or with filters in the address the duties that they choose."""
    language, found = request.state.language, board_of(service_of(request).archive)
    filters = {name: request.query_params.get(name, "") for name in _choices(language)}
    chosen = [each for each in found.standings.values() if _fits(each, filters)]
    is_whole = not any(filters.values())
    return page(
        request, "staff/register.html",
        at=beijing(found.at) if found.at else "",
        counts=counted(found.standings.values()),
        words=words(language),
        filters=filters,
        choices=_choices(language),
        articles=[_article(found, number, language) for number in _ARTICLES] if is_whole else [],
        instruments=list(_instruments(found, language)) if is_whole else [],
        rows=None if is_whole else [told(each, language) for each in chosen],
        staff=staff_of(request),
    )  # fmt: skip


def check_now(request: Request) -> Response:
    """Run every check, then show the register."""
    count(service_of(request).archive)
    return redirect("/staff")


# -- filters ---------------------------------------------------------------------------------------


@cache
def _choices(language: str) -> dict[str, tuple[str, dict[str, str]]]:
    """What can be filtered by: its name, and what each of its values is called."""
    book = register()
    titles = {
        each.code: f"{each.code} {each.title.say(language)}"
        for each in book.instruments
        if each.code in _places()
    }
    actors: set[str] = {code for duty in book for code in duty.actors}
    roles = {code: text.say(language) for code, text in book.vocabulary["actor"].items()
             if code in actors}  # fmt: skip
    facets = {code: text.say(language) for code, text in book.vocabulary["facet"].items()}
    return {
        "state": (say(language, N_("State")), words(language)),
        "instrument": (say(language, N_("Instrument")), titles),
        "facet": (say(language, N_("Subject")), facets),
        "role": (say(language, N_("Role")), roles),
    }


def _fits(standing: Standing, filters: dict[str, str]) -> bool:
    duty = standing.duty
    return (
        filters["state"] in {"", standing.state}
        and filters["instrument"] in {"", duty.id.partition("-")[0]}
        and filters["facet"] in {"", *duty.facets}
        and filters["role"] in {"", *duty.actors}
    )


# -- articles and instruments ----------------------------------------------------------------------


@cache
def _places() -> dict[str, dict[str, list[str]]]:
    """The duties by instrument and article, in the order of the register."""
    places: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for duty in register():
        article = register().provision(duty.provisions[0]).path.article
        places[duty.id.partition("-")[0]][str(article)].append(duty.id)
    return places


def _article(found: Board, number: int, language: str) -> dict[str, Any]:
    here = [found.standings[each] for each in _places()[_FIRST].get(str(number), ())]
    heading = register().term("article", f"{_FIRST}-{number}").say(language)
    article: dict[str, Any] = {"number": number, "heading": heading, "duties": []}
    return article | _together(here, language) if here else article


def _together(here: Sequence[Standing], language: str) -> dict[str, Any]:
    """What several duties show as one: the state, and of the worst of them the reason."""
    gravest = min(here, key=lambda each: _RANK[each.state])
    rows = [told(each, language) for each in here]
    return {
        "state": worst(here),
        "counts": counted(here),
        "reason": told(gravest, language)["reason"],
        "owners": _distinct(row["owner"] for row in rows),
        "until": min((row["until"] for row in rows if row["until"]), default=""),
        "due": min((row["due"] for row in rows if row["due"]), default=""),
        "proofs": sum(proofs_of(each) for each in here),
        "duties": rows,
    }


def _distinct(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


def _instruments(found: Board, language: str) -> Iterable[dict[str, Any]]:
    for code, articles in _places().items():
        if code != _FIRST:
            here = [found.standings[each] for ids in articles.values() for each in ids]
            yield {
                **_head(register().instrument(code), found, language),
                "state": worst(here),
                "counts": counted(here),
                "duties": [told(each, language) for each in here],
            }


def _head(instrument: Instrument, found: Board, language: str) -> dict[str, Any]:
    return {
        "code": instrument.code,
        "title": instrument.title.say(language),
        "standing": standing_text(instrument, found.today, language),
    }


REGISTER_ROUTES: Final = (
    Route("/staff", ("GET",), ROLE, show_register),
    Route("/staff/check", ("POST",), ROLE, check_now),
)
