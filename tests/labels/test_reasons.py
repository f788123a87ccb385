"""Reasons: every code that the readers use is explained, and every code that is explained is used."""

import re
from pathlib import Path

import hegui.labels
from hegui.labels.reasons import REASONS

SOURCE = "\n".join(path.read_text() for path in Path(hegui.labels.__file__).parent.rglob("*.py"))


def test_every_code_is_explained():
    used = set(re.findall(r'(?:ReadError|Defect)\(\s*"([a-z_]+)"', SOURCE))
    assert len(used) > 10
    assert used <= set(REASONS)


def test_no_code_is_explained_that_nobody_uses():
    others = SOURCE.replace(Path(hegui.labels.__file__).with_name("reasons.py").read_text(), "")
    assert {code for code in REASONS if f'"{code}"' not in others} == set()


def test_every_reason_is_said_in_two_languages_with_its_clause():
    for reason in REASONS.values():
        assert re.search("[\u4e00-\u9fff]", reason.text.zh)
        assert reason.text.en.isascii()
        assert reason.clause
        assert reason.confidence in {"H", "M", "L"}
