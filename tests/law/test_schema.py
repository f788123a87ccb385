import json

import jsonschema
import msgspec
import pytest
import yaml

from hegui.language import Problem
from hegui.law import read
from hegui.law.load import FOLDER
from hegui.law.schema import schema

FILES = sorted(FOLDER.glob("*.yaml"))
SHIPPED = json.loads((FOLDER / "schema.json").read_text("utf-8"))


def plain(text):
    return msgspec.to_builtins(yaml.safe_load(text))


def test_the_shipped_schema_is_the_model_s():
    assert json.loads(json.dumps(schema())) == SHIPPED, "run: python -m hegui.law.schema"
    jsonschema.Draft202012Validator.check_schema(SHIPPED)


def test_a_file_holds_the_rows_of_instruments_or_one_of_the_common_tables():
    common = {"instruments", "sanctions", "vocabulary", "proves", "scope", "decisions"}
    rows = {"provisions", "obligations"}
    assert common < {file.stem for file in FILES}
    for file in FILES:
        tables = set(plain(file.read_text("utf-8")))
        if file.stem not in common:
            assert rows <= tables <= {*rows, "vocabulary"}, file.name
        else:
            of_scope = {"facts", "circumstances", "roles"} if file.stem == "scope" else set()
            assert tables <= {file.stem, "vocabulary", *of_scope}, file.name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_file_keeps_to_the_schema(file):
    jsonschema.validate(plain(file.read_text("utf-8")), SHIPPED)


def cut_short(node):
    """Texts with something beside the two languages: in a flow map an unquoted comma cuts them."""
    if isinstance(node, dict):
        if "zh" in node and node.keys() != {"zh", "en"}:
            yield node
        for value in node.values():
            yield from cut_short(value)
    elif isinstance(node, list):
        for value in node:
            yield from cut_short(value)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_text_is_cut_at_a_comma(file):
    assert list(cut_short(yaml.safe_load("a: [{zh: 甲, en: one, two}]")))
    assert list(cut_short(plain(file.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("verified: T", "verified: Z"),
        ("modality: must", "modality: shall"),
        ("actors: [P]", "actors: [Q]"),
        ("automation: A", "automation: B"),
        ("room: people", "room: cellar"),
        ("controls: [C-AGR]", "controls: [agreement]"),
        ("sanctions: [P-IM21]", "sanctions: [IM-21]"),
        ("id: IM-9.3", "id: nine"),
        ("trigger: {zh: 注册时, en: at registration}", "when: registration"),
        ("duty: {zh: 订立协议, en: agree}", "duty: {zh: 订立协议}"),
    ],
)
def test_schema_and_loader_refuse_the_same_mistakes(tmp_path, right, wrong):
    good = """
obligations:
  - id: IM-9.3
    provisions: [IM-9.3]
    actors: [P]
    modality: must
    facets: [roles]
    duty: {zh: 订立协议, en: agree}
    trigger: {zh: 注册时, en: at registration}
    evidence: {zh: 记录, en: record}
    automation: A
    verified: T
    room: people
    controls: [C-AGR]
    sanctions: [P-IM21]
"""
    file = tmp_path / "rows.yaml"
    file.write_text(good, "utf-8")
    jsonschema.validate(plain(good), SHIPPED)
    assert len(read(tmp_path).obligations) == 1
    assert right in good
    file.write_text(good.replace(right, wrong), "utf-8")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain(good.replace(right, wrong)), SHIPPED)
    with pytest.raises(Problem):
        read(tmp_path)
