"""The register over time: what stood on a day, and what changed between two.

Two times meet here. A provision stands from `valid_from` to `valid_to`: that is the law's time. A
number names a provision on a day: after a renumbering the same number names another one. When we
learnt of a change is neither; that is for the history of the register's files to say.
"""

from datetime import date

from msgspec import Struct

from hegui.language import Problem
from hegui.law.load import Register, as_id
from hegui.law.model import Instrument, Obligation, Provision


class Then(Struct, frozen=True):
    """A provision as a day saw it: the number it bore, or the one it was to bear if not `stood`.

    The words are those of the version in the register; an older one may have read otherwise.
    """

    number: str
    provision: Provision
    stood: bool = True


class Moved(Struct, frozen=True):
    """A provision, or a part merged into it, that bears another number at the end than before."""

    before: str
    after: str
    provision: Provision


class Changes(Struct, frozen=True):
    """What differs between two days, in the order of the register.

    Drafts, policies and guides are `published`: they never come into force. `duties` are those
    that rest on a provision which began. `alone` are instruments that came into force and of whose
    provisions the register holds none.
    """

    since: date
    until: date
    began: tuple[Provision, ...]
    published: tuple[Provision, ...]
    renumbered: tuple[Moved, ...]
    ended: tuple[Provision, ...]
    duties: tuple[Obligation, ...]
    alone: tuple[Instrument, ...]


def find_on(book: Register, typed: str, day: date) -> list[Then]:
    """What the number of a row, or of a whole article, named on a day.

    A number that names something only since later is answered with that, marked as not standing.

    Raises:
        Problem: nothing in the register bears the number, or nothing did on the day.

    """
    wanted = as_id(typed)
    stood = [
        Then(number, entry)
        for entry in book.provisions
        for number in entry.numbers(day)
        if _of(number, wanted)
    ]
    if stood:
        return stood
    found = book.find(wanted)  # refuses what no number of the register is, with those near it
    later = [Then(entry.id, entry, stood=False) for entry in found.provisions]
    if any(then.provision.valid_from > day for then in later):
        return later
    raise Problem(
        "law.ended",
        "{id} stood no more on {day}. `hegui law show {id}` shows from when to when it did.",
        id=wanted,
        day=day.isoformat(),
    )


def changes(book: Register, since: date, until: date) -> Changes:
    """What is otherwise at the end of `until` than it was at the end of `since`.

    Raises:
        Problem: the days are not in their order.

    """
    if until < since:
        raise Problem(
            "law.days",
            "{until} is before {since}: give the earlier day first.",
            since=since.isoformat(),
            until=until.isoformat(),
        )
    spans = [(entry.numbers(since), entry.numbers(until), entry) for entry in book.provisions]
    new = [entry for before, after, entry in spans if after and not before]
    began = tuple(entry for entry in new if book.instrument(entry.instrument).binds)
    ids = {entry.id for entry in began}
    held = {entry.instrument for entry in book.provisions}
    return Changes(
        since=since,
        until=until,
        began=began,
        published=tuple(entry for entry in new if entry.id not in ids),
        renumbered=tuple(
            Moved(number, after[0], entry)
            for before, after, entry in spans
            if after
            for number in before
            if number not in after
        ),
        ended=tuple(entry for before, after, entry in spans if before and not after),
        duties=tuple(duty for duty in book if ids & set(duty.provisions)),
        alone=tuple(
            entry
            for entry in book.instruments
            if entry.code not in held and entry.in_force and since < entry.in_force <= until
        ),
    )


def _of(number: str, wanted: str) -> bool:
    """Whether a row's number is the wanted one, or of the wanted article."""
    return number == wanted or number.startswith(f"{wanted}.")
