"""`hegui serve`, `init`, `check` and `tick`: the service's own commands."""

from pathlib import Path
from typing import Annotated

import typer

from hegui.cli.archive import Config, ready, tell
from hegui.language import N_, say

_TEMPLATE = """\
# hegui's settings. docs/configuration.md explains every one; an environment variable such as
# HEGUI_SERVER_PORT overrides the value here.

[service]
name = {name}
operator = {operator}
report_address = {report}

[evidence]
origin = {origin}

[[upstream]]
name = "main"
url = {url}
models = [{model}]
# Where the model runs, and its filing or registration number (Interim Measures, Art. 7).
place = "CN"
base_model = ""
filing = ""
"""

# What is asked, and the answer that --yes takes.
_QUESTIONS = {
    "name": (N_("Name of the service"), "hegui demo"),
    "operator": (N_("Who operates it"), "Unnamed operator"),
    "report": (N_("Address for reports and complaints"), "report@example.org"),
    "origin": (N_("Name of the ledger (a domain of yours and a path)"), "hegui.example/ledger"),
    "url": (N_("Address of the model (OpenAI-compatible; demo: is the stand-in)"), "demo:"),
    "model": (N_("Name of the model"), "hegui-demo"),
}


def init(
    file: Annotated[Path, typer.Option(help="Where to write the settings.")] = Path("hegui.toml"),
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Take the defaults, ask nothing.")] = False,
) -> None:
    """Ask a few questions, write hegui.toml, make keys and databases.

    Example: `hegui init` and then `hegui check`.
    """
    import json

    from hegui.cli.output import language
    from hegui.evidence.archive import Archive
    from hegui.language import Problem
    from hegui.settings import load

    if file.exists():
        raise Problem(
            "init.exists", "{file} is there already: edit it, or name another.", file=file
        )
    answers = {
        key: json.dumps(
            default if yes else typer.prompt(say(language(), text), default=default),
            ensure_ascii=False,
        )
        for key, (text, default) in _QUESTIONS.items()
    }
    file.write_text(_TEMPLATE.format(**answers), "utf-8")
    archive = Archive(load(file))
    archive.prepare()
    archive.close()
    tell(N_("✓ {file} is written; keys and databases are made."), file=file)
    tell(
        N_("Copy {key} to a safe place now: what it seals opens only with it."),
        key=archive.settings.evidence.master_key,
    )


def check(config: Config = None) -> None:
    """Say whether the service is ready, and if not, why. Exit code 1 when it is not.

    Also what the register makes of each upstream: IM-7.1 (lawful base model) and where it runs.
    """
    from hegui.cli.output import console, language
    from hegui.gateway.readiness import findings
    from hegui.settings import load

    found = findings(load(config))
    marks = {"ok": "[green]✓[/]", "warn": "[yellow]![/]", "bad": "[red]✗[/]"}
    for finding in found:
        console.print(f"{marks[finding.level]} {finding.say(language())}", soft_wrap=True)
    raise typer.Exit(int(any(finding.level == "bad" for finding in found)))


def tick(config: Config = None) -> None:
    """Run everything that runs on a clock, once: from cron, every few minutes."""
    from hegui.cli.output import language
    from hegui.tick import tick as run

    with ready(config) as archive:
        for name, count in run(archive).items():
            tell(N_("{count} {what}"), count=count, what=say(language(), name))


def serve(
    config: Config = None,
    port: Annotated[int | None, typer.Option(help="Listen here instead of server.port.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes, instead of server.workers.")
    ] = None,
    *,
    demo: Annotated[
        bool, typer.Option("--demo", help="Make what is missing, with a sample API key.")
    ] = False,
) -> None:
    """Run the service. `--demo` sets everything up on this machine first."""
    from hegui.web.run import run

    run(config, port, workers, demo=demo)
