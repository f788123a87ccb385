"""`hegui law`: look up what the register says, on any day, and hand it on."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hegui.cli import scope
from hegui.cli.archive import Config, Json, ready, tell, tell_json
from hegui.language import N_, Problem

if TYPE_CHECKING:
    from hegui.law.exports import Shown

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="The register of duties: who, what, by when, since when, and how sure we are.",
)
Day = typer.Argument(formats=["%Y-%m-%d"], show_default=False)


class Format(StrEnum):
    """The files that the register can be handed on as."""

    XLSX = "xlsx"
    CISO = "ciso"


class Language(StrEnum):
    """The language of an export."""

    ZH = "zh"
    EN = "en"


app.command("scope")(scope.scope)


@app.command("list")
def list_rows(
    *,
    instrument: Annotated[
        str | None, typer.Option(help="Only this instrument, by its code: IM, LB, PIPL.")
    ] = None,
    article: Annotated[
        str | None,
        typer.Option(help="Only this article; without --instrument, of the Interim Measures."),
    ] = None,
    facet: Annotated[
        str | None, typer.Option(help="Only what is about this: labelling, minors, privacy.")
    ] = None,
    role: Annotated[
        str | None, typer.Option(help="Only duties that bind this role: P, T, D, S, U, H, N, X.")
    ] = None,
    summary: Annotated[
        bool, typer.Option("--summary", help="Count instead: an instrument a line.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the rows of the register, one a line, with the mark that says how each was checked.

    T: the text was read. X: an excerpt or summary was. M: not checked yet. A question mark stands
    beside a row whose reading is uncertain: it can never be shown as met before counsel answers.
    `--summary` always counts the whole register.

    Examples: `hegui law list --article 14` · `hegui law list --instrument LB --role P`
    """
    from hegui.cli.law_text import print_rows, print_summary
    from hegui.law import register
    from hegui.law.overview import choose, tally

    book = register()
    if summary and as_json:
        tell_json({entry.code: tally(book, entry) for entry in book.instruments})
    elif summary:
        print_summary()
    else:
        chosen = choose(book, instrument, article, facet, role)
        tell_json(chosen) if as_json else print_rows(chosen)


@app.command()
def show(
    entry: Annotated[str, typer.Argument(help="A row such as IM-14.1, or an article: IM-14.")],
    *,
    on: Annotated[
        datetime | None,
        typer.Option("--on", formats=["%Y-%m-%d"], help="As numbered, and in force, on this day."),
    ] = None,
) -> None:
    """Show one row, or a whole article, in both languages.

    `--on` reads a number as a text of that day means it: article 21 of the Cybersecurity Law, in
    a text of 2025, is what article 23 is today.

    Examples: `hegui law show IM-14.1` · `hegui law show CSL-21 --on 2025-10-01`
    """
    from hegui.cli.law_text import article_lines, print_lines, then_lines
    from hegui.law import register
    from hegui.law.time import find_on

    if on is None:
        print_lines(article_lines(register().find(entry)))
    else:
        day = on.date()
        print_lines(then_lines(find_on(register(), entry, day), day))


@app.command()
def diff(
    since: Annotated[datetime, typer.Argument(metavar="FROM", formats=["%Y-%m-%d"])],
    until: Annotated[datetime, typer.Argument(metavar="TO", formats=["%Y-%m-%d"])],
    *,
    as_json: Json = False,
) -> None:
    """Show what came into force, was renumbered or ended after the day FROM, up to the day TO.

    Drafts, policies and guides are listed apart: they bind nobody by themselves.

    Example: `hegui law diff 2025-12-31 2026-11-24`
    """
    from hegui.cli.law_text import change_lines, print_lines
    from hegui.law import register
    from hegui.law.time import changes

    found = changes(register(), since.date(), until.date())
    if as_json:
        tell_json(found)
    else:
        print_lines(change_lines(found))


@app.command()
def export(
    *,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    form: Annotated[
        Format, typer.Option("--format", help="xlsx: a workbook. ciso: a CISO Assistant library.")
    ] = Format.XLSX,
    language: Annotated[
        Language | None,
        typer.Option(help="zh or en; without it, yours. A library always carries both."),
    ] = None,
    with_status: Annotated[
        bool, typer.Option("--with-status", help="Add where the service stands with each duty.")
    ] = False,
    config: Config = None,
) -> None:
    """Write the whole register to a file: a workbook for counsel and inspectors, or a library.

    An export goes one way and says less than the register; what is changed in it does not come
    back. `--with-status` needs the databases of the service; the rest needs nothing.

    Example: `hegui law export --format xlsx --language zh --out register.xlsx`
    """
    from hegui.cli import output
    from hegui.law import export_ciso, export_xlsx, register

    spoken = language.value if language else output.language()
    shown = _standings(config, spoken) if with_status else {}
    if not out.parent.is_dir():
        raise Problem(
            "law.no-folder",
            "There is no folder {folder}: make it, or choose another.",
            folder=str(out.parent),
        )
    writer = export_xlsx if form is Format.XLSX else export_ciso
    writer.write(register(), out, spoken, shown)
    tell(N_("Written: {file} ({duties} duties)."), file=str(out), duties=len(register()))


def _standings(config: Path | None, language: str) -> "dict[str, Shown]":
    """The state of every duty as plain sentences, computed from what is on record."""
    from hegui.cases.due import board_of
    from hegui.evidence.status import NAMES
    from hegui.language import say
    from hegui.law.exports import Shown

    with ready(config) as archive:
        found = board_of(archive)
    return {
        duty: Shown(
            state=say(language, NAMES[each.state]),
            reasons=tuple(reason.say(language) for reason in each.reasons),
            owner=each.owner,
            stale_on=each.stale_on,
        )
        for duty, each in found.standings.items()
    }
