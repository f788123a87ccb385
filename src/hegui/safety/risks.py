"""The 31 safety risks 安全风险 of appendix A and the minima for a keyword library 关键词库.

Source: TC260-003 (2024) appendix A and 8.1, kept by GB/T 45654-2025; the data, with clause and
confidence, stands in ``risks.yaml``.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
import yaml

from hegui.language import Text


class Rule(msgspec.Struct, frozen=True):
    """One threshold of the standard: its number, where it stands, how sure we are of it (A-D)."""

    id: str
    clause: str
    confidence: str
    minimum: int = 0
    days: int = 0


class Risk(msgspec.Struct, frozen=True):
    """One of the 31 risks. `minimum_keywords` is None where the standard asks for no keywords."""

    key: str
    group: str
    name: Text
    group_name: Text
    operator_only: bool
    minimum_keywords: Rule | None
    also: tuple[str, ...] = ()
    group_also: tuple[str, ...] = ()


class KeywordRules(msgspec.Struct, frozen=True):
    """What the standard asks of the keyword library as a whole (TC260-003 8.1)."""

    source: str
    total: Rule
    cover: Rule
    fresh: Rule
    each: dict[str, Rule]


@cache
def _data() -> dict[str, Any]:
    text = files("hegui.safety").joinpath("risks.yaml").read_text("utf-8")
    data: dict[str, Any] = yaml.safe_load(text)
    return data


@cache
def keyword_rules() -> KeywordRules:
    """Return the minima for the keyword library with clause and confidence."""
    return msgspec.convert(_data()["keywords"], KeywordRules)


@cache
def risks() -> dict[str, Risk]:
    """Return the 31 risks by key, `A.1.a` to `A.5.b`, in the order of the appendix."""
    found = {}
    for group, held in _data()["groups"].items():
        for letter, risk in held["risks"].items():
            key = f"{group}.{letter}"
            found[key] = Risk(
                key=key,
                group=group,
                name=Text(risk["zh"], risk["en"]),
                group_name=Text(**held["name"]),
                operator_only=risk.get("operator_only", False),
                minimum_keywords=keyword_rules().each.get(group),
                also=tuple(risk.get("also", ())),
                group_also=tuple(held["also"]),
            )
    return found
