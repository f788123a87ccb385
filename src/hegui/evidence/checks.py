"""Checks: what the entries of the ledger say about a whole population, and about the service as it is.

A check never looks at one record. It says of all exchanges of a day, or of all complaints, how many
there were, how many were as they must be, and which were not. Its name is a code of the register
(vocabulary `evidence`); `law/proves.yaml` says what it proves, and how far.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from sqlalchemy import select

from hegui.evidence.archive import Archive
from hegui.evidence.ledger import PERIOD_DROPPED, Head
from hegui.store.tables import agreements, checkpoints

_LEFT_OPEN: Final = timedelta(days=1)  # an exchange that has no end by then has lost it
_FRESH: Final = timedelta(days=1)  # of the last checkpoint
_LOG_MONTHS: Final = 6  # Cybersecurity Law, Art. 23(3): network logs, at least
_ENDS: Final = frozenset({"exchange.finished", "exchange.interrupted"})
_ANSWERED: Final = frozenset({"finished", "withheld"})
_VECTORS: Final = "embeddings"  # the route whose answers are no text


class Every(msgspec.Struct, frozen=True):
    """Judges each entry of a population for itself.

    `judge` returns None for an entry that is not of the population, else whether it is as it must be.
    `rare`: that nothing of the kind happened is as good as that all went well.
    """

    name: str
    judge: Callable[[Head], bool | None]
    rare: bool = False


class Pair(msgspec.Struct, frozen=True):
    """Judges what begins with one entry and must end with another by a time (UTC, RFC 3339).

    `opens` returns None for an entry that begins nothing, else the last moment; `closes` says whether
    an entry is the end of what its subject names.
    """

    name: str
    opens: Callable[[Head], str | None]
    closes: Callable[[Head], bool]
    rare: bool = False


class Look(msgspec.Struct, frozen=True):
    """Judges the service as it is now; `see` returns what is missing, nothing if nothing is."""

    name: str
    see: Callable[[Archive], str]


def _ran(control: str) -> Every:
    """Every request that came in was judged by the control before the model was asked."""

    def judge(head: Head) -> bool | None:
        if head.kind != "exchange.admitted":
            return None
        return control in str(head.facts.get("ran", "")).split()

    return Every(f"{control}_ran", judge)


def _answered(name: str, holds: Callable[[Head], bool]) -> Every:
    """Every answer of a model that a person or program got to read; vectors are no answer."""

    def judge(head: Head) -> bool | None:
        facts = head.facts
        if head.kind != "exchange.finished" or facts.get("state") not in _ANSWERED:
            return None
        return None if facts.get("route") == _VECTORS else holds(head)

    return Every(name, judge)


def _explained(head: Head) -> bool | None:
    if head.kind != "exchange.finished" or head.facts.get("state") not in {"withheld", "refused"}:
        return None
    return bool(head.facts.get("reason"))


def _opened_with_reason(head: Head) -> bool | None:
    return bool(head.facts.get("reason")) if head.kind == "content.opened" else None


def _kept_long_enough(head: Head) -> bool | None:
    """Bodies of exchanges are the logs; a month of them is dropped as a whole."""
    table = str(head.facts.get("table", ""))
    if head.kind != PERIOD_DROPPED or not table.startswith("body_content_"):
        return None
    year, month = divmod(int(table[-6:-2]) * 12 + int(table[-2:]) + _LOG_MONTHS, 12)
    return head.time >= f"{year:04}-{month + 1:02}-01"


def _must_end(head: Head) -> str | None:
    if head.kind != "exchange.admitted":
        return None
    return _text(datetime.fromisoformat(head.time) + _LEFT_OPEN)


def _must_be_answered(head: Head) -> str | None:
    """A complaint, by the end in Beijing of the day that its receipt promised."""
    return f"{head.facts['due']}T16:00:00.000000Z" if head.kind == "case.opened" else None


def _no_agreement(archive: Archive) -> str:
    with archive.store.read() as connection:
        return "" if connection.execute(select(agreements.c.seq).limit(1)).first() else "agreement"


def _no_checkpoint(archive: Archive) -> str:
    query = select(checkpoints.c.at).order_by(checkpoints.c.size.desc()).limit(1)
    with archive.store.read() as connection:
        last = connection.execute(query).scalar()
    return "" if last and last >= _text(datetime.now(UTC) - _FRESH) else last or "checkpoint"


def _no_notice(archive: Archive) -> str:
    """What the operator must say itself (Art. 10): the shipped words are those of a demonstration."""
    said, shipped = archive.settings.service, type(archive.settings.service)()
    return " ".join(
        name for name in ("operator", "audience", "uses", "report_address")
        if getattr(said, name) == getattr(shipped, name)
    )  # fmt: skip


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


FOLDS: Final[tuple[Every | Pair, ...]] = (
    _ran("identity"),
    _ran("agreement"),
    _ran("limits"),
    _ran("moderation"),
    _answered("answers_moderated", lambda head: "moderation" in str(head.facts.get("watched"))),
    _answered("answers_labelled", lambda head: bool(head.facts.get("label"))),
    Every("stops_explained", _explained, rare=True),
    Every("openings_reasoned", _opened_with_reason, rare=True),
    Every("logs_kept", _kept_long_enough, rare=True),
    Pair("exchanges_ended", _must_end, lambda head: head.kind in _ENDS),
    Pair("complaints_answered", _must_be_answered,
         lambda head: head.kind in {"case.answered", "case.closed"}, rare=True),
)  # fmt: skip
LOOKS: Final = (
    Look("agreement_published", _no_agreement),
    Look("checkpoint_fresh", _no_checkpoint),
    Look("notice_published", _no_notice),
)
CHECKS: Final = tuple(check.name for check in (*FOLDS, *LOOKS))
SEEN: Final = frozenset(look.name for look in LOOKS)  # by a look at the service, not counted
RARE: Final = frozenset(check.name for check in FOLDS if check.rare)
