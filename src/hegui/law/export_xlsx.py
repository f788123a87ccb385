"""The register as a workbook, for counsel and for inspectors: one way, in Chinese or in English.

Every text cell is written as text and quoted, so that a program which opens the file never takes
one that begins with = + - @ for a formula.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from hegui.language import N_, Problem, say
from hegui.law.exports import Shown, evidence_text, proof_text, question_text
from hegui.law.load import Register
from hegui.law.model import Obligation, Tier
from hegui.law.overview import tally
from hegui.law.telling import clock_text, mark_text, sanction_title

Value = str | int | date | None
_LONGEST: Final = 32_767  # characters that a cell of the format can hold
# The groups of codes that the sheets use, with a heading of the legend for each.
_LEGEND: Final = (
    ("mark", N_("Checked")),
    ("actor", N_("Who")),
    ("modality", N_("Kind")),
    ("automation", N_("Software")),
    ("level", N_("Level")),
    ("status", N_("Status")),
    ("figure", N_("Figure of a period")),
    ("control", N_("Controls")),
)


class Column(Struct, frozen=True):
    """A column: its heading (a message of the catalogue) and its width in characters."""

    title: str
    width: int


class Sheet(Struct, frozen=True):
    """A sheet before it is written: its name (a message), its columns, its rows."""

    name: str
    columns: tuple[Column, ...]
    rows: Sequence[Sequence[Value]]


def write(
    book: Register, out: Path, language: str, standings: Mapping[str, Shown] | None = None
) -> None:
    """Write the workbook; `standings` adds the state of every duty and what proves it.

    Raises:
        Problem: openpyxl, of the extra `xlsx`, is not installed.

    """
    try:
        from openpyxl import Workbook
    except ImportError:
        raise Problem(
            "law.xlsx-extra",
            "Writing XLSX needs one more package. Install it with `pip install 'hegui[xlsx]'`, or choose `--format ciso`.",
        ) from None
    workbook = Workbook(write_only=True)
    for sheet in sheets(book, language, standings or {}):
        _write_sheet(workbook, sheet, language)
    workbook.save(out)


def sheets(book: Register, language: str, standings: Mapping[str, Shown]) -> list[Sheet]:
    """Everything the workbook holds, as plain values."""
    return [
        _duties(book, language, standings),
        _instruments(book, language),
        _provisions(book, language),
        _sanctions(book, language),
        _legend(book, language),
    ]


def _duties(book: Register, language: str, standings: Mapping[str, Shown]) -> Sheet:
    columns = [
        Column(N_("Id"), 11), Column(N_("Code"), 7), Column(N_("Instrument"), 22),
        Column(N_("Article"), 8), Column(N_("Duty"), 50), Column(N_("Who"), 14),
        Column(N_("Kind"), 10), Column(N_("If the service"), 18), Column(N_("When"), 20),
        Column(N_("Period"), 36), Column(N_("Sanction"), 24), Column(N_("Controls"), 22),
        Column(N_("Evidence"), 26), Column(N_("Stays human"), 24), Column(N_("Checked"), 16),
        Column(N_("Question for counsel"), 40),
    ]  # fmt: skip
    rows = [_duty(book, duty, language) for duty in book]
    if standings:
        columns += [Column(N_("State"), 12), Column(N_("Proof"), 40)]
        for duty, row in zip(book, rows, strict=True):
            shown = standings[duty.id]
            row += [shown.state, proof_text(shown, language)]
    return Sheet(N_("Duties"), tuple(columns), rows)


def _duty(book: Register, duty: Obligation, language: str) -> list[Value]:
    def words(group: str, codes: Iterable[str], between: str = "\n") -> str:
        return between.join(book.term(group, code).say(language) for code in codes)

    place = book.provision(duty.provisions[0])
    sanctions = [sanction_title(book.sanction(code), language) for code in duty.sanctions]
    if duty.other_law:
        sanctions.append(duty.other_law.say(language))
    return [
        duty.id,
        place.instrument,
        book.instrument(place.instrument).title.say(language),
        str(place.path.article),
        duty.duty.say(language),
        words("actor", duty.actors),
        words("modality", [duty.modality]),
        words("circumstance", duty.applies),
        duty.trigger.say(language),
        "\n".join(clock_text(clock, language) for clock in duty.clocks),
        "\n".join(sanctions),
        words("control", duty.controls),
        evidence_text(book, duty, language),
        duty.human_residue.say(language) if duty.human_residue else "",
        mark_text(duty.verified, language),
        question_text(duty, language),
    ]


def _instruments(book: Register, language: str) -> Sheet:
    columns = (
        Column(N_("Code"), 7), Column(N_("Instrument"), 44), Column(N_("Issued by"), 26),
        Column(N_("Number"), 20), Column(N_("Level"), 14), Column(N_("Status"), 12),
        Column(N_("Issued"), 12), Column(N_("In force since"), 12), Column(N_("Rows"), 8),
        Column(N_("Provisions"), 10), Column(N_("Added"), 8), Column(N_("Duties"), 8),
        Column("T", 6), Column("X", 6), Column("M", 6), Column(N_("What was read"), 36),
        Column(N_("Source"), 36),
    )  # fmt: skip
    rows: list[Sequence[Value]] = []
    for entry in book.instruments:
        count = tally(book, entry)
        head = [entry.code, entry.title.say(language), entry.issuer.say(language), entry.number]
        kind = [
            book.term("level", entry.level).say(language),
            book.term("status", entry.status).say(language),
        ]
        numbers = [count.rows, count.provisions, count.added, count.duties, *count.marks.values()]
        tail = [entry.checked.say(language), entry.source_url]
        rows.append([*head, *kind, entry.issued, entry.in_force, *numbers, *tail])
    return Sheet(N_("Instruments"), columns, rows)


def _provisions(book: Register, language: str) -> Sheet:
    columns = (
        Column(N_("Id"), 11), Column(N_("Code"), 7), Column(N_("Place"), 24),
        Column(N_("Subject"), 50), Column(N_("Valid from"), 12), Column(N_("Valid to"), 12),
        Column(N_("Former number"), 34), Column(N_("Row of the notes"), 16),
        Column(N_("Checked"), 16), Column(N_("Duties"), 14), Column(N_("Note"), 40),
    )  # fmt: skip
    carried: dict[str, list[str]] = {}
    for duty in book:
        for row in duty.provisions:
            carried.setdefault(row, []).append(duty.id)
    rows: list[Sequence[Value]] = [
        [
            row.id, row.instrument, row.path.eid, row.gloss.say(language), row.valid_from,
            row.valid_to,
            "\n".join(f"{old.id}: {old.valid_from} – {old.valid_to}" for old in row.renumbered_from),
            "" if row.added else row.row,
            mark_text(row.verified, language), "\n".join(carried.get(row.id, [])),
            row.note.say(language) if row.note else "",
        ]
        for row in book.provisions
    ]  # fmt: skip
    return Sheet(N_("Provisions"), columns, rows)


def _sanctions(book: Register, language: str) -> Sheet:
    columns = (
        Column(N_("Code"), 11), Column(N_("Basis"), 14), Column(N_("Who"), 14),
        Column(N_("Step"), 6), Column(N_("If"), 34), Column(N_("What follows"), 44),
        Column(N_("Fine from (yuan)"), 13), Column(N_("Fine to (yuan)"), 13),
        Column(N_("Unlawful gains, times from"), 11), Column(N_("Unlawful gains, times to"), 11),
        Column(N_("Turnover, up to %"), 11), Column(N_("Those responsible from (yuan)"), 13),
        Column(N_("Those responsible to (yuan)"), 13), Column(N_("Prison, years up to"), 10),
        Column(N_("Checked"), 16),
    )  # fmt: skip
    rows: list[Sequence[Value]] = []
    for entry in book.sanctions:
        who = "\n".join(book.term("actor", code).say(language) for code in entry.actors)
        for step, tier in enumerate(entry.tiers, 1):
            rows.append([
                entry.code, "\n".join(entry.basis), who, step, tier.condition.say(language),
                tier.measures.say(language), *_amounts(tier), mark_text(entry.verified, language),
            ])  # fmt: skip
    return Sheet(N_("Sanctions"), columns, rows)


def _amounts(tier: Tier) -> list[Value]:
    return [
        tier.fine_min, tier.fine_max, tier.gains_min, tier.gains_max, tier.turnover_pct,
        tier.persons_min, tier.persons_max, tier.prison_years,
    ]  # fmt: skip


def _legend(book: Register, language: str) -> Sheet:
    columns = (Column(N_("About"), 22), Column(N_("Code"), 12), Column(N_("Meaning"), 90))
    day = datetime.now(UTC).date().isoformat()
    rows: list[Sequence[Value]] = [
        [say(language, N_("This file")), "", say(language, sentence, day=day)]
        for sentence in (
            N_("Our own words, not the text of the law, and not legal advice."),
            N_("Written on {day} from the register of hegui; what is changed here does not go back into it."),
            N_("A row marked M, or with an open question for counsel, is never shown as met before a named person has reviewed it."),
            N_("Only instruments in force bind; a draft, a policy or a guide is here to be watched."),
        )
    ]  # fmt: skip
    rows += [
        [say(language, title), code, words.say(language)]
        for group, title in _LEGEND
        for code, words in book.vocabulary[group].items()
    ]
    return Sheet(N_("How to read this"), columns, rows)


def _write_sheet(workbook: Any, sheet: Sheet, language: str) -> None:
    """Write a sheet with its heading frozen, filters on, and A4 landscape for the printer."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.worksheet import Worksheet

    made = workbook.create_sheet(say(language, sheet.name))
    made.freeze_panes = "B2"
    for number, column in enumerate(sheet.columns, 1):
        made.column_dimensions[get_column_letter(number)].width = column.width
    last = get_column_letter(len(sheet.columns))
    made.auto_filter.ref = f"A1:{last}{len(sheet.rows) + 1}"
    made.print_title_rows = "1:1"
    made.page_setup.orientation = "landscape"
    made.page_setup.paperSize = Worksheet.PAPERSIZE_A4
    made.sheet_properties.pageSetUpPr.fitToPage = True
    made.page_setup.fitToHeight = 0  # as many pages long as it needs, one page wide
    made.oddFooter.center.text = "&A · &P / &N"
    made.append(list(_cells(made, [say(language, column.title) for column in sheet.columns], True)))
    for row in sheet.rows:
        made.append(list(_cells(made, row, False)))


def _cells(sheet: Any, values: Iterable[Value], heading: bool) -> Iterator[Any]:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
    from openpyxl.styles import Alignment, Font, PatternFill

    wrapped = Alignment(wrap_text=True, vertical="top")
    bold, shade = Font(bold=True), PatternFill("solid", fgColor="DDE3EA")
    for value in values:
        if isinstance(value, str):
            cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub("", value)[:_LONGEST])
            cell.data_type, cell.quotePrefix = "s", True
        else:
            cell = WriteOnlyCell(sheet, value)
        cell.alignment = wrapped
        if heading:
            cell.font, cell.fill = bold, shade
        yield cell
