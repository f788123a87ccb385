"""Lexicon sources: CSV and XLSX files of terms, read with every fault named and placed."""

import csv
import difflib
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from itertools import dropwhile
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import yaml

from hegui.language import Problem
from hegui.safety.lexicon import Action, Entry, spelling
from hegui.safety.normalise import fold
from hegui.safety.risks import Risk, risks

# Caps: ten times what a large provider keeps, small enough that a wrong file cannot fill memory.
MOST_BYTES: Final = 128 * 2**20
MOST_ROWS: Final = 1_000_000
# The sheet inside an XLSX is compressed; this is the most it may unpack to.
_MOST_UNPACKED: Final = 4 * MOST_BYTES

Row = tuple[int, list[str]]


class Duplicate(msgspec.Struct, frozen=True):
    """A term that folds to one already read; `place` and `first` are `file:line`."""

    term: str
    place: str
    first: str


class Gathered(msgspec.Struct):
    """What the sources hold: entries without duplicates, the duplicates, and faulty rows."""

    entries: list[Entry] = msgspec.field(default_factory=list)
    duplicates: list[Duplicate] = msgspec.field(default_factory=list)
    problems: list[Problem] = msgspec.field(default_factory=list)


@cache
def _names() -> dict[str, dict[str, str]]:
    """Return, for columns and for actions, the folded spelling of each name and what it means."""
    data = yaml.safe_load(files("hegui.safety").joinpath("columns.yaml").read_text("utf-8"))
    return {
        kind: {fold(spelt): name for name, all_spelt in names.items() for spelt in all_spelt}
        for kind, names in data.items()
    }


def _spellings(risk: Risk) -> set[str]:
    return {fold(name) for name in (risk.key, risk.name.zh, risk.name.en, *risk.also)}


def _group_spellings(risk: Risk) -> set[str]:
    names = (risk.group, risk.group_name.zh, risk.group_name.en, *risk.group_also)
    return {fold(name) for name in names}


def _near(given: str) -> str:
    """Name up to three risks whose key or name looks like `given`."""
    labels = {
        spelt: f"{risk.key} {risk.name.zh} ({risk.name.en})"
        for risk in risks().values()
        for spelt in _spellings(risk)
    }
    close = difflib.get_close_matches(fold(given), labels, n=3, cutoff=0.4)
    return "; ".join(dict.fromkeys(labels[spelt] for spelt in close)) or "A.1.a … A.5.b"


@cache
def _risk_key(name: str, group: str) -> str | None:
    """Return the key of the one risk called `name` (within `group`, where given), else None."""
    found = [
        risk.key
        for risk in risks().values()
        if fold(name) in _spellings(risk) and (not group or fold(group) in _group_spellings(risk))
    ]
    return found[0] if len(found) == 1 else None


def _date(text: str) -> date | None:
    numbers = [int(number) for number in re.findall(r"\d+", text)]
    return date(*numbers) if text else None


class _Sheet:
    """The header of one source, and how a row under it becomes an entry."""

    def __init__(self, name: str, header: Row) -> None:
        self.name = name
        self.columns: dict[str, int] = {}
        self.titles = header[1]
        for index, title in enumerate(header[1]):
            if known := _names()["columns"].get(fold(title)):
                self.columns.setdefault(known, index)
        for wanted, present in (
            ("term", "term" in self.columns),
            ("category", bool({"category", "class2"} & self.columns.keys())),
        ):
            if not present:
                raise Problem(
                    "lexicon.column-missing",
                    "{file}, line {line}: no column “{column}” among {found}. Name the columns in "
                    "the first row: term, category, and if you like action, source, added, "
                    "expires, variants.",
                    file=name,
                    line=header[0],
                    column=wanted,
                    found=", ".join(filter(None, header[1])) or "—",
                )

    def cell(self, cells: list[str], column: str) -> str:
        index = self.columns.get(column)
        return cells[index].strip() if index is not None and index < len(cells) else ""

    def fault(self, line: int, column: str, code: str, message: str, **values: object) -> Problem:
        title = self.titles[self.columns[column]]
        return Problem(code, message, file=self.name, line=line, column=title, **values)

    def category(self, line: int, cells: list[str]) -> str:
        column = "class2" if self.cell(cells, "class2") else "category"
        if column not in self.columns:
            column = "class2"
        given = self.cell(cells, column)
        key = _risk_key(given, self.cell(cells, "class1") if column == "class2" else "")
        if key is None:
            raise self.fault(
                line,
                column,
                "lexicon.category",
                "{file}, line {line}, column “{column}”: “{given}” names none of the 31 risks, or "
                "more than one. Use a key or a full name; near ones: {near}.",
                given=given[:80],
                near=_near(given),
            )
        return key

    def action(self, line: int, cells: list[str]) -> Action:
        given = self.cell(cells, "action")
        if given and fold(given) not in _names()["actions"]:
            raise self.fault(
                line,
                "action",
                "lexicon.action",
                "{file}, line {line}, column “{column}”: “{given}” is no action. Use refuse, "
                "withhold, mask or note, or leave it empty for withhold.",
                given=given[:80],
            )
        return cast("Action", _names()["actions"][fold(given)] if given else "withhold")

    def date(self, line: int, cells: list[str], column: str) -> date | None:
        given = self.cell(cells, column)
        try:
            return _date(given)
        except (TypeError, ValueError):
            raise self.fault(
                line,
                column,
                "lexicon.date",
                "{file}, line {line}, column “{column}”: “{given}” is no date. Write it like "
                "2026-11-23, or leave it empty.",
                given=given[:80],
            ) from None

    def terms(self, line: int, cells: list[str]) -> list[str]:
        """Return the term and its variants, each of a length that can be matched."""
        variants = [form.strip() for form in self.cell(cells, "variants").split("|")]
        forms = [self.cell(cells, "term"), *filter(None, variants)]
        for place, form in enumerate(forms):
            try:
                spelling(form)
            except Problem as problem:
                raise self.fault(
                    line,
                    "variants" if place else "term",
                    problem.code,
                    "{file}, line {line}, column “{column}”: “{term}” has {length} letters once "
                    "spaces and signs are dropped; a term needs {least} to {most}. Change it or "
                    "take it out.",
                    **problem.values,
                ) from None
        return forms

    def entry(self, line: int, cells: list[str]) -> Entry:
        term, *variants = self.terms(line, cells)
        return Entry(
            term=term,
            category=self.category(line, cells),
            action=self.action(line, cells),
            source=self.cell(cells, "source"),
            added=self.date(line, cells, "added"),
            expires=self.date(line, cells, "expires"),
            variants=tuple(variants),
        )


def _too_big(name: str) -> Problem:
    return Problem(
        "lexicon.too-big",
        "{file} is larger than a source may be ({megabytes} MB, {rows} rows). Split it into several "
        "files and give them all.",
        file=name,
        megabytes=MOST_BYTES // 2**20,
        rows=MOST_ROWS,
    )


def _unreadable(name: str, reason: object) -> Problem:
    return Problem(
        "lexicon.source-unreadable",
        "{file} cannot be read ({reason}). Give a CSV file in UTF-8 or GB 18030, or an XLSX file.",
        file=name,
        reason=reason,
    )


def _csv_rows(path: Path) -> Iterator[Row]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        # Spreadsheets on a Chinese Windows save CSV in the code page of the system.
        text = data.decode("gb18030")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    for cells in reader:
        yield reader.line_num, cells


def _delimiter(text: str) -> str:
    lines = dropwhile(lambda line: line.startswith("#"), io.StringIO(text))
    header = next(lines, "")
    return max(",\t;", key=header.count)


def _xlsx_rows(path: Path) -> Iterator[Row]:
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise Problem(
            "lexicon.xlsx-extra",
            "{file}: reading XLSX needs one more package. Install it with "
            "`pip install 'hegui[xlsx]'`, or save the sheet as CSV.",
            file=path.name,
        ) from None
    with zipfile.ZipFile(path) as archive:
        if sum(member.file_size for member in archive.infolist()) > _MOST_UNPACKED:
            raise _too_big(path.name)
    # We open the file: on one that it cannot read, openpyxl would leave its own handle open.
    with path.open("rb") as file:
        book = load_workbook(file, read_only=True, data_only=True)
        for line, cells in enumerate(book.worksheets[0].iter_rows(values_only=True), 1):
            yield line, [_cell(value) for value in cells]


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return value.date().isoformat()
    return "" if value is None else str(value)


def _rows(path: Path) -> Iterator[Row]:
    """Yield the rows that hold anything, header first, without the comment lines before it."""
    name = path.name
    try:
        if path.stat().st_size > MOST_BYTES:
            raise _too_big(name)
        rows = _xlsx_rows(path) if path.suffix.lower() == ".xlsx" else _csv_rows(path)
        filled = (row for row in rows if any(row[1]))
        for count, row in enumerate(dropwhile(lambda row: row[1][0].startswith("#"), filled)):
            if count > MOST_ROWS:
                raise _too_big(name)
            yield row
    except OSError as error:
        raise _unreadable(name, error.strerror) from error
    except (csv.Error, zipfile.BadZipFile, LookupError, ValueError, SyntaxError) as error:
        # Bad code page, bad CSV, bad archive, a workbook without its parts, XML that does not parse.
        raise _unreadable(name, error) from error


def gather(paths: Iterable[Path], *, on_row: Callable[[], None] = lambda: None) -> Gathered:
    """Read the sources in order; a term is taken where it first stands.

    Faulty rows are collected, each as a `Problem` that names file, line, column and cure; a file
    that cannot be read at all, or lacks a column, raises its `Problem`. `on_row` is called once a
    row, to show progress.
    """
    gathered = Gathered()
    seen: dict[str, tuple[int, str]] = {}
    for path in paths:
        rows = _rows(path)
        sheet = _Sheet(path.name, next(rows, (1, [])))
        for line, cells in rows:
            on_row()
            try:
                entry = sheet.entry(line, cells)
            except Problem as problem:
                gathered.problems.append(problem)
            else:
                _take(gathered, seen, entry, f"{path.name}:{line}")
    return gathered


def _take(gathered: Gathered, seen: dict[str, tuple[int, str]], entry: Entry, place: str) -> None:
    folded, _ = spelling(entry.term)
    if folded not in seen:
        seen[folded] = len(gathered.entries), place
        gathered.entries.append(entry)
        return
    number, first = seen[folded]
    gathered.duplicates.append(Duplicate(entry.term, place, first))
    kept = gathered.entries[number]
    if entry.term != kept.term:
        # "kill all" and "killall" fold alike, but only the first says where a blank is ordinary.
        forms = tuple(dict.fromkeys((*kept.variants, entry.term)))
        gathered.entries[number] = msgspec.structs.replace(kept, variants=forms)
