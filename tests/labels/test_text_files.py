import pytest
import yaml

from hegui.labels import verify, write, write_beside, write_bytes
from hegui.labels.carriers.comments import LARGEST
from hegui.language import Problem
from labels.documents import LABEL, OTHER, SECURITY, cycle, hammer, media

PLAIN = "# 标题\n\ntext --- text\n---\nmore\n".encode()
FRONT = b"---\ntitle: 'it''s'   # why\ntags: [a, b]\nlist:\n  - &x 1\n  - *x\n\n---\n" + PLAIN
BOM = b"\xef\xbb\xbf"


def front(data: bytes):
    return yaml.safe_load(data.removeprefix(BOM).decode().split("---")[1])


@pytest.mark.parametrize("before", [b"", BOM], ids=["plain", "mark"])
@pytest.mark.parametrize("line", [b"\n", b"\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize(
    "text", [PLAIN, FRONT, b"---\n---\n", b"", b"one line", b"---\n# said\n---\nx"]
)
def test_markdown_takes_the_label_as_its_first_key(text, line, before):
    data = before + text.replace(b"\n", line)
    new = cycle(data, "a.md")
    assert new.startswith(before + b"---" + (line if line in data else b"\n") + b"AIGC:")
    assert front(new)["AIGC"] == LABEL.fields()
    assert new.endswith(data.removeprefix(before).removeprefix(b"---" + line))
    assert verify(new).verdict == "compliant"  # known without its name, too


@pytest.mark.parametrize("quote", ["'", '"'])
def test_front_matter_of_others_is_read(quote):
    fields = "".join(f"  {key}: {quote}{value}{quote}\n" for key, value in LABEL.fields().items())
    data = f"---\ntitle: a\nAIGC:\n{fields}author: b\n---\ntext".encode()
    assert (verify(data).verdict, verify(data).label) == ("compliant", LABEL)
    new = write_bytes(data, SECURITY, on_existing="replace")
    assert front(new) == {"AIGC": SECURITY.fields(), "title": "a", "author": "b"}
    flow = f"---\nAIGC: {LABEL.json()}\n---\n".encode()
    assert verify(flow).label == LABEL
    assert verify(f"---\nAIGC: '{LABEL.json()}'\n---\n".encode()).label == LABEL


@pytest.mark.parametrize(
    ("block", "code"),
    [
        (b"AIGC:\n  Label: 1\n  ContentProducer: 'a'\n  ProduceID: 'b'", "type"),
        (b"AIGC:\n  Label: 'AIGC'\n  ContentProducer: 'a b'\n  ProduceID: 'b'", "charset"),
        (b"AIGC:\n  - a", "syntax"),
        (b"AIGC:\n  a: {b: c}", "syntax"),
        (b"AIGC: &a\n  a: *a", "syntax"),
        (b"AIGC: 'unclosed", "syntax"),
        (b"AIGC:\n  Label: " + b"9" * 5000, "syntax"),
        (b"AIGC:\n  Label: 2024-99-99", "syntax"),
        (b"AIGC:", "wiped"),
        (b"AIGC:\n" + b" a: 'b'\n" * 9000, "over_limit"),
        (b"AIGC: {Label: '1'}\nAIGC: {Label: '2'}", "disagreement"),
    ],
)
def test_what_is_wrong_with_front_matter_is_said(block, code):
    report = verify(b"---\n" + block + b"\n---\n", "a.md")
    assert report.verdict in {"noncompliant", "inconclusive"}
    assert code in report.codes(), report


@pytest.mark.parametrize(
    "text",
    [
        f"<!-- AIGC: {LABEL.json()} -->\ntext",
        f'text\n<!--{{"AIGC": {LABEL.json()}}}-->',
        f"text\n\nAIGC: {LABEL.json()}\n",
        "text\n---\nAIGC:\n"
        + "".join(f'  {k}: "{v}"\n' for k, v in LABEL.fields().items())
        + "---\n",
    ],
)
def test_labels_in_comments_and_at_the_end_are_met_and_make_way(text):
    data = text.encode()
    report = verify(data, "a.md")
    assert (report.verdict, report.codes(), report.label) == ("noncompliant", {"wrong_slot"}, LABEL)
    new = write_bytes(data, OTHER, on_existing="replace", name="a.md")
    assert verify(new).verdict == "compliant"
    assert b"number-1" not in new
    assert new.count(b"text") == 1
    assert media(new, "a.md") == media(data, "a.md")


@pytest.mark.parametrize(
    "text",
    [
        b"+++\ntitle = 1\n+++\n",
        b"---\n- a\n---\n",
        b"---\n{a: b}\n---\n",
        b"---\na: 'b\n---\n",
        b"---\na\n",
    ],
)
def test_front_matter_that_is_no_mapping_is_left_alone(text):
    with pytest.raises(Problem) as caught:
        write_bytes(text, LABEL, name="a.md")
    assert caught.value.code == "labels.front-matter"


HTML = b"""<!DOCTYPE html>
<html lang="zh"><head data-x='>'><script charset="x">if (a < b) "<meta name=AIGC>"</script>
<META charset=utf-8><title>a</title></head><body>text<meta name="x"></body></html>"""


@pytest.mark.parametrize(
    "text",
    [
        HTML,
        b"<html><body>a",
        b"<p>no head",
        b"",
        b'<?xml version="1.0"?>\n<html xmlns="a"><head/></html>',
    ],
)
def test_html_takes_a_meta_element_by_our_own_convention(text):
    new = cycle(text, "a.html", "inconclusive")
    assert verify(new, "a.html").codes() == {"own_convention"}
    from html.parser import HTMLParser

    seen = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            if tag == "meta" and dict(attrs).get("name") == "AIGC":
                seen.append(dict(attrs)["content"])

    Reader().feed(new.decode())
    assert seen == [LABEL.json()]


def test_a_page_keeps_its_encoding_in_front():
    new = write_bytes(HTML, LABEL)
    assert b'<META charset=utf-8><meta name="AIGC"' in new


def test_a_page_s_comment_is_met_and_makes_way():
    data = HTML + b'\n<!-- AIGC: {"AIGC":' + LABEL.json().encode() + b"} -->"
    report = verify(data)
    assert (report.codes(), report.label) == ({"wrong_slot"}, LABEL)
    new = write_bytes(data, OTHER, on_existing="replace")
    assert (verify(new).label, verify(new).codes()) == (OTHER, {"own_convention"})
    assert media(new) == media(data)


def test_a_comment_in_an_attribute_is_no_second_place():
    inside = LABEL.json().replace('"', "&quot;")
    data = b'<html><meta name="AIGC" content="' + inside.encode() + b"<!-- " + b'">' + b"<p>-->"
    assert len(verify(data).sites) == 1
    data = b"<html><meta name=AIGC content='<!--" + LABEL.json().encode() + b"-->'>"
    assert verify(write_bytes(data, OTHER, on_existing="replace")).label == OTHER


@pytest.mark.parametrize("name", ["a.md", "a.html"])
def test_a_text_too_long_to_be_read_is_not_called_unlabelled(name):
    data = b"a" * (LARGEST + 1)
    assert (verify(data, name).verdict, verify(data, name).codes()) == (
        "inconclusive",
        {"over_limit"},
    )
    with pytest.raises(Problem) as caught:
        write_bytes(data, LABEL, name=name)
    assert caught.value.code == "labels.unreadable"


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        b"<",
        b"<a ",
        b"<a '",
        b"<!--",
        b"<!-- AIGC {",
        b"<script>",
        b"<!---->",
        b"AIGC:\n \n",
        b'"',
        b"<a b=\"'",
    ],
)
@pytest.mark.parametrize("name", ["a.md", "a.html"])
def test_no_repetition_takes_long(piece, name):
    for head in (b"", b"---\n", b"<html><head>"):
        data = head + piece * (1_000_000 // len(piece))
        assert verify(data, name).verdict in {"not_found", "inconclusive", "noncompliant"}


def test_broken_texts_are_reported():
    hammer(write_bytes(FRONT, LABEL, name="a.md"), "a.md")
    hammer(write_bytes(HTML, LABEL), "a.html")
    hammer(PLAIN + b"<!-- AIGC: " + LABEL.json().encode() + b" -->", "a.md")


def test_binary_under_the_name_of_a_text_is_not_taken_for_one():
    for name in ("a.md", "a.html", "a.txt"):
        assert verify(b"\0\1\2", name).codes() == {"unknown_format"}


def test_plain_text_has_its_label_beside_it(tmp_path):
    text = tmp_path / "a.txt"
    text.write_bytes(PLAIN)
    assert (verify(text).verdict, verify(text).codes()) == ("not_found", {"missing"})
    with pytest.raises(Problem) as caught:
        write(text, LABEL)
    assert caught.value.code == "labels.beside"
    write_beside(text, LABEL)
    report = verify(text)
    assert (report.verdict, report.codes(), report.label) == (
        "inconclusive",
        {"own_convention"},
        LABEL,
    )
    assert (tmp_path / "a.txt.aigc.json").read_text() == f'{{"AIGC":{LABEL.json()}}}\n'
    with pytest.raises(Problem) as caught:
        write_beside(text, OTHER)
    assert caught.value.code == "labels.existing"
    write_beside(text, OTHER, on_existing="merge")
    assert verify(text).fields["PropagateID"] == OTHER.propagate_id
    assert text.read_bytes() == PLAIN
    assert verify(PLAIN, "a.txt").codes() == {"no_slot", "missing"}
    with pytest.raises(FileNotFoundError):
        write_beside(tmp_path / "b.txt", LABEL)


@pytest.mark.parametrize(
    ("content", "code"), [("{", "syntax"), ("x" * 20_000, "over_limit"), ("{}", "missing_field")]
)
def test_a_broken_file_beside_is_reported(tmp_path, content, code):
    text = tmp_path / "a.txt"
    text.touch()
    (tmp_path / "a.txt.aigc.json").write_text(content)
    assert code in verify(text).codes()


def test_a_folder_beside_is_no_label(tmp_path):
    text = tmp_path / "a.txt"
    text.touch()
    (tmp_path / "a.txt.aigc.json").mkdir()
    assert verify(text).verdict == "inconclusive"
