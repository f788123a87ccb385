"""The command line. Each group of commands is a file; heavy imports wait until a command runs."""

import sys
from collections.abc import Callable

import typer

from hegui.cli import (
    db,
    due,
    evidence,
    keys,
    label,
    law,
    ledger,
    lexicon,
    master,
    policy,
    service,
    status,
)  # fmt: skip
from hegui.language import Problem

app = typer.Typer(
    name="hegui",
    help="Run a generative-AI service the way China's Interim Measures require, and prove it.",
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: with boxes it takes twice as long to load
    pretty_exceptions_enable=False,
)
_COMMANDS: tuple[Callable[..., None], ...] = (
    service.init, service.check, service.serve, service.tick, status.status,
    label.label, label.verify, label.carry,
)  # fmt: skip
for command in _COMMANDS:
    app.command()(command)
for name, group in (
    ("keys", keys.app),
    ("ledger", ledger.app),
    ("db", db.app),
    ("due", due.app),
    ("master", master.app),
    ("law", law.app),
    ("evidence", evidence.app),
    ("lexicon", lexicon.app),
    ("policy", policy.app),
    ("provider-code", label.codes),
):
    app.add_typer(group, name=name)


def main() -> None:
    """Run the command line; a `Problem` becomes one clear sentence and exit code 2."""
    try:
        app()
    except Problem as problem:
        from hegui.cli.output import fail

        sys.exit(fail(problem))
