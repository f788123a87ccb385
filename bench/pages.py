"""Tables in the documentation that a command makes: each stands between two marks of its own."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"


def put(page: Path, name: str, text: str) -> None:
    """Put `text` between the marks of `name`; raises ValueError for a page without them."""
    before, mark, rest = page.read_text("utf-8").partition(f"<!-- {name}:begin")
    head, arrow, rest = rest.partition("-->")
    _, end, after = rest.partition(f"<!-- {name}:end -->")
    if not (mark and arrow and end):
        raise ValueError(f"{page} has no marks for {name}")
    page.write_text(f"{before}{mark}{head}{arrow}\n{text}\n{end}{after}", "utf-8")


def got(page: Path, name: str) -> str:
    """What stands between the marks of `name`."""
    rest = page.read_text("utf-8").partition(f"<!-- {name}:begin")[2].partition("-->")[2]
    return rest.partition(f"<!-- {name}:end -->")[0].strip("\n")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; a bar in a cell is escaped."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines
    )
