"""The shape of the register: instruments, their provisions, the obligations in them, sanctions.

Every struct is frozen, and `schema.json` is derived from these classes, so that the YAML files,
their schema and the code cannot drift apart. Texts are glosses in our own words, never the words
of the law: a reader who needs those follows the instrument's `source_url`.
"""

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct

from hegui.language import Text

InstrumentCode = Annotated[str, Meta(pattern=r"^[A-Z]{2,4}$")]
# Instrument, article, then paragraph (p1), item or running number: IM-14.2, LB-6.p2, CR-286-1.
# "x" stands for an article whose number is not known to us.
RowId = Annotated[str, Meta(pattern=r"^[A-Z]{2,4}-(x|[0-9]+(-[0-9]+)?)(\.p?[0-9]+)*$")]
# A row of the research notes that covered several provisions: CSL-42-46, LB-6.4/p2.
NoteRow = Annotated[str, Meta(pattern=r"^[A-Z]{2,4}-[0-9][0-9./,p-]*$")]
SanctionCode = Annotated[str, Meta(pattern=r"^P-[A-Z]+[0-9]*$")]
ControlCode = Annotated[str, Meta(pattern=r"^C-[A-Z]+$")]
EvidenceCode = Annotated[str, Meta(pattern=r"^[a-z]+(_[a-z0-9]+)*$")]
# A day, or only the month or year where the day is not known to us.
PartialDate = Annotated[str, Meta(pattern=r"^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$")]
Yuan = Annotated[int, Meta(ge=0)]

# T: the article's text was read; X: an excerpt or official summary was; M: from general knowledge.
Mark = Literal["T", "X", "M"]
Level = Literal["law", "regulation", "rule", "normative", "policy", "guide", "standard"]
Status = Literal["in_force", "draft", "guidance", "policy", "superseded"]
# P provider, T technical supporter, D dissemination platform, S app store, U user, H handler of
# personal information or network data, N network operator, X anyone, A authority.
Actor = Literal["P", "T", "D", "S", "U", "H", "N", "X", "A"]
# `none`: no duty by itself, but something an operator settles to know which duties it has.
Modality = Literal["must", "must_not", "may", "encouraged", "none"]
Facet = Literal[
    "scope", "roles", "prohibited", "high_risk", "transparency", "fairness", "oversight",
    "training_data", "labelling", "minors", "complaints", "privacy", "security", "filing",
    "enforcement",
]  # fmt: skip
# A: software can carry it out; P: software carries part and people decide; H: people only.
Automation = Literal["A", "P", "H"]
Room = Literal[
    "gateway", "labels", "safety", "people", "cases", "training", "assessment", "filing",
    "console", "evidence", "law",
]  # fmt: skip
ClockKind = Literal["max_delay", "min_retention", "max_retention", "periodic", "before"]
Unit = Literal["hour", "day", "month", "year"]
Calendar = Literal["civil", "prc_working"]
# Who fixed the number: the cited provision; a limit of another instrument taken as ceiling; our
# cautious choice where the law has none; or the operator, in the time limit it publishes.
Figure = Literal["statute", "ceiling", "default", "operator"]
Relation = Literal[
    "specialises", "implements", "duplicates", "prevails_over", "conflicts_with",
    "superseded_by", "refers_to",
]  # fmt: skip
Review = Literal["none", "internal", "counsel"]
# How far a check proves a duty: all of it; a part, the rest is for people or to come; or it only
# lends weight and proves nothing alone.
Coverage = Literal["full", "partial", "supporting"]
# A fact of a service, a choice of one, or what a row of a decision table settles.
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$")]
# A row of a decision table: b3; or one that carries a part of it: b10-scale.
DecisionId = Annotated[str, Meta(pattern=r"^[a-f][0-9]+(-[a-z]+)?$")]
FactKind = Literal["yes_no", "choice", "several", "number", "date"]


class Instrument(Struct, frozen=True, forbid_unknown_fields=True):
    """A law, rule, norm, policy or draft.

    `level` decides which penalty path is open: a normative document has no fines of its own.
    `text_basis` is the strongest mark that a row of it may carry; `checked` says what was read.
    """

    code: InstrumentCode
    title: Text
    issuer: Text
    level: Level
    status: Status
    text_basis: Mark
    checked: Text
    number: str | None = None
    issued: PartialDate | None = None
    in_force: date | None = None
    source_url: str | None = None

    @property
    def binds(self) -> bool:
        """Whether it is, or was, in force; a draft, a policy or a guide binds nobody by itself."""
        return self.status in {"in_force", "superseded"}


class Path(Struct, frozen=True, forbid_unknown_fields=True):
    """Where a provision stands: article, then paragraph or item of it, counted from 1."""

    article: int | str
    paragraph: int | None = None
    item: int | None = None

    @property
    def eid(self) -> str:
        """The place as an Akoma Ntoso element id without chapter: `art_14__para_1`."""
        parts = (("art", self.article), ("para", self.paragraph), ("point", self.item))
        return "__".join(f"{name}_{number}" for name, number in parts if number is not None)


class Former(Struct, frozen=True, forbid_unknown_fields=True):
    """The number a provision bore before a renumbering, from a day to a day, both included."""

    id: RowId
    valid_from: date
    valid_to: date


class Provision(Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of an instrument as it was valid from `valid_from` to `valid_to` (open if absent).

    An amendment ends this version and begins another; when we learnt of it is the ledger's to
    say. `note` tells what hegui does with a provision that carries no obligation. `split_from`
    names the row of the research notes that held several provisions as one; `added` marks a provision
    that is no row of theirs, but the basis of a sanction, a definition, or an old number to resolve.
    """

    id: RowId
    path: Path
    valid_from: date
    gloss: Text
    verified: Mark
    facets: tuple[Facet, ...] = ()
    note: Text | None = None
    valid_to: date | None = None
    renumbered_from: tuple[Former, ...] = ()
    split_from: NoteRow | None = None
    added: bool = False

    @property
    def row(self) -> str:
        """The row of the research notes that this provision stands for, or is a part of."""
        return self.split_from or self.id

    @property
    def instrument(self) -> str:
        return self.id.partition("-")[0]

    def numbers(self, day: date) -> tuple[str, ...]:
        """The ids that named this provision on a day: several if it was merged, none if not there."""
        if self.valid_from <= day and (self.valid_to is None or day <= self.valid_to):
            return (self.id,)
        return tuple(
            old.id for old in self.renumbered_from if old.valid_from <= day <= old.valid_to
        )


class Clock(Struct, frozen=True, forbid_unknown_fields=True):
    """A period counted from an event; `amount` is absent where no number is given at all.

    `basis` is the row the number comes from and `verified` how that row's text was checked.
    """

    kind: ClockKind
    anchor: EvidenceCode
    figure: Figure
    basis: RowId
    verified: Mark
    amount: int | None = None
    unit: Unit | None = None
    calendar: Calendar = "civil"


class Link(Struct, frozen=True, forbid_unknown_fields=True):
    type: Relation
    to: RowId


class Interpretation(Struct, frozen=True, forbid_unknown_fields=True):
    """A reading of the text: the question for counsel and the cautious default until answered."""

    uncertain: bool
    question: Text
    default: Text
    review: Review = "none"


class Obligation(Struct, frozen=True, forbid_unknown_fields=True):
    """What someone has to do. The id is permanent, also when the article is renumbered.

    `controls` are the catalogue codes of the software's means; `room` is the part of hegui that
    carries the duty, or will. `human` names the signed evidence by a person that meets the duty
    where no software does; `human_residue` says what stays a person's decision in any case.
    `applies` names the circumstances (vocabulary) that must all be true of a service, beside its
    being one of the `actors`, for the duty to be its own.
    `other_law` names liability under instruments that the sanctions table does not hold.
    """

    id: RowId
    provisions: tuple[RowId, ...]
    actors: tuple[Actor, ...]
    modality: Modality
    facets: tuple[Facet, ...]
    duty: Text
    trigger: Text
    evidence: Text
    automation: Automation
    verified: Mark
    room: Room
    applies: tuple[Name, ...] = ()
    human: EvidenceCode | None = None
    human_residue: Text | None = None
    controls: tuple[ControlCode, ...] = ()
    sanctions: tuple[SanctionCode, ...] = ()
    other_law: Text | None = None
    clocks: tuple[Clock, ...] = ()
    relations: tuple[Link, ...] = ()
    interpretations: tuple[Interpretation, ...] = ()

    @property
    def uncertain(self) -> bool:
        return any(reading.uncertain for reading in self.interpretations)

    @property
    def needs_check(self) -> bool:
        """True if this may be shown as "needs check" only, never as met: unread or uncertain."""
        return self.verified == "M" or self.uncertain


class Tier(Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a sanction: when it applies, what follows, and the amounts.

    `fine_*` fall on the organisation and `persons_*` on those responsible, both in the sanction's
    currency; `gains_*` are multiples of unlawful gains; `turnover_pct` is the share, in per cent,
    of last year's turnover that may replace `fine_max`; `prison_years` is the upper limit.
    """

    condition: Text
    measures: Text
    fine_min: Yuan | None = None
    fine_max: Yuan | None = None
    gains_min: int | None = None
    gains_max: int | None = None
    turnover_pct: int | None = None
    persons_min: Yuan | None = None
    persons_max: Yuan | None = None
    prison_years: int | None = None


class Sanction(Struct, frozen=True, forbid_unknown_fields=True):
    code: SanctionCode
    basis: tuple[RowId, ...]
    actors: tuple[Actor, ...]
    tiers: tuple[Tier, ...]
    verified: Mark
    currency: Literal["CNY"] = "CNY"


class Proves(Struct, frozen=True, forbid_unknown_fields=True):
    """A check of the running service (`evidence`, of the vocabulary) that proves a duty, and how far."""

    obligation: RowId
    evidence: EvidenceCode
    coverage: Coverage
    rationale: Text


class Choice(Struct, frozen=True, forbid_unknown_fields=True):
    id: Name
    text: Text


class Fact(Struct, frozen=True, forbid_unknown_fields=True):
    """Something about a service that decides which duties it has.

    `articles` are the rows of the register that ask for it. A `counter` is counted by hegui where
    it can be; whatever it counts, a person may answer with more. `choices` are for the kinds
    `choice` (one of them) and `several` (any number of them, also none).
    """

    id: Name
    group: Name
    kind: FactKind
    question: Text
    why: Text
    articles: tuple[RowId, ...]
    source: Literal["person", "counter"] = "person"
    choices: tuple[Choice, ...] = ()


class AtLeast(Struct, frozen=True, forbid_unknown_fields=True):
    at_least: int


# What a fact must be: yes or no; one of these choices (of several: at least one of them); so many.
Test = bool | tuple[Name, ...] | AtLeast
# True when, for one of these groups, every test holds. The names are those of facts, of
# circumstances and of what the rows of decision tables set. No group at all: always true.
Rule = tuple[dict[Name, Test], ...]


class DecisionRow(Struct, frozen=True, forbid_unknown_fields=True):
    """A row of a decision table: when it holds, what follows, and the rows that say so.

    `sets` names what follows for other tables and programs; what it leaves out stays unknown.
    `besides`: in a table where the first row decides, this one holds beside it.
    `otherwise`: holds where facts are missing, or no other row fits. `asks` are facts that the
    clock of the row needs once it holds. `note` names a source that is no row of the register.
    """

    id: DecisionId
    when: Rule
    result: Text
    articles: tuple[RowId, ...]
    verified: Mark
    sets: dict[Name, bool] = {}
    besides: bool = False
    otherwise: bool = False
    asks: tuple[Name, ...] = ()
    note: Text | None = None
    interpretation: Interpretation | None = None

    @property
    def uncertain(self) -> bool:
        return self.interpretation is not None and self.interpretation.uncertain


class DecisionTable(Struct, frozen=True, forbid_unknown_fields=True):
    """A question about a service and the rows that answer it, in this order.

    `mode`: the first row that holds decides, or all that hold count. `when`: the table is looked
    at only then. An `event` table is for something that happened; nobody is asked about it when
    a service is scoped. `reopens` are the changes after which it must be looked at anew.
    """

    id: Name
    title: Text
    mode: Literal["first", "all"]
    rows: tuple[DecisionRow, ...]
    when: Rule = ()
    event: bool = False
    reopens: tuple[Text, ...] = ()


class Tables(Struct, frozen=True, forbid_unknown_fields=True):
    """What a YAML file of the register may hold; the loader joins the tables of all files.

    `vocabulary` is group → code → words for each closed list above and for the catalogues of
    controls (`control`), signed human evidence (`human`), events that clocks run from (`anchor`)
    and circumstances of a service (`circumstance`). Files may share a group, not a code.
    `circumstances` and `roles` say, over the `facts`, when a service is in which.
    """

    instruments: tuple[Instrument, ...] = ()
    provisions: tuple[Provision, ...] = ()
    obligations: tuple[Obligation, ...] = ()
    sanctions: tuple[Sanction, ...] = ()
    proves: tuple[Proves, ...] = ()
    vocabulary: dict[str, dict[str, Text]] = {}
    facts: tuple[Fact, ...] = ()
    decisions: tuple[DecisionTable, ...] = ()
    circumstances: dict[Name, Rule] = {}
    roles: dict[Actor, Rule] = {}
