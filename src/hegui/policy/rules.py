"""One version of a policy, ready to be asked on the hot path."""

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

from hegui.cases import BEIJING
from hegui.policy.body import (
    KINDS,
    Body,
    Hot,
    Labels,
    Part,
    PassUnscanned,
    Rule,
    Sides,
    Verb,
    read_body,
    sides_of,
)
from hegui.safety.lexicon import Action, Entry, Hit, Lexicon
from hegui.safety.risks import risks

Profile = Literal["adult", "minor"]
Direction = Literal["input", "output"]
PROFILES: Final[tuple[Profile, ...]] = ("adult", "minor")
DIRECTIONS: Final[tuple[Direction, ...]] = ("input", "output")
HOT: Final = "hot"  # the source of entries made from hot terms
DEFAULT: Final = Path(__file__).with_name("default.yaml")

# Where a stop is a refusal (the model is not asked) and where it is a withholding.
_DONE: Final[dict[Direction, dict[str, Action]]] = {
    "input": {"pass": "note", "note": "note", "mask": "note", "withhold": "refuse", "refuse": "refuse"},
    "output": {"pass": "note", "note": "note", "mask": "mask", "withhold": "withhold",
               "refuse": "withhold"},
}  # fmt: skip
# Kinds of personal information are found under the risks of this group (others' rights); a lexicon
# may hold the word “mobile” under any other.
_PERSONAL: Final = "A.4"

# A risk, or a risk and a term (a kind of personal information, a hot term).
Rules = dict[str | tuple[str, str], Action]


class Policy:
    """What is done about a hit, a part that cannot be scanned, a label. It never changes.

    `version` is the SHA-256 of the bytes, for the evidence of a decision; `hot` finds the terms that
    act on `today` (in Beijing), None when there are none.
    """

    def __init__(self, data: bytes, today: date | None = None, name: str = "policy") -> None:
        self.version: Final = sha256(data).hexdigest()
        self.data: Final = data
        self.body: Final = read_body(data, name)
        self.acting: Final = acting(self.body.hot, today or beijing_today())
        self.hot: Final = _hot_lexicon(self.acting)
        self.labels: Final[Labels] = self.body.labels
        self.minimised: Final = self._minimised()
        self._deciders = {
            profile: {way: self._decider(profile, way) for way in DIRECTIONS}
            for profile in PROFILES
        }

    def action(self, hit: Hit, profile: Profile, direction: Direction) -> Action:
        """What is done about a hit: its own term's rule, else its risk's, else what its entry says."""
        return self._deciders[profile][direction](hit)

    def decider(self, profile: Profile, direction: Direction) -> Callable[[Hit], Action]:
        """The same for one profile and direction, in the form that a window asks."""
        return self._deciders[profile][direction]

    def _decider(self, profile: Profile, direction: Direction) -> Callable[[Hit], Action]:
        find = _compile(self.body, self.acting, profile, direction).get
        done = _DONE[direction]

        def decide(hit: Hit) -> Action:
            entry = hit.entry
            category = entry.category
            return find((category, entry.term)) or find(category) or done[entry.action]

        return decide

    def _minimised(self) -> frozenset[str]:
        """The kinds of personal information that the model does not get to see."""
        personal = self.body.personal_information
        return frozenset(personal.kinds if personal.input == "minimise" else ())

    def lets_pass(self, part: Part) -> PassUnscanned | None:
        """Who lets such a part pass unscanned and why; None when it is refused."""
        given = getattr(self.body.unscanned, part)
        return given if isinstance(given, PassUnscanned) else None


@cache
def default_policy() -> Policy:
    """The policy that acts until the operator puts one of its own live."""
    return Policy(DEFAULT.read_bytes(), name=DEFAULT.name)


def beijing_today() -> date:
    return datetime.now(BEIJING).date()


def acting(hot: tuple[Hot, ...], today: date) -> tuple[Hot, ...]:
    """The hot terms that have not ended."""
    return tuple(each for each in hot if each.until is None or each.until >= today)


def _hot_lexicon(hot: tuple[Hot, ...]) -> Lexicon | None:
    if not hot:
        return None
    entries = [
        Entry(each.term, each.category, "note" if each.action == "pass" else each.action or "withhold", HOT)
        for each in hot
    ]  # fmt: skip
    return Lexicon.build(entries, date.min)


def _compile(body: Body, hot: tuple[Hot, ...], profile: Profile, direction: Direction) -> Rules:
    """One lookup's worth of rules; what is left to the lexicon stands in none of them."""
    rules: Rules = {}
    for key, rule in body.actions.items():
        if done := effect(rule, profile, direction):
            names = [(risk, key) for risk in risks() if risk.startswith(_PERSONAL)]
            rules.update(dict.fromkeys(names if key in KINDS else [key], done))
    for each in hot:
        if each.action:
            rules[each.category, each.term] = _DONE[direction][each.action]
    return rules


def effect(rule: Rule, profile: Profile, direction: Direction) -> Action | None:
    """What comes of a rule for a profile and direction; None where it is left to the lexicon."""
    said = _verb(rule, profile, direction)
    return None if said == "lexicon" else _DONE[direction][said]


def _verb(rule: Rule, profile: Profile, direction: Direction) -> Verb:
    given: Verb | Sides | None = rule.adult if profile == "adult" else rule.minor
    return sides_of(given, rule.adult)[direction]
