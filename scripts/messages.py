"""Bring the catalogue of Chinese messages up to date with the code: extract, keep, compile.

    .venv/bin/python scripts/messages.py [LIST ...]

Every translation whose English still stands in the code is kept, the others are dropped. A LIST is
a text file of new or better translations, one a line: ``English = Chinese``; lines that are none
are passed over. What is still without Chinese is printed, and the command then fails.
"""

import io
import sys
from pathlib import Path
from typing import Final

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "src/hegui"
CATALOGUE: Final = SOURCE / "locale/zh_Hans/LC_MESSAGES/hegui.po"
METHODS: Final = [("**.py", "python"), ("web/templates/**.html", "jinja2")]
# The catalogue's message is the second argument of these two; the first is a language or a code.
KEYWORDS: Final = {
    "_": None,
    "gettext": None,
    "N_": None,
    "say": (2,),
    "Problem": (2,),
    "Missing": (2,),
}
OPTIONS: Final = {"**.html": {"newstyle_gettext": "true", "trimmed": "true", "silent": "false"}}


def extracted() -> dict[str, list[str]]:
    """Every message in the code, with the files it stands in."""
    found: dict[str, list[str]] = {}
    rows = extract_from_dir(SOURCE, METHODS, OPTIONS, KEYWORDS)  # type: ignore[arg-type]
    for name, _, message, *_ in sorted(rows, key=lambda row: row[:2]):
        if not isinstance(message, str):
            raise SystemExit(f"{name}: {message} has a plural, which Chinese does not need")
        if message and name not in found.setdefault(message, []):
            found[message].append(name)
    return found


def read(path: Path = CATALOGUE) -> Catalog:
    return read_po(io.StringIO(path.read_text("utf-8"))) if path.exists() else Catalog()


def listed(text: str, wanted: dict[str, list[str]]) -> dict[str, str]:
    """The translations in a list. The English may itself hold " = ", so every split is tried."""
    found = {}
    for line in text.splitlines():
        parts = line.split(" = ")
        for cut in range(1, len(parts)):
            english = " = ".join(parts[:cut])
            if english not in wanted:  # one that begins or ends with a space stands as it is
                english = english.strip()
            if english in wanted:
                found[english] = " = ".join(parts[cut:]).strip()
    return found


def merged(messages: dict[str, list[str]], old: Catalog, new: dict[str, str]) -> Catalog:
    """The catalogue of `messages`. It is dated like `old`, or every run would change the file."""
    catalogue = Catalog(
        locale="zh_Hans",
        project="hegui",
        version="0",
        header_comment="# Chinese (Simplified) messages of hegui.",
        creation_date=old.creation_date,
        revision_date=old.creation_date,
        last_translator="hegui",
        language_team="zh_Hans",
        fuzzy=False,
    )
    for message, files in messages.items():
        known = old.get(message)
        string = new.get(message) or (known.string if known else "")
        catalogue.add(message, string, locations=[(name, 1) for name in files])
    return catalogue


def compiled(catalogue: Catalog) -> bytes:
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def main(lists: list[str]) -> int:
    messages = extracted()
    new: dict[str, str] = {}
    for name in lists:
        new |= listed(Path(name).read_text("utf-8"), messages)
    catalogue = merged(messages, read(), new)
    out = io.BytesIO()
    write_po(out, catalogue, width=100, include_lineno=False)
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    CATALOGUE.write_bytes(out.getvalue())
    CATALOGUE.with_suffix(".mo").write_bytes(compiled(read()))
    missing = [message for message in messages if not catalogue[message].string]
    print("\n".join([f"{len(messages)} messages, {len(missing)} without Chinese", *missing]))
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
