"""What `hegui law` prints: tables of rows and of counts, one row in full, changes between days."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from hegui.cli.output import console, language
from hegui.language import N_, say

if TYPE_CHECKING:
    from hegui.law import Article, Obligation, Provision
    from hegui.law.overview import Choice, Tally
    from hegui.law.time import Changes, Then


def print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def print_rows(chosen: "Choice") -> None:
    """A row a line: what it is about, what kind of duty it carries, how it was checked."""
    from rich.table import Table

    from hegui.law import register

    lang, term = language(), register().term
    table = Table(box=None, pad_edge=False)
    for title in (N_("Row"), N_("Subject"), N_("Kind"), N_("Software"), N_("Checked")):
        table.add_column(say(lang, title), overflow="fold")
    for row in chosen.provisions:
        carried = [duty for duty in chosen.obligations if row.id in duty.provisions]
        kinds = [term("modality", duty.modality).say(lang) for duty in carried]
        by = "".join(duty.automation for duty in carried)
        doubt = "?" if any(duty.needs_check for duty in carried) else ""
        kind = ", ".join(kinds) or say(lang, "no duty")
        table.add_row(row.id, row.gloss.say(lang), kind, by, row.verified + doubt)
    console.print(table)
    console.print(disclaimer(lang))


def print_summary() -> None:
    """An instrument a line, with the counts of what the register holds of it, and their sums."""
    from rich.table import Table

    from hegui.law import register
    from hegui.law.overview import tally

    lang, book = language(), register()
    table = Table(box=None, pad_edge=False)
    for title in (N_("Code"), N_("Instrument"), N_("Level"), N_("Status")):
        table.add_column(say(lang, title), overflow="fold")
    for title in (N_("Rows"), N_("Provisions"), N_("Added"), N_("Duties")):
        table.add_column(say(lang, title), justify="right")
    table.add_column("T/X/M", justify="right")
    for entry in book.instruments:
        level = book.term("level", entry.level).say(lang)
        status = book.term("status", entry.status).say(lang)
        counts = _counts(tally(book, entry))
        table.add_row(entry.code, entry.title.say(lang), level, status, *counts)
    table.add_row("", say(lang, N_("All")), "", "", *_counts(tally(book)))
    console.print(table)
    print_lines([
        say(lang, N_("Rows: of the research notes. Provisions: what they split into. Added: bases of sanctions, definitions and old numbers beside them. T/X/M: how the texts were checked.")),
        disclaimer(lang),
    ])  # fmt: skip


def _counts(counted: "Tally") -> list[str]:
    numbers = (counted.rows, counted.provisions, counted.added, counted.duties)
    return [*map(str, numbers), "/".join(map(str, counted.marks.values()))]


def article_lines(found: "Article") -> list[str]:
    """Everything `show` prints of a row or an article, in both languages for what the law says."""
    lang = language()
    lines = _head(found.instrument, datetime.now(UTC).date())
    for row in found.provisions:
        lines += provision_lines(row, row.id, found.obligations)
    return [*lines, "", disclaimer(lang)]


def then_lines(found: list["Then"], day: date) -> list[str]:
    """The same as a day saw it: under the numbers of that day, or as not yet in force."""
    from hegui.law import register

    lang, book = language(), register()
    lines = _head(found[0].provision.instrument, day)
    for then in found:
        row = then.provision
        duties = tuple(duty for duty in book if row.id in duty.provisions)
        lines += provision_lines(row, then.number, duties, _warning(then, day))
    return [*lines, "", disclaimer(lang)]


def _warning(then: "Then", day: date) -> str:
    """What to know of a row on a day: that it came later, or bore another number."""
    from hegui.law import register

    row = then.provision
    if then.stood and row.valid_from > day:  # it stood under a former number, which may be its own
        message = N_("On {day} this was {number}; it is {id} since {since}. The words here are those of the newer version and may differ from the older.")  # fmt: skip
    elif then.stood:
        return ""
    elif register().instrument(row.instrument).binds:
        message = N_("Not yet in force on {day}; it is since {since}.")
    else:
        message = N_("Not yet published on {day}; it was on {since}, and is not law in force.")
    return say(language(), message, day=day, number=then.number, id=row.id, since=row.valid_from)


def _head(instrument: str, day: date) -> list[str]:
    from hegui.law import register
    from hegui.law.telling import standing_text

    entry = register().instrument(instrument)
    return [entry.title.zh, entry.title.en, standing_text(entry, day, language())]


def provision_lines(
    row: "Provision", number: str, obligations: "tuple[Obligation, ...]", warning: str = ""
) -> list[str]:
    from hegui.law.telling import mark_text, validity_text

    lang = language()
    place = row.path.eid if number == row.id else f"{row.id}, {row.path.eid}"
    lines = ["", f"{number}  ({place})", *([f"  ⚠ {warning}"] if warning else [])]
    lines += [f"  {row.gloss.zh}", f"  {row.gloss.en}"]
    lines.append(_field(lang, N_("Validity"), validity_text(row, lang)))
    lines.append(_field(lang, N_("Checked"), mark_text(row.verified, lang)))
    duties = [duty for duty in obligations if row.id in duty.provisions]
    lines += [line for duty in duties for line in duty_lines(duty)]
    if not duties:
        lines.append("  " + say(lang, "This provision carries no duty of its own."))
    if row.note:
        lines += [f"  {row.note.zh}", f"  {row.note.en}"]
    return lines


def duty_lines(duty: "Obligation") -> list[str]:
    from hegui.law import register
    from hegui.law.telling import clock_text

    lang, term = language(), register().term
    modality = term("modality", duty.modality)
    lines = [
        f"  [{modality.zh}] {duty.duty.zh}",
        f"  [{modality.en}] {duty.duty.en}",
        _field(lang, N_("Who"), ", ".join(term("actor", code).say(lang) for code in duty.actors)),
        _field(lang, N_("When"), duty.trigger.say(lang)),
        *(_field(lang, N_("Period"), clock_text(clock, lang)) for clock in duty.clocks),
        _field(lang, N_("Evidence"), duty.evidence.say(lang)),
        _field(lang, N_("Software"), term("automation", duty.automation).say(lang)),
        _field(lang, N_("Part of hegui"), term("room", duty.room).say(lang)),
    ]
    if duty.controls:
        names = (term("control", code).say(lang) for code in duty.controls)
        lines.append(_field(lang, N_("Controls"), ", ".join(names)))
    if duty.human:
        lines.append(_field(lang, N_("Signed by a person"), term("human", duty.human).say(lang)))
    if duty.human_residue:
        lines.append(_field(lang, N_("Stays human"), duty.human_residue.say(lang)))
    return lines + _consequences(duty)


def _consequences(duty: "Obligation") -> list[str]:
    """What follows a breach, and what is still open."""
    from hegui.law import register
    from hegui.law.telling import sanction_lines

    lang, lines = language(), []
    for code in duty.sanctions:
        title, *steps = sanction_lines(register().sanction(code), lang)
        lines.append(_field(lang, N_("Sanction"), title))
        lines += [f"    {step}" for step in steps]
    if duty.other_law:
        lines.append(_field(lang, N_("Other law"), duty.other_law.say(lang)))
    for reading in duty.interpretations:
        lines.append(_field(lang, N_("Question for counsel"), reading.question.say(lang)))
        lines.append(_field(lang, N_("Until answered"), reading.default.say(lang)))
    if duty.needs_check:
        warning = say(lang, "Needs check: hegui will not show this row as met by itself.")
        lines.append("  ⚠ " + warning)
    return lines


def change_lines(changed: "Changes") -> list[str]:
    """What differs between two days, by instrument, in both languages."""
    lang = language()
    lines = [say(lang, N_("From {since} to {until}"), since=changed.since, until=changed.until)]
    for title, rows in (
        (N_("Came into force"), [(row, row.id, row.valid_from) for row in changed.began]),
        (
            N_("Published, binding nobody by itself"),
            [(row, row.id, row.valid_from) for row in changed.published],
        ),
        (
            N_("Renumbered"),
            [
                (move.provision, f"{move.before} → {move.after}", move.provision.valid_from)
                for move in changed.renumbered
            ],
        ),
        (N_("Ended or replaced"), [(row, row.id, row.valid_to) for row in changed.ended]),
    ):
        if rows:
            lines += ["", f"{say(lang, title)}: {len(rows)}", *_by_instrument(rows)]
    if changed.alone:
        lines += ["", say(lang, N_("Came into force; the register holds no rows of them:"))]
        lines += [
            f"  {entry.in_force}  {entry.title.zh} · {entry.title.en}" for entry in changed.alone
        ]
    if len(lines) == 1:
        lines.append(say(lang, N_("Nothing changed.")))
    return [*lines, "", disclaimer(lang)]


def _by_instrument(rows: "Iterable[tuple[Provision, str, date | None]]") -> Iterable[str]:
    from hegui.law import register

    for code, group in groupby(rows, key=lambda each: each[0].instrument):
        title = register().instrument(code).title
        yield f"  {title.zh} · {title.en}"
        for row, name, day in group:
            yield f"    {name}  {day}  {row.gloss.zh} · {row.gloss.en}"


def _field(lang: str, name: str, value: str) -> str:
    return f"  {say(lang, name)}: {value}"


def disclaimer(lang: str) -> str:
    return say(lang, "Our own words, not the text of the law, and not legal advice.")
