"""`hegui evidence`: hand in what people signed, review what is open, name who sees to a duty."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from hegui.cli.archive import Config, Json, ready, tell, tell_json
from hegui.language import N_, say

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Signed evidence for duties that only people can meet: hand in, list, end, review, own.",
)

_DAY = ["%Y-%m-%d"]
Duty = Annotated[str, typer.Argument(help="A duty of the register, e.g. IM-12.")]
LastDay = Annotated[datetime, typer.Option(formats=_DAY, help="The last day on which it holds.")]
Author = Annotated[str, typer.Option(help="Who does it: a staff id, as the ledger will name it.")]


@app.command()
def add(
    file: Annotated[Path, typer.Argument(help="The signed document; it stays where it is.")],
    *,
    kind: Annotated[str, typer.Option(help="What it is: a code of `hegui evidence kinds`.")],
    signer: Annotated[str, typer.Option(help="Who signed it and answers for what it says.")],
    owner: Annotated[str, typer.Option(help="Who sees to the next one before it runs out.")],
    valid_until: LastDay,
    valid_from: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="The first day; without it, today.")
    ] = None,
    about: Annotated[
        list[str] | None,
        typer.Option(
            help="A duty it counts for; repeatable. Without it: all that ask for its kind."
        ),
    ] = None,
    note: Annotated[str, typer.Option(help="What a reader should know about it.")] = "",
    author: Author = "operator",
    config: Config = None,
) -> None:
    """Put signed evidence on record: its digest, who signed, who owns it, until when it holds.

    hegui keeps the SHA-256 of the file and not the file: keep that safe yourself, for an inspector
    will ask for it. The names stand in the ledger for ever; give an office rather than a person
    where that is enough.

    Example: `hegui evidence add rules.pdf --kind annotation_rules --signer "Head of data" --owner "Data team" --valid-until 2027-06-30`
    """
    from hegui.evidence import signed

    with ready(config) as archive:
        proof = signed.add(
            archive, file, kind=kind, signer=signer, owner=owner, about=about or (), note=note,
            valid_from=valid_from.date() if valid_from else None,
            valid_until=valid_until.date(), staff=author,
        )  # fmt: skip
    tell(
        N_("✓ {proof} counts for {duties} until {day}. SHA-256 {digest}"),
        proof=proof.proof, duties=", ".join(proof.about), day=proof.valid_until, digest=proof.sha256,
    )  # fmt: skip


@app.command("list")
def list_all(*, as_json: Json = False, config: Config = None) -> None:
    """List what was handed in, the newest first, and whether it still holds.

    Example: `hegui evidence list`
    """
    from rich.markup import escape
    from rich.table import Table

    from hegui.cli.output import console, language
    from hegui.evidence import signed

    with ready(config) as archive:
        found = signed.list_signed(archive)
    if as_json:
        tell_json(found)
        return
    if not found:
        tell(N_("Nothing has been handed in yet: hegui evidence add FILE"))
        return
    titles = (N_("Evidence"), N_("Kind"), N_("For"), N_("File"), N_("Signed by"), N_("Owner"),
              N_("Holds until"), N_("Ended because"))  # fmt: skip
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(say(language(), title), overflow="fold")
    for each in found:
        cells = (each.proof, each.kind, " ".join(each.about), each.name, each.signer, each.owner)
        table.add_row(*map(escape, (*cells, each.valid_until, each.ended)))
    console.print(table)


@app.command()
def end(
    proof: Annotated[str, typer.Argument(help="As `hegui evidence list` names it: proof_…")],
    *,
    reason: Annotated[str, typer.Option(help="Why it counts no more; it stays on record.")],
    author: Author = "operator",
    config: Config = None,
) -> None:
    """Let evidence count no more from now on; what was on record stays on record.

    Example: `hegui evidence end proof_0123456789abcdef --reason "replaced by edition 2"`
    """
    from hegui.evidence import signed

    with ready(config) as archive:
        signed.end(archive, proof, reason, author)
    tell(N_("✓ {proof} counts no more."), proof=proof)


@app.command()
def review(
    duty: Duty,
    *,
    reviewer: Annotated[str, typer.Option(help="Who looked into it, by name or office.")],
    capacity: Annotated[
        Literal["counsel", "internal"], typer.Option(help="As counsel, or inside the firm.")
    ],
    finding: Annotated[str, typer.Option(help="What was found: how the open reading is taken.")],
    valid_until: LastDay,
    author: Author = "operator",
    config: Config = None,
) -> None:
    """Put on record what a named person found about a reading that is open, or a row nobody read.

    Until then such a duty is never shown as met. The question and the cautious default stand in
    `hegui law show`.

    Example: `hegui evidence review IM-12 --reviewer "Wang & Partners" --capacity counsel --finding "as the default says" --valid-until 2027-06-30`
    """
    from hegui.evidence import signed

    with ready(config) as archive:
        signed.review(archive, duty, reviewer, capacity, finding, valid_until.date(), author)
    tell(N_("✓ The review of {id} is on record."), id=duty)


@app.command()
def own(
    duty: Duty,
    *,
    owner: Annotated[str, typer.Option(help="Who sees to it from now on, by name or office.")],
    author: Author = "operator",
    config: Config = None,
) -> None:
    """Name who sees to a duty.

    Example: `hegui evidence own IM-15 --owner "Complaints desk"`
    """
    from hegui.evidence import signed

    with ready(config) as archive:
        signed.assign(archive, duty, owner, author)
    tell(N_("✓ {owner} sees to {id}."), owner=owner, id=duty)


@app.command()
def kinds(*, as_json: Json = False) -> None:
    """List the kinds of signed evidence, and the duties that each one serves.

    Example: `hegui evidence kinds`
    """
    from rich.table import Table

    from hegui.cli.output import console, language
    from hegui.law import register

    book = register()
    asked = {
        kind: [duty.id for duty in book if duty.human == kind] for kind in book.vocabulary["human"]
    }
    if as_json:
        tell_json(asked)
        return
    table = Table(box=None, pad_edge=False)
    for title in (N_("Kind"), N_("What it is"), N_("For")):
        table.add_column(say(language(), title), overflow="fold")
    for kind, duties in asked.items():
        table.add_row(kind, book.term("human", kind).say(language()), " ".join(duties))
    console.print(table)
