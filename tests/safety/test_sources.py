import builtins
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest

from hegui.language import Problem
from hegui.safety import sources
from hegui.safety.lexicon import Entry
from hegui.safety.risks import risks
from hegui.safety.sources import gather

SAMPLE = Path(sources.__file__).with_name("sample_lexicon.csv")


def written(tmp_path, text, name="words.csv", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def sheet(tmp_path, *rows, name="words.xlsx"):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(tmp_path / name)
    return tmp_path / name


def test_the_sample_is_sound_and_holds_nothing_for_the_operators_own_risks():
    gathered = gather([SAMPLE])
    assert (len(gathered.entries), gathered.duplicates, gathered.problems) == (24, [], [])
    assert not any(risks()[entry.category].operator_only for entry in gathered.entries)
    assert SAMPLE.read_text("utf-8").startswith("# SAMPLE")


def test_every_column_is_read(tmp_path):
    path = written(
        tmp_path,
        "Term,Category,Action,Source,Added,Expires,Variants\n"
        "zorb,A.2.d,mask,desk,2026-11-23,2027/1/2, 咔噜 | krell\n",
    )
    assert gather([path]).entries == [
        Entry(
            "zorb", "A.2.d", "mask", "desk", date(2026, 11, 23), date(2027, 1, 2), ("咔噜", "krell")
        )
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_filing_attachment_is_understood(tmp_path, encoding, delimiter):
    rows = [
        ["# 附件", "", ""],
        ["关键词", "一级分类", "二级分类"],
        ["咔噜磨砂", "歧视性内容", "地域歧视"],
        ["磨砂瓦", "A.4", "侵犯他人其他合法权益"],
    ]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    path = written(tmp_path, text, encoding=encoding)
    gathered = gather([path])
    assert gathered.problems == []
    assert [(e.term, e.category) for e in gathered.entries] == [
        ("咔噜磨砂", "A.2.d"),
        ("磨砂瓦", "A.4.g"),
    ]


def test_every_risk_can_be_named_by_key_and_by_either_name(tmp_path):
    names = [name for r in risks().values() for name in (r.key, r.name.zh, r.name.en, *r.also)]
    body = "".join(f'term{number},"{name}"\n' for number, name in enumerate(names))
    gathered = gather([written(tmp_path, "term,category\n" + body)])
    assert gathered.problems == []
    assert {entry.category for entry in gathered.entries} == set(risks())


@pytest.mark.parametrize(
    ("row", "code", "column", "says"),
    [
        ("z,A.1.f,,", "lexicon.term-length", "term", "has 1 letters"),
        ("zorb,A.1.f,,,咔", "lexicon.term-length", "variants", "has 1 letters"),
        ("zorb,地域奇视,,", "lexicon.category", "category", "A.2.d 地域歧视内容"),
        ("zorb,A.9.z,,", "lexicon.category", "category", "near ones"),
        ("zorb,,,", "lexicon.category", "category", "names none"),
        ("zorb,A.1.f,shout,", "lexicon.action", "action", "“shout” is no action"),
        ("zorb,A.1.f,,2026-13-01", "lexicon.date", "added", "is no date"),
        ("zorb,A.1.f,,yesterday", "lexicon.date", "added", "is no date"),
    ],
)
def test_a_faulty_row_is_named_with_file_line_and_column(tmp_path, row, code, column, says):
    text = f"term,category,action,added,variants\nkrell,A.1.f,,\n\n{row}\nmivo,A.1.f,,\n"
    gathered = gather([written(tmp_path, text)])
    assert [entry.term for entry in gathered.entries] == ["krell", "mivo"]
    [problem] = gathered.problems
    assert problem.code == code
    assert f"words.csv, line 4, column “{column}”" in str(problem)
    assert says in str(problem)


def test_duplicates_are_reported_and_keep_their_way_of_writing(tmp_path):
    one = written(tmp_path, "term,category\nplonkvaret,A.1.f\n", "one.csv")
    two = written(tmp_path, "term,category\nkrell,A.1.f\nPlonk Varet,A.2.a\n", "two.csv")
    gathered = gather([one, two])
    assert [(d.term, d.place, d.first) for d in gathered.duplicates] == [
        ("Plonk Varet", "two.csv:3", "one.csv:2")
    ]
    assert gathered.entries[0] == Entry("plonkvaret", "A.1.f", variants=("Plonk Varet",))


def test_xlsx_is_read_like_csv(tmp_path):
    path = sheet(
        tmp_path,
        ["关键词", "类别", "添加日期"],
        ["咔噜磨砂", "A.2.d", datetime(2026, 11, 23)],  # noqa: DTZ001 (a cell has no zone)
        [1984, "A.1.g", None],
    )
    assert gather([path]).entries == [
        Entry("咔噜磨砂", "A.2.d", added=date(2026, 11, 23)),
        Entry("1984", "A.1.g"),
    ]


def test_without_the_package_xlsx_says_what_to_install(tmp_path, monkeypatch):
    path = sheet(tmp_path, ["term", "category"])
    real = builtins.__import__

    def absent(name, *rest):
        if name == "openpyxl":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(Problem, match=r"hegui\[xlsx\]"):
        gather([path])


@pytest.mark.parametrize("text", ["", "\n\n", "word;kind\n", "term\nzorb\n", "category\nA.1.f\n"])
def test_a_missing_column_is_a_problem(tmp_path, text):
    with pytest.raises(Problem, match="no column"):
        gather([written(tmp_path, text)])


def archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "empty.xlsx", "w") as made:
        made.writestr("mimetype", "none")
    return tmp_path / "empty.xlsx"


def broken_sheet(tmp_path):
    whole = sheet(tmp_path, ["term", "category"], name="whole.xlsx")
    with zipfile.ZipFile(whole) as given, zipfile.ZipFile(tmp_path / "x.xlsx", "w") as made:
        for name in given.namelist():
            made.writestr(name, b"<x" if "sheet1" in name else given.read(name))
    return tmp_path / "x.xlsx"


@pytest.mark.parametrize(
    "make",
    [
        lambda at: at / "none.csv",
        lambda at: at,
        lambda at: written(at, "not a zip", "a.xlsx"),
        archive,
        broken_sheet,
        lambda at: written(at, "term,category\n" + "z" * 200_000 + ",A.1.f\n"),
        lambda at: written(at, "term,category\n\u00ff\u00ff\n", encoding="latin-1"),
    ],
    ids=["absent", "folder", "no-zip", "no-book", "bad-xml", "huge-cell", "encoding"],
)
def test_an_unreadable_file_is_a_problem(tmp_path, make):
    with pytest.raises(Problem, match="cannot be read"):
        gather([make(tmp_path)])


def test_caps_are_held(tmp_path, monkeypatch):
    path = written(tmp_path, "term,category\n" + "".join(f"zorb{n},A.1.f\n" for n in range(9)))
    monkeypatch.setattr(sources, "MOST_ROWS", 9)
    assert len(gather([path]).entries) == 9
    monkeypatch.setattr(sources, "MOST_ROWS", 8)
    with pytest.raises(Problem, match="larger than a source may be"):
        gather([path])
    monkeypatch.setattr(sources, "MOST_BYTES", 20)
    with pytest.raises(Problem, match="larger than a source may be"):
        gather([path])


def test_a_sheet_that_unpacks_too_far_is_refused(tmp_path, monkeypatch):
    path = sheet(tmp_path, ["term", "category"])
    monkeypatch.setattr(sources, "_MOST_UNPACKED", 100)
    with pytest.raises(Problem, match="larger than a source may be"):
        gather([path])


def test_progress_is_told_of_every_row(tmp_path):
    told = []
    gather([SAMPLE], on_row=lambda: told.append(1))
    assert len(told) == 24
