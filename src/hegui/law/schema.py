"""The JSON Schema of the register's YAML files; `python -m hegui.law.schema` writes it anew."""

import inspect
import json
from typing import Any

import msgspec

from hegui.law.load import FOLDER
from hegui.law.model import Tables


def schema() -> dict[str, Any]:
    """Derive the schema from the model, so that an editor checks what the loader will accept."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A file of the hegui register of duties",
    }
    found: dict[str, Any] = head | msgspec.json.schema(Tables)
    for part in found["$defs"].values():
        # From Python 3.13 on the compiler strips a docstring's indent; before, it does not.
        if "description" in part:
            part["description"] = inspect.cleandoc(part["description"])
    return found


if __name__ == "__main__":
    text = json.dumps(schema(), indent=2, ensure_ascii=False)
    (FOLDER / "schema.json").write_text(text + "\n", "utf-8")
