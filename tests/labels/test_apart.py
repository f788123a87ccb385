import os
import sys
import tempfile
import time

import pytest

from hegui.labels import Label, classify, write_bytes
from hegui.labels.apart import classify_apart, run
from recordings import LABEL, OTHER

CONFINED = "from hegui.labels.apart import confine; import os, sys, time; confine(); "
TEXT = b"---\ntitle: kept\n---\nwords\n"


@pytest.fixture(name="file")
def file_fixture():
    """A file as an upload comes: in memory until somebody asks for its number."""
    with tempfile.SpooledTemporaryFile() as file:
        yield file


def answer(code: str, file, seconds: float = 30) -> bytes:
    return run((sys.executable, "-c", CONFINED + code), file, seconds)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("label", [LABEL, OTHER, Label.new("someone", label="2")])
def test_it_says_what_classify_says(file, label):
    data = write_bytes(TEXT, label, name="a.md")
    file.write(data)
    here, apart = classify(data, name="a.md"), classify_apart(file, "some name.md")
    assert (apart.grade, apart.article, apart.notice) == (here.grade, here.article, here.notice)
    assert apart.report.verdict == here.report.verdict == "compliant"
    assert apart.report.fields == label.fields()
    assert [site.place for site in apart.report.sites] == [site.place for site in here.report.sites]


@pytest.mark.parametrize("name", ["", "读我.文件", "a.\0b", "-h", "." * 300, "\ud800.x y"])
def test_any_name_will_do(file, name):
    file.write(b"\0\1\2\3")
    assert classify_apart(file, name).report.codes() == {"unknown_format"}


def test_one_that_hangs_is_killed(file, tmp_path):
    note = tmp_path / "note"
    code = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    before = time.monotonic()
    assert run((sys.executable, "-c", code), file, 3) == b""
    assert time.monotonic() - before < 30
    assert not is_alive(int(note.read_text()))


def test_an_answer_that_comes_too_late_is_none(file):
    file.write(TEXT)
    assert classify_apart(file, "a.md", 0.001).report.codes() == {"over_limit"}


def test_one_that_eats_memory_dies(file):
    assert answer("print(len(bytearray(64 << 20)))", file) == b"67108864\n"
    assert answer("print(len(bytearray(600 << 20)))", file) == b""


def test_one_that_never_stops_working_dies_before_its_time(file):
    code = "import resource; resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\nwhile True: pass"
    assert answer(code, file, 60) == b""
    assert (
        answer("import resource; print(resource.getrlimit(resource.RLIMIT_CPU))", file)
        == b"(8, 8)\n"
    )


def test_it_writes_no_file_and_sees_no_keys(file, tmp_path, monkeypatch):
    monkeypatch.setenv("HEGUI_SECRET", "x")
    assert answer(f"open({str(tmp_path / 'a')!r}, 'w').write('a')", file) == b""
    assert not any(each.stat().st_size for each in tmp_path.iterdir())
    assert answer("print('HEGUI_SECRET' in os.environ)", file) == b"False\n"


def test_what_fails_says_nothing(file):
    assert answer("print('half', flush=True); 1 / 0", file) == b""


def test_a_thousand_reasons_are_cut_short(file):
    fields = ",".join(f'"x{number}":"1"' for number in range(200))
    file.write(b"---\nAIGC: '{" + fields.encode() + b"}'\n---\n")
    report = classify_apart(file, "a.md").report
    assert report.verdict == "noncompliant"
    assert len(report.reasons) == 20
