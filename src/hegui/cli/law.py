"""`hegui law`: look up what the register says."""

from typing import TYPE_CHECKING, Annotated

import typer

from hegui.language import N_, say

if TYPE_CHECKING:
    from hegui.law import Article, Obligation, Provision

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Look up the duties of the Interim Measures: who, what, by when, and how sure we are.",
)


@app.command("list")
def list_rows(
    article: Annotated[
        int | None, typer.Option(help="Only this article of the Interim Measures, 1 to 24.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all fields as JSON, for other programs.")
    ] = False,
) -> None:
    """List the rows of the register, one a line, with the mark that says how each was checked.

    T: the text was read. X: an excerpt or summary was. M: not checked yet. A question mark stands
    beside a row whose reading is uncertain: it can never be shown as met before counsel answers.

    Example: `hegui law list --article 14`
    """
    from hegui.law import register

    book = register()
    chosen = book if article is None else book.article("IM", article)
    if as_json:
        import msgspec

        rows = {"provisions": chosen.provisions, "obligations": chosen.obligations}
        typer.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
    else:
        _print_list(chosen.provisions, chosen.obligations)


@app.command()
def show(
    entry: Annotated[str, typer.Argument(help="A row such as IM-14.1, or an article: IM-14.")],
) -> None:
    """Show one row, or a whole article, in both languages.

    Example: `hegui law show IM-14.1`
    """
    from hegui.cli.output import console
    from hegui.law import register

    found = register().find(entry)
    for line in _lines(found):
        console.print(line, markup=False, soft_wrap=True)


def _print_list(provisions: "tuple[Provision, ...]", duties: "tuple[Obligation, ...]") -> None:
    from rich.table import Table

    from hegui.cli.output import console, language
    from hegui.law import register

    lang, term = language(), register().term
    table = Table(box=None, pad_edge=False)
    for title in (N_("Row"), N_("Subject"), N_("Kind"), N_("Software"), N_("Checked")):
        table.add_column(say(lang, title), overflow="fold")
    for row in provisions:
        carried = [duty for duty in duties if row.id in duty.provisions]
        kinds = [term("modality", duty.modality).say(lang) for duty in carried]
        by = "".join(duty.automation for duty in carried)
        doubt = "?" if any(duty.needs_check for duty in carried) else ""
        kind = ", ".join(kinds) or say(lang, "no duty")
        table.add_row(row.id, row.gloss.say(lang), kind, by, row.verified + doubt)
    console.print(table)
    console.print(_disclaimer(lang))


def _lines(found: "Article") -> list[str]:
    """Everything `show` prints, a line an entry; both languages for what the law says."""
    from hegui.cli.output import language
    from hegui.law import register
    from hegui.law.telling import mark_text

    lang, book = language(), register()
    title = book.instrument(found.instrument).title
    lines = [f"{title.zh}", f"{title.en}"]
    for row in found.provisions:
        lines += ["", f"{row.id}  ({row.path.eid})", f"  {row.gloss.zh}", f"  {row.gloss.en}"]
        lines.append(_field(lang, N_("Checked"), mark_text(row.verified, lang)))
        duties = [duty for duty in found.obligations if row.id in duty.provisions]
        lines += [line for duty in duties for line in _duty(lang, duty)]
        if not duties:
            lines.append("  " + say(lang, "This provision carries no duty of its own."))
        if row.note:
            lines += [f"  {row.note.zh}", f"  {row.note.en}"]
    return [*lines, "", _disclaimer(lang)]


def _duty(lang: str, duty: "Obligation") -> list[str]:
    from hegui.law import register
    from hegui.law.telling import clock_text, sanction_lines

    book = register()
    term = book.term
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
    for code in duty.sanctions:
        title, *steps = sanction_lines(book.sanction(code), lang)
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


def _field(lang: str, name: str, value: str) -> str:
    return f"  {say(lang, name)}: {value}"


def _disclaimer(lang: str) -> str:
    return say(lang, "Our own words, not the text of the law, and not legal advice.")
