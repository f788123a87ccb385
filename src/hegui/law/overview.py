"""The register seen from above: rows chosen by what they are about, and counts by instrument."""

from collections import Counter
from collections.abc import Mapping

from msgspec import Struct

from hegui.language import Problem
from hegui.law.load import Register
from hegui.law.model import Instrument, Mark, Obligation, Provision

MARKS: tuple[Mark, ...] = ("T", "X", "M")


class Choice(Struct, frozen=True):
    """Provisions, and the duties in them, in the order of the register."""

    provisions: tuple[Provision, ...]
    obligations: tuple[Obligation, ...]


class Tally(Struct, frozen=True):
    """What the register holds of one instrument, or of all.

    `rows` are those of the research notes; `provisions` are what they split into; `added` are the
    provisions beside them, such as the bases of sanctions; `marks` counts all of both.
    """

    rows: int
    provisions: int
    added: int
    duties: int
    marks: Mapping[str, int]


def choose(
    book: Register,
    instrument: str | None = None,
    article: str | None = None,
    facet: str | None = None,
    role: str | None = None,
) -> Choice:
    """The rows of an instrument, an article, a facet and a role; all that is given must hold.

    An article without an instrument is one of the Interim Measures. A role keeps the duties that
    bind it, and only the provisions that carry them.

    Raises:
        Problem: the register does not know the instrument, the article, the facet or the role.

    """
    code = (instrument or ("IM" if article else "")).upper()
    facet, role = (facet or "").lower(), (role or "").upper()
    _check(book, "facet", facet)
    _check(book, "actor", role)
    rows, held = _scope(book, code, article)
    duties = tuple(
        duty
        for duty in held
        if (not facet or facet in duty.facets) and (not role or role in duty.actors)
    )
    carrying = {row for duty in duties for row in duty.provisions}
    return Choice(
        tuple(
            row
            for row in rows
            if row.id in carrying or (not role and (not facet or facet in row.facets))
        ),
        duties,
    )


def _scope(
    book: Register, code: str, article: str | None
) -> tuple[tuple[Provision, ...], tuple[Obligation, ...]]:
    if not code:
        return book.provisions, book.obligations
    instrument = book.instrument(code).code
    if article:
        found = book.article(instrument, article.lower())
        return found.provisions, found.obligations
    return (
        tuple(row for row in book.provisions if row.instrument == instrument),
        tuple(duty for duty in book if duty.id.partition("-")[0] == instrument),
    )


def tally(book: Register, instrument: Instrument | None = None) -> Tally:
    """Count an instrument, or the whole register."""
    rows = [
        row for row in book.provisions if instrument is None or row.instrument == instrument.code
    ]
    noted = [row for row in rows if not row.added]
    marks = Counter(row.verified for row in rows)
    return Tally(
        rows=len({row.row for row in noted}),
        provisions=len(noted),
        added=len(rows) - len(noted),
        duties=sum(
            instrument is None or duty.id.partition("-")[0] == instrument.code for duty in book
        ),
        marks={mark: marks[mark] for mark in MARKS},
    )


def _check(book: Register, group: str, code: str) -> None:
    if code and code not in book.vocabulary[group]:
        raise Problem(
            "law.unknown-code",
            "{wanted} is none of the codes the register uses here: {known}.",
            wanted=code,
            known=", ".join(book.vocabulary[group]),
        )
