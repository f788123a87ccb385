"""How a lexicon stands against the minima of TC260-003 8.1 (kept by GB/T 45654-2025)."""

from collections import Counter
from collections.abc import Iterable
from datetime import date

import msgspec

from hegui.safety.lexicon import Entry
from hegui.safety.risks import Risk, Rule, keyword_rules, risks


class RiskCount(msgspec.Struct, frozen=True):
    """Entries in force for one risk; `met` is None where the standard sets no minimum."""

    risk: Risk
    entries: int

    @property
    def met(self) -> bool | None:
        rule = self.risk.minimum_keywords
        return None if rule is None else self.entries >= rule.minimum


class Check(msgspec.Struct, frozen=True):
    """One rule for the library as a whole: what was found, and whether it is met.

    `found` counts entries (kw-total), risks that have any (kw-cover) or days since the newest entry
    (kw-fresh; None when no entry has a date, which cannot prove the rule met).
    """

    rule: Rule
    found: int | None
    wanted: int
    met: bool


class Coverage(msgspec.Struct, frozen=True):
    counts: list[RiskCount]
    checks: list[Check]

    @property
    def missing(self) -> list[str]:
        """Keys of the risks that need entries and have none."""
        return [count.risk.key for count in self.counts if count.met is False and not count.entries]

    @property
    def met(self) -> bool:
        """Every minimum of the standard is reached."""
        return all(check.met for check in self.checks) and all(
            count.met is not False for count in self.counts
        )


def coverage(entries: Iterable[Entry], today: date) -> Coverage:
    """Count the entries in force on `today` and hold them against the standard."""
    live = [entry for entry in entries if entry.expires is None or entry.expires >= today]
    held = Counter(entry.category for entry in live)
    counts = [RiskCount(risk, held[key]) for key, risk in risks().items()]
    needed = [count for count in counts if count.met is not None]
    covered = sum(bool(count.entries) for count in needed)
    newest = max(
        (entry.added for entry in live if entry.added and entry.added <= today), default=None
    )
    age = None if newest is None else (today - newest).days
    rules = keyword_rules()
    return Coverage(
        counts,
        [
            Check(rules.total, len(live), rules.total.minimum, len(live) >= rules.total.minimum),
            Check(rules.cover, covered, len(needed), covered == len(needed)),
            Check(rules.fresh, age, rules.fresh.days, age is not None and age <= rules.fresh.days),
        ],
    )
