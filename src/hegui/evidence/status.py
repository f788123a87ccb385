"""Status: where the service stands with every duty, computed from evidence.

Nobody types a state in. It follows from what the checks counted, from signed evidence and its dates,
from what is due, and from whether the duty is this service's at all. A row that nobody has read, or
whose reading is open, is never shown as met before a named person has reviewed it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final, Literal

import msgspec

from hegui.evidence.archive import Archive
from hegui.evidence.checks import SEEN
from hegui.evidence.counting import Found, latest
from hegui.evidence.scope import current
from hegui.evidence.signed import Review, Signed, last_owners, last_reviews, list_signed
from hegui.language import N_, say
from hegui.law import Obligation, Proves, register
from hegui.law.scoping import Scope

State = Literal[
    "met", "partly", "not_met", "due", "human_pending", "planned", "not_applicable", "uncertain"
]
# Worst first: what an article, or an instrument, shows of several duties.
ORDER: Final[tuple[State, ...]] = (
    "not_met", "due", "human_pending", "uncertain", "planned", "partly", "met", "not_applicable",
)  # fmt: skip
NAMES: Final[Mapping[State, str]] = {
    "met": N_("met"),
    "partly": N_("partly met"),
    "not_met": N_("not met"),
    "due": N_("due"),
    "human_pending": N_("waits for people"),
    "planned": N_("planned"),
    "not_applicable": N_("not applicable"),
    "uncertain": N_("needs a review"),
}
_FRESH: Final = timedelta(days=1)  # a check that has not run for longer says nothing any more
_SOON: Final = timedelta(days=30)  # before evidence expires, it is shown as about to
Applies = Callable[[Obligation], bool]


class Reason(msgspec.Struct, frozen=True):
    """Why a duty stands as it does: a message of the catalogue and its values."""

    message: str
    values: dict[str, object] = {}

    def say(self, language: str) -> str:
        return say(language, self.message, **self.values)


class Next(msgspec.Struct, frozen=True):
    """The next day that a duty has to keep, as ISO text, and whether it has passed."""

    by: str
    overdue: bool = False


class Part(msgspec.Struct, frozen=True):
    """A check that counts for a duty, with what it found."""

    link: Proves
    found: Found


class Standing(msgspec.Struct, frozen=True):
    """One duty: its state, why, what proves it, when that goes stale, and who sees to it."""

    duty: Obligation
    state: State
    reasons: tuple[Reason, ...]
    parts: tuple[Part, ...]
    proofs: tuple[Signed, ...]  # the signed evidence that holds today
    review: Review | None
    stale_on: str  # ISO day, "" where nothing proves it
    owner: str
    next: Next | None = None

    @property
    def binds(self) -> bool:
        """Whether it must be done: not somebody else's, not a draft's, not merely encouraged."""
        duty = self.duty
        return (
            self.state != "not_applicable"
            and duty.modality in {"must", "must_not"}
            and register().instrument(duty.id.partition("-")[0]).status == "in_force"
        )

    @property
    def missing(self) -> list[str]:
        """What failed, by name: the exchanges or receipts that were not as they must be."""
        return [each for part in self.parts for each in part.found.count.missing]


class Board(msgspec.Struct, frozen=True):
    """Every duty, in the order of the register; `at` is when the checks last ran, "" for never."""

    standings: Mapping[str, Standing]
    at: str
    today: date

    def of(self, instrument: str, article: str | int | None = None) -> list[Standing]:
        """The duties of an instrument, or of one of its articles."""
        return [
            each for each in self.standings.values()
            if each.duty.id.partition("-")[0] == instrument
            and (article is None or _article(each.duty) == str(article))
        ]  # fmt: skip

    def counts(self, standings: Iterable[Standing] | None = None) -> dict[State, int]:
        chosen = self.standings.values() if standings is None else standings
        found = Counter(each.state for each in chosen)
        return {state: found[state] for state in ORDER}


def worst(standings: Iterable[Standing]) -> State:
    """The state that several duties show together.

    What fails or is due outweighs the rest; else it is met if all are that bind the service, and
    partly met if one is at all.
    """
    binding = {each.state for each in standings} - {"not_applicable"}
    alarming = binding & {"not_met", "due"}
    if not alarming and binding & {"met", "partly"} and binding != {"met"}:
        return "partly"
    return next((state for state in ORDER if state in binding), "not_applicable")


def _article(duty: Obligation) -> str:
    return str(register().provision(duty.provisions[0]).path.article)


def board(
    archive: Archive,
    applies: Applies | None = None,
    today: date | None = None,
    due: Mapping[str, Next] | None = None,
) -> Board:
    """Compute the state of every duty from what is on record.

    `applies` says whether a duty binds this service; without it, the scope on record does, and before
    there is one, every duty of a provider. `due` is what has to be done next, by duty
    (`cases.due.next_due`): what is overdue shows as due.
    """
    day = today or datetime.now(UTC).date()
    found = latest(archive, day)
    if applies is None and (scope := current(archive)):
        applies = _within(scope)
    made = _Board(
        day, found, list_signed(archive), last_reviews(archive), last_owners(archive), applies, due or {}
    )  # fmt: skip
    standings = {duty.id: made.standing(duty) for duty in register()}
    return Board(standings, max((each.at for each in found.values()), default=""), day)


def _within(scope: Scope) -> Applies:
    return lambda duty: scope.applies(duty).counts


class _Board:
    """What is on record, while the states are computed."""

    def __init__(
        self, today: date, found: Mapping[str, Found], proofs: Sequence[Signed],
        reviews: Mapping[str, Review], owners: Mapping[str, str], applies: Applies | None,
        due: Mapping[str, Next],
    ) -> None:  # fmt: skip
        self._today, self._found, self._reviews, self._owners = today, found, reviews, owners
        self._due = due
        self._applies = applies or (lambda duty: "P" in duty.actors)
        self._proofs: dict[str, list[Signed]] = {}
        for proof in proofs:
            for duty in proof.about:
                self._proofs.setdefault(duty, []).append(proof)

    def standing(self, duty: Obligation) -> Standing:
        parts = tuple(Part(link, self._found[link.evidence]) for link in register().proves[duty.id])
        every = self._proofs.get(duty.id, [])
        holding = tuple(proof for proof in every if proof.holds(self._today))
        review = self._reviews.get(duty.id)
        state: State
        reasons: tuple[Reason, ...]
        if not self._applies(duty):
            state, reasons = (
                "not_applicable",
                (Reason(N_("The facts of this service do not call for it.")),),
            )
        else:
            state, reasons = self._judge(duty, parts, every, holding, review)
        owner = self._owners.get(duty.id) or (holding[0].owner if holding else "")
        return Standing(duty, state, reasons, parts, holding, review,
                        self._stale(parts, holding, review, duty), owner,
                        self._due.get(duty.id))  # fmt: skip

    def _judge(
        self, duty: Obligation, parts: Sequence[Part], every: Sequence[Signed],
        holding: Sequence[Signed], review: Review | None,
    ) -> tuple[State, tuple[Reason, ...]]:  # fmt: skip
        if not parts and not duty.human:
            return "planned", (Reason(N_("No part of hegui carries it yet: {room}."),
                                      {"room": register().term("room", duty.room)}),)  # fmt: skip
        if bad := [_failed(part) for part in parts if part.found.outcome == "bad"]:
            return "not_met", tuple(bad)
        if (due := self._due.get(duty.id)) and due.overdue:
            return "due", (Reason(N_("It was due by {day} and is not on record as done."),
                                  {"day": due.by.replace("T", " ")[:16]}),)  # fmt: skip
        if stale := [_unchecked(part) for part in parts if self._is_stale(part)]:
            return "due", tuple(stale)
        if empty := [_nothing(part) for part in parts if part.found.outcome == "empty"
                     and part.link.coverage != "supporting"]:  # fmt: skip
            return "not_met", tuple(empty)
        return self._proved(duty, parts, every, holding, review)

    def _proved(
        self, duty: Obligation, parts: Sequence[Part], every: Sequence[Signed],
        holding: Sequence[Signed], review: Review | None,
    ) -> tuple[State, tuple[Reason, ...]]:  # fmt: skip
        good = tuple(_held(part) for part in parts)
        if duty.human and not holding:
            return self._waiting(duty, every, good)
        whole = any(part.link.coverage == "full" for part in parts)
        if not holding and not whole:
            return "partly", good
        shown = (*good, *(_signed(proof) for proof in holding))
        if duty.needs_check and not (review and review.holds(self._today)):
            return "uncertain", (
                *shown,
                Reason(N_("Nobody has reviewed the open reading, so it is not shown as met.")),
            )
        soon = (self._today + _SOON).isoformat()
        if duty.human and all(proof.valid_until <= soon for proof in holding):
            last = max(proof.valid_until for proof in holding)
            shown = (
                *shown,
                Reason(N_("The evidence goes stale on {day}: see to the next."), {"day": last}),
            )
        return "met", shown

    def _waiting(
        self, duty: Obligation, every: Sequence[Signed], good: tuple[Reason, ...]
    ) -> tuple[State, tuple[Reason, ...]]:
        kind = register().term("human", duty.human or "")
        today = self._today.isoformat()
        gone = [proof for proof in every if proof.ended or proof.valid_until < today]
        if gone:
            return "due", (_gone(max(gone, key=lambda proof: proof.valid_until)), *good)
        asked = Reason(N_("A person must hand in: {kind}."), {"kind": kind})
        return "human_pending", (asked, *good)

    def _is_stale(self, part: Part) -> bool:
        if not part.found.at:
            return False  # never run: empty
        return datetime.fromisoformat(part.found.at).date() < self._today - _FRESH

    def _stale(
        self,
        parts: Sequence[Part],
        holding: Sequence[Signed],
        review: Review | None,
        duty: Obligation,
    ) -> str:
        """The first day on which what proves it today proves nothing any more."""
        lasts = [
            datetime.fromisoformat(part.found.at).date() + _FRESH for part in parts if part.found.at
        ]
        if duty.human and holding:
            lasts.append(date.fromisoformat(max(proof.valid_until for proof in holding)))
        if duty.needs_check and review and review.holds(self._today):
            lasts.append(date.fromisoformat(review.valid_until))
        return (min(lasts) + timedelta(days=1)).isoformat() if lasts else ""


def _failed(part: Part) -> Reason:
    count = part.found.count
    if part.found.name in SEEN:
        return Reason(
            N_("{check}: not so now. Missing: {missing}."),
            _values(part) | {"missing": ", ".join(count.missing)},
        )
    return Reason(
        N_("{check}: {bad} of {population} since {since} were not. The first: {missing}."),
        _values(part)
        | {"bad": count.population - count.good, "missing": ", ".join(count.missing[:5])},
    )


def _held(part: Part) -> Reason:
    if part.found.name in SEEN:
        return Reason(N_("{check}: so it is."), _values(part))
    if not part.found.count.population:
        return Reason(N_("{check}: none was called for since {since}."), _values(part))
    return Reason(N_("{check}: {good} of {population} since {since}."), _values(part))


def _nothing(part: Part) -> Reason:
    return Reason(N_("{check}: nothing has happened yet that could show it."), _values(part))


def _unchecked(part: Part) -> Reason:
    return Reason(
        N_("{check}: not checked since {at}. Run `hegui tick`."),
        _values(part) | {"at": part.found.at[:16]},
    )


def _values(part: Part) -> dict[str, object]:
    count = part.found.count
    return {"check": register().term("evidence", part.link.evidence), "population": count.population, "good": count.good,
            "since": part.found.since}  # fmt: skip


def _gone(proof: Signed) -> Reason:
    if proof.ended:
        return Reason(N_("The signed evidence was ended: {reason}."), {"reason": proof.ended})
    message = N_("The signed evidence held until {day} and holds no more.")
    return Reason(message, {"day": proof.valid_until})


def _signed(proof: Signed) -> Reason:
    return Reason(
        N_("Signed by {signer}: {name}, holds until {day}."),
        {"signer": proof.signer, "name": proof.name, "day": proof.valid_until},
    )
