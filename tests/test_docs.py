"""What exists is documented, and what the documents point to exists."""

import importlib
import re
from pathlib import Path

import pytest
import typer.main

from hegui.cli import app

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)
TEXT = "\n".join(page.read_text() for page in PAGES)
LINK = re.compile(r"\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
ROUTE_MODULES = ["hegui.web.routes", "hegui.gateway.app"]


def commands(command, path=("hegui",)) -> list[str]:
    """The full names of the commands below `command`; a group that only holds others is none."""
    inner = getattr(command, "commands", None)
    if inner is None:
        return [" ".join(path)]
    return [name for each in inner.values() for name in commands(each, (*path, each.name))]


def mentions(name: str, text: str) -> bool:
    """Is `name` in the text as a whole: `hegui law` is not said by `hegui lawful`?"""
    return re.search(rf"(?<![\w./-]){re.escape(name)}(?![\w-])", text) is not None


def missing_links(page: Path) -> list[str]:
    text = FENCE.sub("", page.read_text())
    targets = [target for target in LINK.findall(text) if not re.match(r"[a-z]+:|#", target)]
    return [t for t in targets if not (page.parent / t.partition("#")[0]).exists()]


@pytest.mark.parametrize("command", commands(typer.main.get_command(app)))
def test_every_command_is_documented(command):
    assert mentions(command, TEXT), f"no page names `{command}`"


def test_every_setting_is_documented():
    settings = pytest.importorskip("hegui.settings")
    names = settings.documented()
    assert names
    assert [name for name in names if not mentions(name, TEXT)] == []


@pytest.mark.parametrize("module", ROUTE_MODULES)
def test_every_route_is_documented(module):
    pytest.importorskip(module)
    paths = {route.path for route in importlib.import_module(module).ROUTES}
    assert paths
    assert {path for path in paths if f"`{path}`" not in TEXT} == set()


@pytest.mark.parametrize("module", ROUTE_MODULES)
def test_every_route_says_whom_it_serves(module):
    pytest.importorskip(module)
    routes = importlib.import_module(module).ROUTES
    assert [route.path for route in routes if not route.methods or not route.role] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    assert missing_links(page) == []


def test_a_dead_link_is_seen(tmp_path):
    (tmp_path / "page.md").write_text(
        "[a](page.md#part) [b](https://example.org) [c](gone.md)\n```\n[d](code.md)\n```\n"
    )
    assert missing_links(tmp_path / "page.md") == ["gone.md"]


def test_a_part_of_a_name_is_no_mention():
    assert mentions("hegui law list", "run `hegui law list --json`")
    assert not mentions("hegui law", "a hegui lawful or hegui law-list")
