"""Cases 案件: what people report, with a receipt (Interim Measures, Art. 15).

A case is opened with one entry; the person's own words are sealed. The deadline is the operator's
published one: the Measures give no figure.
"""

from secrets import choice
from typing import Final

import msgspec
from sqlalchemy import select

from hegui.evidence.archive import Archive
from hegui.language import N_, Problem
from hegui.store.tables import cases
from hegui.store.writer import Entry

CARRIES: Final = ("IM-15",)

# Why a person reports an answer; the texts are in the catalogue of messages.
REASONS: Final = {
    "unlawful": N_("It looks unlawful"),
    "harmful": N_("It could harm someone"),
    "untrue": N_("It is wrong or misleading"),
    "personal": N_("It contains personal information"),
    "rights": N_("It infringes someone's rights"),
    "appeal": N_("It was withheld without good reason"),
    "other": N_("Something else"),
}
_ALPHABET: Final = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"  # no letters that read as digits
_LONGEST: Final = 4000


class Case(msgspec.Struct, frozen=True):
    receipt: str
    kind: str
    exchange: str
    reason: str
    at: str


def open_case(archive: Archive, person: str, exchange: str, reason: str, text: str) -> str:
    """Open a complaint about an exchange and return its receipt number.

    Raises:
        Problem: `reason` or `too_long`.
    """
    if reason not in REASONS:
        raise Problem("reason", "Choose one of the reasons.")
    if len(text) > _LONGEST:
        raise Problem("too_long", "Use at most {longest} characters.", longest=_LONGEST)
    digits = "".join(choice(_ALPHABET) for _ in range(12))
    receipt = f"{digits[:4]}-{digits[4:8]}-{digits[8:]}"
    kind = "appeal" if reason == "appeal" else "complaint"
    facts = {"receipt": receipt, "kind": kind, "exchange": exchange, "reason": reason}
    entry = Entry("case.opened", CARRIES, receipt, facts, cases, text.encode(), person, "account")
    archive.writer.commit_now(entry)
    return receipt


def find_case(archive: Archive, receipt: str) -> Case | None:
    """The case with this receipt, or None."""
    with archive.store.read() as connection:
        row = connection.execute(select(cases).where(cases.c.receipt == receipt)).first()
    return Case(row.receipt, row.kind, row.exchange, row.reason, row.at) if row else None


def latest_cases(archive: Archive, limit: int = 100) -> list[Case]:
    with archive.store.read() as connection:
        rows = connection.execute(select(cases).order_by(cases.c.seq.desc()).limit(limit))
        return [Case(row.receipt, row.kind, row.exchange, row.reason, row.at) for row in rows]
