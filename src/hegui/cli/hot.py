"""`hegui policy hot`: terms that act on all running services within a second."""

from datetime import datetime
from typing import Annotated, Final, Literal

import typer

from hegui.cli.archive import Config, Json, ready, tell, tell_json
from hegui.language import N_, say

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Hot terms: they act on all running services within a second.",
)

_SHORT: Final = 12  # digits of a version that people read

Author = Annotated[str, typer.Option(help="Who does it: a staff id, as the ledger will name it.")]


@app.command("add")
def add(
    term: Annotated[str, typer.Argument(help="The term, 2 to 64 letters.")],
    *,
    category: Annotated[str, typer.Option(help="The risk, A.1.a … A.5.b.")],
    action: Annotated[
        Literal["pass", "mask", "withhold", "refuse"] | None,
        typer.Option(help="Without it, as the policy says for the risk."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The last day, in Beijing, on which it acts."),
    ] = None,
    author: Author = "operator",
    config: Config = None,
) -> None:
    """Let a term act at once, on all running services; it stays in every later policy until it ends.

    With *pass*, a term of the lexicon that does harm is let go: give its risk, and its own spelling.

    Example: `hegui policy hot add zorblefax --category A.1.h --until 2026-12-31`
    """
    from hegui.policy import Policies
    from hegui.policy.body import Hot

    day = until.date() if until else None
    with ready(config) as archive:
        wanted = Hot(term=term, category=category, action=action, until=day)
        version = Policies(archive).add_hot(wanted, author)
    tell(N_("✓ “{term}” acts now (policy {version})."), term=term, version=version[:_SHORT])


@app.command("list")
def list_(*, as_json: Json = False, config: Config = None) -> None:
    """Show the hot terms that act now.

    Example: `hegui policy hot list`
    """
    from rich.markup import escape
    from rich.table import Table

    from hegui.cli.output import console, language
    from hegui.policy import Policies

    with ready(config) as archive:
        terms = Policies(archive).live().acting
    if as_json:
        tell_json(terms)
    elif not terms:
        tell(N_("No hot term acts now."))
    else:
        table = Table()
        for title in (N_("Term"), N_("Risk"), N_("Action"), N_("Until")):
            table.add_column(say(language(), title))
        for each in terms:
            day = each.until.isoformat() if each.until else ""
            table.add_row(escape(each.term), each.category, each.action or "", day)
        console.print(table)


@app.command("remove")
def remove(
    term: Annotated[str, typer.Argument(help="The term, as `hegui policy hot list` shows it.")],
    *,
    author: Author = "operator",
    config: Config = None,
) -> None:
    """End a hot term at once, on all running services.

    Example: `hegui policy hot remove zorblefax`
    """
    from hegui.policy import Policies

    with ready(config) as archive:
        version = Policies(archive).remove_hot(term, author)
    tell(N_("✓ “{term}” has ended (policy {version})."), term=term, version=version[:_SHORT])
