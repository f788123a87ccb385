"""What every command shares: the console, the caller's language, and how an error is shown."""

import os

from rich.console import Console

from hegui.language import Problem, choose

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)


def language() -> str:
    """The caller's language: HEGUI_LANGUAGE, else what the shell's locale says, else English."""
    wanted = os.environ.get("HEGUI_LANGUAGE") or os.environ.get("LC_ALL") or os.environ.get("LANG")
    return choose((wanted or "en").replace("_", "-"), default="en")


def fail(problem: Problem) -> int:
    """Print the problem in the caller's language and return the exit code of a bad call."""
    errors.print(f"[bold red]✗[/] {problem.say(language())}", soft_wrap=True)
    return 2
