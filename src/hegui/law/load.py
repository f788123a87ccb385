"""Reading the register's YAML files and finding things in them."""

import difflib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final, NoReturn

import msgspec
import yaml

from hegui.language import Problem, Text
from hegui.law.model import Instrument, Obligation, Proves, Provision, Sanction, Tables

FOLDER: Final = Path(__file__).parent
# libyaml reads the register about six times faster, but not every build of PyYAML carries it.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Article(msgspec.Struct, frozen=True):
    """One article of an instrument: all its provisions, and the obligations they carry."""

    instrument: str
    number: str
    provisions: tuple[Provision, ...]
    obligations: tuple[Obligation, ...]


class Register:
    """The register in memory. Look-ups raise a `Problem` that names the nearest entries."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.instruments = tables.instruments
        self.provisions = tables.provisions
        self.obligations = tables.obligations
        self.sanctions = tables.sanctions
        self.vocabulary = tables.vocabulary
        self.proves: dict[str, list[Proves]] = defaultdict(list)
        for link in tables.proves:
            self.proves[link.obligation].append(link)
        self._instruments = {entry.code: entry for entry in tables.instruments}
        by_age = sorted(tables.provisions, key=lambda entry: entry.valid_from)
        self._provisions = {entry.id: entry for entry in by_age}
        self._obligations = {entry.id: entry for entry in tables.obligations}
        self._sanctions = {entry.code: entry for entry in tables.sanctions}

    def __iter__(self) -> Iterator[Obligation]:
        return iter(self.obligations)

    def __len__(self) -> int:
        return len(self.obligations)

    def instrument(self, code: str) -> Instrument:
        return self._instruments.get(code) or _unknown(code, self._instruments)

    def sanction(self, code: str) -> Sanction:
        return self._sanctions.get(code) or _unknown(code, self._sanctions)

    def provision(self, provision_id: str) -> Provision:
        """Return the newest version of the provision that bears this id."""
        return self._provisions.get(provision_id) or _unknown(provision_id, self._provisions)

    def obligation(self, obligation_id: str) -> Obligation:
        """Return the obligation; asking for a provision that carries no duty is a `Problem`."""
        found = self._obligations.get(obligation_id)
        if found is None and obligation_id in self._provisions:
            raise Problem(
                "law.no-duty",
                "{id} is a provision that carries no duty; `hegui law show {id}` shows what it says.",
                id=obligation_id,
            )
        return found or _unknown(obligation_id, self._obligations)

    def article(self, instrument: str, number: int | str) -> Article:
        """Return article `number` of the instrument, in the order of the text."""
        provisions = tuple(
            entry
            for entry in self.provisions
            if entry.instrument == instrument and str(entry.path.article) == str(number)
        )
        return self._article(provisions) or _unknown(f"{instrument}-{number}", self._provisions)

    def find(self, entry_id: str) -> Article:
        """Return the row `IM-14.1` alone, or the article `IM-14` whole, as a person types it."""
        wanted = as_id(entry_id)
        duty = self._obligations.get(wanted)
        ids = {wanted, *(duty.provisions if duty else ())}
        row = self._article(tuple(entry for entry in self.provisions if entry.id in ids))
        if row:
            return row
        instrument, _, number = wanted.partition("-")
        self._say_former(wanted)
        return self.article(instrument, number) if number else _unknown(wanted, self._provisions)

    def _say_former(self, wanted: str) -> None:
        """Refuse a number that no article here bears any more, with the one that has its place."""
        if any(entry.id.partition(".")[0] == wanted for entry in self.provisions):
            return
        for entry in self.provisions:
            for old in entry.renumbered_from:
                if old.id == wanted:
                    raise Problem(
                        "law.renumbered",
                        "{id} is a number of before a renumbering: until {day} it named what is {now} today. `hegui law show {now}` shows it; `hegui law show {id} --on {day}` reads the old number.",
                        id=wanted,
                        day=old.valid_to.isoformat(),
                        now=entry.id,
                    )

    def _article(self, provisions: tuple[Provision, ...]) -> Article | None:
        if not provisions:
            return None
        first, ids = provisions[0], {entry.id for entry in provisions}
        carried = tuple(entry for entry in self.obligations if ids & set(entry.provisions))
        return Article(first.instrument, str(first.path.article), provisions, carried)

    def cited(self, provision_id: str, day: date) -> Provision:
        """Return the provision that a citation written on `day` means.

        Renumbering makes one number mean different provisions at different times; texts of 2025
        cite numbers of the Cybersecurity Law that stand for other articles since 2026-01-01.
        """
        for entry in self.provisions:
            if provision_id in entry.numbers(day):
                return entry
        raise Problem(
            "law.not-then",
            "No provision of the register bore the number {id} on {day}; check the number and the date of the text that cites it.",
            id=provision_id,
            day=day.isoformat(),
        )

    def term(self, group: str, code: str) -> Text:
        """Return the words for a code, for example `term("actor", "P")`."""
        return self.vocabulary[group][code]


def as_id(typed: str) -> str:
    """An id as a person types it, in the register's spelling: "im-14.P2" is IM-14.p2."""
    instrument, dash, place = typed.strip().partition("-")
    return instrument.upper() + dash + place.lower()


def _unknown(wanted: str, known: Mapping[str, object]) -> NoReturn:
    below = [entry for entry in known if entry.startswith((f"{wanted}.", f"{wanted}-"))]
    near = below[:6] or difflib.get_close_matches(wanted, known, n=4, cutoff=0.5)
    if near:
        raise Problem(
            "law.unknown",
            "The register has no entry {id}. Near it: {near}. `hegui law list` shows every id.",
            id=wanted,
            near=", ".join(near),
        )
    raise Problem(
        "law.unknown",
        "The register has no entry {id}. `hegui law list` shows every id.",
        id=wanted,
    )


def read(folder: Path) -> Tables:
    """Read every `*.yaml` of a folder and join the tables, instrument by instrument.

    The order of the instruments is that of their table; within one, that of its file.

    Raises:
        Problem: a file is not YAML or breaks the shape of `schema.json`.

    """
    parts = [_read_file(file) for file in sorted(folder.glob("*.yaml"))]
    instruments = tuple(entry for part in parts for entry in part.instruments)
    place = {entry.code: number for number, entry in enumerate(instruments)}

    def by_instrument(entry: Provision | Obligation) -> int:
        return place.get(entry.id.partition("-")[0], len(place))

    return Tables(
        instruments=instruments,
        provisions=tuple(
            sorted((entry for part in parts for entry in part.provisions), key=by_instrument)
        ),
        obligations=tuple(
            sorted((entry for part in parts for entry in part.obligations), key=by_instrument)
        ),
        sanctions=tuple(entry for part in parts for entry in part.sanctions),
        proves=tuple(entry for part in parts for entry in part.proves),
        vocabulary=_join(part.vocabulary for part in parts),
        facts=tuple(entry for part in parts for entry in part.facts),
        decisions=tuple(entry for part in parts for entry in part.decisions),
        circumstances=dict(item for part in parts for item in part.circumstances.items()),
        roles=dict(item for part in parts for item in part.roles.items()),
    )


def _join(parts: Iterable[dict[str, dict[str, Text]]]) -> dict[str, dict[str, Text]]:
    """One vocabulary of all files.

    Raises:
        Problem: two files give words for the same code.
    """
    joined: dict[str, dict[str, Text]] = {}
    for part in parts:
        for group, words in part.items():
            known = joined.setdefault(group, {})
            if twice := known.keys() & words.keys():
                raise Problem(
                    "law.twice",
                    "Two files of the register give words for {codes} of {group}: keep one of them.",
                    codes=", ".join(sorted(twice)),
                    group=group,
                )
            known.update(words)
    return joined


def _read_file(file: Path) -> Tables:
    try:
        # YAML turns 2023-08-15 into a date; to_builtins makes it text again, as in the schema.
        plain = msgspec.to_builtins(yaml.load(file.read_text("utf-8"), Loader=_LOADER))  # noqa: S506 (the safe loader)
        return msgspec.convert(plain, Tables)
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise Problem(
            "law.bad-file",
            "{file} does not have the shape of the register: {reason}. Mend the named entry; docs/law.md explains every field.",
            file=file.name,
            reason=str(error),
        ) from error


@cache
def register() -> Register:
    """Return the register that ships with hegui; read once a process."""
    return Register(read(FOLDER))
