"""`hegui label`, `verify`, `carry` and `provider-code`, as a person or a script calls them."""

import json
import subprocess
import sys

import jsonschema
import pytest
from typer.testing import CliRunner

from hegui.cli import app
from hegui.cli.label import VERDICTS
from hegui.labels import verify
from hegui.labels.reasons import REASONS
from hegui.language import Problem
from labels.documents import CODE, OTHER
from labels.mutations import FILES

# What has a place laid down by the guides, and no label yet.
MEDIA = [
    "png-picture.png", "jpeg-picture.jpeg", "webp-picture.webp", "gif-picture.gif", "tiff-picture.tiff",
    "avif-picture.avif", "heic-picture.heic", "mp4-film.mp4", "mov-film.mov", "m4a-sound.m4a",
    "matroska-film.mkv", "flv-film.flv", "avi-film.avi", "wav-sound.wav", "flac-sound.flac",
    "ogg-opus.opus", "mp3-sound.mp3", "ooxml-word.docx", "pdf-classic.pdf", "markdown-plain.md",
]  # fmt: skip
SCHEMA = {
    "type": "object",
    "required": ["schema", "files", "counts"],
    "additionalProperties": False,
    "properties": {
        "schema": {"const": "hegui.verify/1"},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "files": {"type": "array", "items": {"oneOf": [
            {"type": "object", "additionalProperties": False, "required": ["file", "error", "message"],
             "properties": {name: {"type": "string"} for name in ("file", "error", "message")}},
            {"type": "object", "additionalProperties": False,
             "required": ["file", "verdict", "format", "reasons", "label", "places"],
             "properties": {
                 "file": {"type": "string"}, "format": {"type": "string"},
                 "verdict": {"enum": sorted(set(VERDICTS) - {"error"})},
                 "label": {"type": "object", "additionalProperties": {"type": "string"}},
                 "places": {"type": "array", "items": {"type": "string"}},
                 "reasons": {"type": "array", "items": {
                     "type": "object", "required": ["code", "detail"],
                     "properties": {"code": {"enum": sorted(REASONS)}, "detail": {"type": "string"}}}},
             }},
        ]}},
    },
}  # fmt: skip


@pytest.fixture
def run(monkeypatch):
    def call(*arguments, language="en"):
        monkeypatch.setenv("HEGUI_LANGUAGE", language)
        return CliRunner().invoke(app, [str(each) for each in arguments])

    return call


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    for number, name in enumerate(MEDIA):
        (made / ("deep" if number % 2 else "") / name).write_bytes(FILES[name])
    return made


def test_a_folder_is_labelled_and_then_verifies(run, folder, tmp_path):
    out = tmp_path / "out"
    labelled = run("label", folder, "--out", out, "--producer", CODE, "--paranoid")
    assert labelled.exit_code == 0, labelled.output
    assert f"{len(MEDIA)} files: compliant {len(MEDIA)}" in labelled.output
    old = sorted(path.relative_to(folder) for path in folder.rglob("*.*"))
    assert sorted(path.relative_to(out) for path in out.rglob("*.*")) == old
    assert run("verify", out).exit_code == 0
    originals = run("verify", folder)
    assert (originals.exit_code, originals.output.count("no label found")) == (1, len(MEDIA) + 1)
    numbers = {verify(path).label.produce_id for path in out.rglob("*.*")}
    assert len(numbers) == len(MEDIA)


def test_json_keeps_to_its_schema_whatever_the_files_are(run, folder):
    (folder / "rubbish.bin").write_bytes(b"\0rubbish")
    (folder / "old.jpeg").write_bytes(FILES["jpeg-exif.jpeg"])
    told = run("verify", folder, "--json", language="zh")
    assert told.exit_code == 1
    body = json.loads(told.output)
    jsonschema.validate(body, SCHEMA)
    assert body["counts"] == {"inconclusive": 1, "noncompliant": 1, "not_found": len(MEDIA)}
    files = folder / "png-picture.png", folder / "rubbish.bin"
    done = run("label", *files, "--producer", CODE, "--produce-id", "n-1", "--json")
    assert done.exit_code == 2
    body = json.loads(done.output)
    jsonschema.validate(body, SCHEMA)
    assert body["counts"] == {"compliant": 1, "error": 1}
    assert body["files"][0]["label"]["ProduceID"] == "n-1"
    assert body["files"][1]["error"] == "labels.format"


def test_a_label_that_is_there_is_told_or_merged(run, folder):
    picture = folder / "png-picture.png"
    assert run("label", picture, "--producer", CODE, "--produce-id", "a").exit_code == 0
    again = run("label", picture, "--producer", OTHER.producer, "--json")
    assert again.exit_code == 2
    assert "already has a label" in json.loads(again.output)["files"][0]["message"]
    merged = run("label", picture, "--producer", OTHER.producer, "--on-existing", "merge")
    assert merged.exit_code == 0
    label = verify(picture).label
    assert (label.producer, label.produce_id, label.propagator) == (CODE, "a", OTHER.producer)


def test_who_answers_for_it_is_asked_or_taken_from_the_settings(run, folder, tmp_path):
    config = tmp_path / "hegui.toml"
    config.write_text("")
    picture = folder / "png-picture.png"
    asked = run("label", picture, "--config", config)
    assert isinstance(asked.exception, Problem)
    assert asked.exception.code == "labels.who"
    assert asked.exception.say("zh")
    config.write_text(f'[service]\nproducer_code = "{CODE}"\n')
    assert run("label", picture, "--config", config).exit_code == 0
    assert verify(picture).label.producer == CODE


def test_carry_puts_a_label_back(run, folder):
    film, copy = folder / "mp4-labelled.mp4", folder / "copy.webp"
    film.write_bytes(FILES["mp4-labelled-film.mp4"])
    copy.write_bytes(FILES["webp-picture.webp"])
    done = run("carry", film, copy)
    assert done.exit_code == 0
    assert "number-2" in done.output
    assert verify(copy).label == OTHER
    lost = run("carry", folder / "png-picture.png", copy)
    assert lost.exception.code == "labels.nothing"


def test_provider_codes_are_checked_and_built(run):
    assert run("provider-code", "check", CODE).exit_code == 0
    assert run("provider-code", "check", CODE[:-1]).exception.code == "labels.producer"
    built = run("provider-code", "build", CODE[4:22], "--service", "generation", "--model", "A001")
    assert built.output.strip() == f"0011{CODE[4:22]}1A001"
    assert run("provider-code", "build", "1").exception.code == "labels.credit-code"


@pytest.mark.parametrize(
    "arguments",
    [["provider-code", "check", "x"], ["carry", "none.png", "none.png"], ["verify", "none.png"],
     ["carry", "a.png", "/proc/self/mem"]],
)  # fmt: skip
def test_a_mistake_is_a_sentence_and_never_a_traceback(tmp_path, arguments):
    (tmp_path / "a.png").write_bytes(FILES["png-labelled-picture.png"])
    for language in ("en", "zh"):
        done = subprocess.run(
            [sys.executable, "-c", "from hegui.cli import main; main()", *arguments],
            capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False,
            env={"HEGUI_LANGUAGE": language, "PYTHONPATH": ":".join(sys.path)},
        )  # fmt: skip
        assert done.returncode == 2
        assert "Traceback" not in done.stderr
        assert done.stderr.startswith("✗ ")


def test_help_loads_nothing_but_the_command_line():
    heavy = [
        "pygments",
        "markdown_it",
        "yaml",
        "sqlalchemy",
        "cryptography",
        "hegui.labels",
        "rich.console",
    ]
    told = f"import sys, hegui.cli; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
