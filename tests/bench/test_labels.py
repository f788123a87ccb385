import shutil

import pytest

from bench import label_tables, labels, samples
from bench.exiftool import ExifTool
from bench.pages import DOCS, got, put
from hegui.labels import verify, write
from hegui.labels.carriers import CARRIERS
from hegui.labels.reasons import REASONS


@pytest.mark.parametrize(("page", "language"), [("labels.md", "en"), ("labels.zh.md", "zh")])
def test_the_table_of_places_is_what_the_carriers_say(page, language):
    table = label_tables.slots(language)
    assert got(DOCS / page, "slots") == table
    assert len(table.splitlines()) == 2 + len(CARRIERS)


def test_the_table_of_reasons_is_what_the_code_says():
    table = label_tables.reasons()
    assert got(DOCS / "labels.md", "reasons") == table
    assert all(f"`{code}`" in table for code in REASONS)


def test_the_page_shows_every_measured_table():
    for name in ("interop", "survival", "speed"):
        assert got(DOCS / "labels.md", name).count("\n|") > 3, name


def test_a_table_goes_between_its_marks_and_nothing_else_changes(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- x:begin (made so) -->\nold\n<!-- x:end -->\nb\n")
    put(page, "x", "new")
    put(page, "x", "newer")
    assert page.read_text() == "a\n<!-- x:begin (made so) -->\nnewer\n<!-- x:end -->\nb\n"
    assert got(page, "x") == "newer"
    with pytest.raises(ValueError, match="no marks for y"):
        put(page, "y", "new")


def test_a_program_that_drops_the_label_is_seen_and_carry_puts_it_back(tmp_path):
    old, kept, lost = tmp_path / "a.md", tmp_path / "kept.md", tmp_path / "lost.md"
    old.write_text(samples.MARKDOWN)
    write(old, label_tables.LABEL)
    assert label_tables._outlived(old, kept, shutil.copyfile) == ("kept", "present")

    def drop(_, new):
        new.write_text(samples.MARKDOWN)

    assert label_tables._outlived(old, lost, drop) == ("lost", "present")


def test_a_reader_sees_the_number_or_does_not_or_cannot_open_the_file(tmp_path):
    file = tmp_path / "a.md"
    file.write_text(samples.MARKDOWN)
    write(file, label_tables.LABEL)

    def fails(_):
        raise ValueError("no picture")

    assert label_tables._sees(lambda path: path.read_text(), file) == "yes"
    assert label_tables._sees(lambda _: "nothing", file) == "no"
    assert label_tables._sees(fails, file) == "-"


def test_targets_are_met_or_missed_by_what_was_measured():
    tools = {labels.COPY: 0.002, labels.WRITE: 0.0049, labels.VERIFY: 0.001}
    peers = {labels.EXIFTOOL: 0.0147, labels.FFMPEG: 0.1}
    cases = (labels.JPEG, labels.PNG, labels.LAST, labels.FIRST)
    found = labels.targets(dict.fromkeys(cases, tools | peers), 299.0, 5_000.0)
    met = {(each.case, each.promise): each.met for each in found}
    assert met[labels.JPEG, "write ≤ 1.5 × copy + 2 ms"]
    assert not met[labels.LAST, "write ≤ 2 × copy"]
    assert met[labels.JPEG, f"write ≥ 3 × faster than {labels.EXIFTOOL}"]
    assert not met[labels.PNG, f"write ≥ 100 × faster than {labels.EXIFTOOL}"]
    assert met[labels.FIRST, f"write ≥ 5 × faster than {labels.FFMPEG}"]
    assert not met["1,000 small JPEG", "write ≥ 300 files/s on one core"]
    assert "| missed |" in labels.promised(found)


@pytest.mark.skipif(not shutil.which("exiftool"), reason="no ExifTool here")
@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="no ffmpeg here")
def test_exiftool_writes_what_we_read(tmp_path):
    old, new = tmp_path / "a.png", tmp_path / "b.png"
    samples.ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:d=1", "-frames:v", "1", str(old))
    with ExifTool() as process:
        process.write(old, new, "XMP-TC260:AIGC", labels.VALUE)
        with pytest.raises(RuntimeError, match="ExifTool"):
            process.write(tmp_path / "none.png", tmp_path / "c.png", "XMP-TC260:AIGC", "x")
    assert verify(new).label == labels.LABEL
