"""The JSON Schema of the register's YAML files; `python -m hegui.law.schema` writes it anew."""

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
    return head | msgspec.json.schema(Tables)


if __name__ == "__main__":
    text = json.dumps(schema(), indent=2, ensure_ascii=False)
    (FOLDER / "schema.json").write_text(text + "\n", "utf-8")
