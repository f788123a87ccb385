"""Where the long runs of `make soak` put their figures: one row each in docs/soak.md."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "soak.md"


def publish(run: str, result: str) -> None:
    """Write the row of `run`, in place of its last one."""
    day = datetime.now(UTC).strftime("%Y-%m-%d")
    where = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    row = f"| {run} | {result} | {day}, {where} |"
    page = PAGE.read_text()
    same = re.compile(rf"^\| {re.escape(run)} \|.*$", re.MULTILINE)
    page = same.sub(lambda _: row, page) if same.search(page) else f"{page.rstrip()}\n{row}\n"
    PAGE.write_text(page)
