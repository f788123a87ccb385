"""What changed: outcomes of checks, evidence handed in and ended, reviews and owners, newest first."""

from collections.abc import Callable
from heapq import nlargest
from operator import attrgetter
from typing import Any, Final

import msgspec
from sqlalchemy import Select, Table, select

from hegui.evidence.archive import Archive
from hegui.evidence.checks import SEEN
from hegui.language import N_, Text, say
from hegui.law import register
from hegui.store.tables import check_changes, owners, reviews, scopings, signed, signed_ends


class Change(msgspec.Struct, frozen=True):
    """One entry of the ledger that can change a state: what it says, and the duties concerned."""

    message: str
    values: dict[str, object]
    duties: tuple[str, ...]
    detail: str
    seq: int
    at: str

    def say(self, language: str) -> str:
        return say(language, self.message, **self.values)


_Told = tuple[str, dict[str, object], tuple[str, ...], str]
_OUTCOMES: Final = {
    "good": N_("{check}: so it was in all {population} cases"),
    "bad": N_("{check}: so it was in {good} of {population} cases only"),
    "empty": N_("{check}: no case is left in the time that is looked at"),
}
_SEEN: Final = {"good": N_("{check}: now it is so"), "bad": N_("{check}: it is not so")}


def _check(row: Any) -> _Told:
    check = register().term("evidence", row.name)
    proves = [duty for duty, links in register().proves.items()
              if row.name in {link.evidence for link in links}]  # fmt: skip
    values = {"check": check, "good": row.good, "population": row.population}
    messages = _SEEN if row.name in SEEN else _OUTCOMES
    return messages[row.outcome], values, tuple(proves), row.missing


def _added(row: Any) -> _Told:
    values = {"kind": _kind(row), "signer": row.signer, "day": row.valid_until}
    message = N_("Signed evidence by {signer}: {kind}, holds until {day}")
    return message, values, tuple(row.about.split()), row.name


def _ended(row: Any) -> _Told:
    message = N_("Signed evidence by {signer} ended: {kind}")
    values = {"kind": _kind(row), "signer": row.signer}
    return message, values, tuple(row.about.split()), row.reason


def _reviewed(row: Any) -> _Told:
    message = N_("Reviewed by {reviewer}, holds until {day}")
    values = {"reviewer": row.reviewer, "day": row.valid_until}
    return message, values, (row.obligation,), row.finding


def _owned(row: Any) -> _Told:
    message = N_("Owner named: {owner}") if row.owner else N_("Owner taken away")
    return message, {"owner": row.owner}, (row.obligation,), ""


def _scoped(row: Any) -> _Told:
    return N_("The scope was answered by {name}"), {"name": row.staff}, ("IM-2.1",), ""


def _kind(row: Any) -> Text:
    return register().term("human", row.kind)


_ENDS: Final = select(
    signed_ends, signed.c.kind, signed.c.signer, signed.c.about
).join_from(signed_ends, signed, signed_ends.c.proof == signed.c.proof)  # fmt: skip
# Each table whose entries are told here, how its rows are asked for, and what one says.
_TOLD: Final[tuple[tuple[Table, Select[Any], Callable[[Any], _Told]], ...]] = (
    (check_changes, select(check_changes), _check),
    (signed, select(signed), _added),
    (signed_ends, _ENDS, _ended),
    (reviews, select(reviews), _reviewed),
    (owners, select(owners), _owned),
    (scopings, select(scopings), _scoped),
)


def list_changes(archive: Archive, before: int | None = None, limit: int = 50) -> list[Change]:
    """The newest changes, at most `limit`, whose entries stand before the entry `before`."""
    found = []
    with archive.store.read() as connection:
        for table, query, tell in _TOLD:
            part = query if before is None else query.where(table.c.seq < before)
            rows = connection.execute(part.order_by(table.c.seq.desc()).limit(limit))
            found += [Change(*tell(row), row.seq, row.at) for row in rows]
    return nlargest(limit, found, key=attrgetter("seq"))
