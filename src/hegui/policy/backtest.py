"""Backtest 回测: what a policy would have done with exchanges that are on record.

Both policies, the one that is live and the one that is tried, judge the same texts, so what differs
is the policies' doing and not a newer lexicon's. Reports name exchanges, never what was said.

What was masked when it was answered is on record as the user saw it, so it cannot be judged again.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import select

from hegui.evidence.archive import Archive
from hegui.evidence.opening import Opened, open_many
from hegui.policy.rules import DIRECTIONS, PROFILES, Direction, Policy, Profile
from hegui.safety.lexicon import Hit
from hegui.store.tables import exchanges, outcomes

Progress = Callable[[int, int], object]  # done, in all

ALL: Final = "all"  # the category of the rows that count whole exchanges
_LEVELS: Final = {"note": 0, "mask": 1, "withhold": 2, "refuse": 2}
_EFFECTS: Final = ("released", "masked", "stopped")
# The parts of a request that users write, on every route; what else it holds are names and numbers.
_WORDS: Final = frozenset(
    {"content", "text", "input", "prompt", "arguments", "instructions", "name"}
)
_DEEPEST: Final = 64


class Scanner(Protocol):
    """Finds things in a whole text: a lexicon, a recogniser of personal information."""

    def scan(self, text: str) -> list[Hit]:
        """Every hit in `text`."""
        ...


class Row(msgspec.Struct):
    """What would change under one risk, or in all, for one profile: ids of exchanges.

    An exchange stands under what it would come to: stopped, masked, or released from a stop or mask.
    """

    category: str
    profile: Profile
    stopped: list[str] = msgspec.field(default_factory=list)
    masked: list[str] = msgspec.field(default_factory=list)
    released: list[str] = msgspec.field(default_factory=list)
    unchanged: int = 0


class Backtest(msgspec.Struct):
    """The result; `erased` exchanges could not be read any more. A row of a risk counts its hits alone."""

    version: str
    live: str
    exchanges: int = 0
    erased: int = 0
    rows: list[Row] = msgspec.field(default_factory=list)


def backtest(
    archive: Archive,
    tried: Policy,
    live: Policy,
    detectors: Sequence[Scanner],
    *,
    staff: str,
    reason: str,
    since: datetime | None = None,
    limit: int = 1_000,
    on_progress: Progress = lambda _done, _total: None,
) -> Backtest:
    """Judge the newest `limit` exchanges since then by both policies, for both profiles.

    The opening of what is sealed stands in the ledger, with the reason, before a byte is decrypted.

    Raises:
        Problem: `opening_reason`, `body_changed`.
    """
    ids = _recorded(archive, since, limit)
    report = Backtest(tried.version, live.version)
    tally = _Tally(tried, live, detectors)
    for done, (exchange, opened) in enumerate(open_many(archive, ids, staff, reason), 1):
        if opened is None:
            report.erased += 1
        else:
            report.exchanges += 1
            tally.add(exchange, opened)
        on_progress(done, len(ids))
    report.rows = tally.rows()
    return report


def _recorded(archive: Archive, since: datetime | None, limit: int) -> list[str]:
    """The newest exchanges that have ended; their ids begin with the time in milliseconds."""
    query = select(exchanges.c.exchange).join(outcomes, outcomes.c.exchange == exchanges.c.exchange)
    if since is not None:
        query = query.where(exchanges.c.exchange >= f"{int(since.timestamp() * 1000):012x}")
    with archive.store.read() as connection:
        newest = query.order_by(exchanges.c.exchange.desc()).limit(limit)
        return list(connection.execute(newest).scalars())


class _Tally:
    """Judges exchange after exchange and counts what would change."""

    def __init__(self, tried: Policy, live: Policy, detectors: Sequence[Scanner]) -> None:
        self._policies = (live, tried)
        self._detectors = detectors
        self._rows: dict[tuple[str, Profile], Row] = {}
        for profile in PROFILES:
            self._row(ALL, profile)

    def add(self, exchange: str, opened: Opened) -> None:
        texts = {
            "input": list(texts_of(opened.question)),
            "output": [opened.answer, opened.withheld],
        }
        found = {way: self._scan(texts[way]) for way in DIRECTIONS}
        for profile in PROFILES:
            before, after = (self._levels(found, at, profile) for at in (0, 1))
            for category in {ALL, *before, *after}:
                row = self._row(category, profile)
                was, becomes = before.get(category, 0), after.get(category, 0)
                if was == becomes:
                    row.unchanged += 1
                else:
                    getattr(row, _EFFECTS[becomes]).append(exchange)

    def _scan(self, texts: Sequence[str]) -> tuple[list[Hit], list[Hit]]:
        """The hits for the live and for the tried policy: each has hot terms of its own."""
        common = [hit for text in texts for each in self._detectors for hit in each.scan(text)]
        own = [
            [hit for text in texts for hit in policy.hot.scan(text)] if policy.hot else []
            for policy in self._policies
        ]
        return common + own[0], common + own[1]

    def _levels(
        self, found: dict[Direction, tuple[list[Hit], list[Hit]]], at: int, profile: Profile
    ) -> dict[str, int]:
        """How far one policy goes, under each risk that was met, and in all."""
        levels: dict[str, int] = {}
        for way, hits in found.items():
            decide = self._policies[at].decider(profile, way)
            for hit in hits[at]:
                level = _LEVELS[decide(hit)]
                for name in (hit.entry.category, ALL):
                    levels[name] = max(level, levels.get(name, 0))
        return levels

    def _row(self, category: str, profile: Profile) -> Row:
        return self._rows.setdefault((category, profile), Row(category, profile))

    def rows(self) -> list[Row]:
        """The rows by risk, those that count whole exchanges last."""
        return sorted(self._rows.values(), key=lambda row: (row.category == ALL, row.category))


def texts_of(request: str) -> Iterator[str]:
    """What users wrote in a request of any route: JSON, or a bare text."""
    try:
        yield from _texts(msgspec.json.decode(request), "text", 0)
    except (msgspec.MsgspecError, RecursionError):
        yield request


def _texts(value: Any, key: str, depth: int) -> Iterator[str]:
    if isinstance(value, str):
        if key in _WORDS:
            yield value
    elif depth < _DEEPEST:
        inside = value.items() if isinstance(value, dict) else ()
        for name, each in inside:
            yield from _texts(each, name, depth + 1)
        for each in value if isinstance(value, list) else ():
            yield from _texts(each, key, depth + 1)
