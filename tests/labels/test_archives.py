import shutil
import struct
import subprocess
import zipfile
import zlib
from io import BytesIO

import pytest

from hegui.labels import verify, write_bytes
from hegui.labels.carriers import zips
from hegui.labels.source import opened
from hegui.language import Problem
from labels.documents import LABEL, OTHER, SECURITY, cycle, hammer, media

CONTENT = "http://schemas.openxmlformats.org/package/2006/content-types"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"
FORMAT = "{D5CDD505-2E9C-101B-9397-08002B2CF9AE}"


def word() -> bytes:
    docx = pytest.importorskip("docx")
    out = BytesIO()
    document = docx.Document()
    document.core_properties.title = "标题"
    document.add_paragraph("text")
    document.save(out)
    return out.getvalue()


def excel() -> bytes:
    """With a property of its own."""
    openpyxl = pytest.importorskip("openpyxl")
    from openpyxl.packaging.custom import IntProperty

    out = BytesIO()
    book = openpyxl.Workbook()
    book.custom_doc_props.append(IntProperty(name="Number", value=7))
    book.save(out)
    return out.getvalue()


def slides() -> bytes:
    pptx = pytest.importorskip("pptx")
    out = BytesIO()
    pptx.Presentation().save(out)
    return out.getvalue()


MAKERS = {"a.docx": word, "a.xlsx": excel, "a.pptx": slides}


def parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: dict[str, bytes | str], **more) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w", more.pop("compression", zipfile.ZIP_DEFLATED)) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.comment = more.get("comment", b"")
    return out.getvalue()


def package(**files: str) -> bytes:
    """The least that is an Office document, and more parts."""
    relation = f'<Relationship Id="rId1" Type="{OFFICE}/relationships/officeDocument" Target="word/document.xml"/>'
    least = {
        "[Content_Types].xml": f'<Types xmlns="{CONTENT}"/>',
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}">{relation}</Relationships>',
        "word/document.xml": "<a/>",
    }
    return packed(least | files)


@pytest.mark.parametrize("name", MAKERS)
def test_office_documents_take_a_custom_property(name):
    data = MAKERS[name]()
    new = cycle(data, name)
    before, after = parts(data), parts(new)
    about = {"[Content_Types].xml", "_rels/.rels", "docProps/custom.xml"}
    assert {n: d for n, d in before.items() if n not in about} == {
        n: d for n, d in after.items() if n not in about
    }
    assert list(before) == [n for n in after if n in before]
    assert verify(new).verdict == "compliant"  # known without its name, too
    again = write_bytes(new, LABEL, on_existing="replace", name=name)
    assert again == new


@pytest.mark.parametrize("name", MAKERS)
def test_the_libraries_and_exiftool_read_it(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(write_bytes(MAKERS[name](), SECURITY, name=name))
    if name == "a.xlsx":
        import openpyxl

        properties = openpyxl.load_workbook(path).custom_doc_props
        assert {each.name: each.value for each in properties.props} == {
            "Number": 7,
            "AIGC": SECURITY.json(),
        }
        saved = BytesIO()
        openpyxl.load_workbook(path).save(saved)
        assert verify(saved.getvalue(), name).label == SECURITY
    else:
        library = pytest.importorskip(name[2:])
        opened_ = library.Document(path) if name == "a.docx" else library.Presentation(path)
        saved = BytesIO()
        opened_.save(saved)
        assert verify(saved.getvalue(), name).label == SECURITY
    if shutil.which("exiftool"):
        told = subprocess.run(
            ["exiftool", "-s3", "-AIGC", path], capture_output=True, text=True, check=True
        )
        needs = subprocess.run(["perl", "-MArchive::Zip", "-e1"], capture_output=True, check=False)
        assert needs.returncode or told.stdout.strip() == SECURITY.json()


def custom(body: str, root: str = "Properties") -> bytes:
    prefix = root.partition(":")[0] if ":" in root else ""
    spaces = f'xmlns{":" + prefix if prefix else ""}="{OFFICE}/custom-properties" xmlns:v="{OFFICE}/docPropsVTypes"'
    text = f"<{root} {spaces}>{body}</{root}>" if body else f"<{root} {spaces}/>"
    return package(**{"docProps/custom.xml": text})


def prop(
    name: str, value: str, pid: int = 2, own: str = "", kind: str = "lpwstr", form: str = FORMAT
) -> str:
    return f'<{own}property fmtid="{form}" pid="{pid}" name="{name}"><v:{kind}>{value}</v:{kind}></{own}property>'


@pytest.mark.parametrize(
    "data",
    [
        custom(""),
        custom(prop("A", "1", 9)),
        custom(prop("A", "1", 9, "p:"), "p:Properties"),
        custom("", "p:Properties"),
    ],
)
def test_properties_that_are_there_stay_and_numbers_are_not_given_twice(data):
    new = cycle(data, "a.docx")
    import xml.etree.ElementTree as ET

    root = ET.fromstring(parts(new)["docProps/custom.xml"])
    pids = [int(each.get("pid")) for each in root]
    assert len(set(pids)) == len(pids)
    assert min(pids) >= 2
    assert {each.tag for each in root} == {f"{{{OFFICE}/custom-properties}}property"}
    types = ET.fromstring(parts(new)["[Content_Types].xml"])
    assert [each.get("PartName") for each in types] == ["/docProps/custom.xml"]
    relations = ET.fromstring(parts(new)["_rels/.rels"])
    assert [each.get("Target") for each in relations] == [
        "word/document.xml",
        "docProps/custom.xml",
    ]
    assert len({each.get("Id") for each in relations}) == 2


JSON = LABEL.json()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (custom(prop("AIGC", JSON) + prop("AIGC", JSON, 3)), "duplicate"),
        (custom(prop("AIGC", JSON) + prop("aigc", OTHER.json(), 3)), "disagreement"),
        (custom(prop("AIGC", JSON, kind="lpstr")), "wrong_slot"),
        (custom(prop("AIGC", JSON, form="{0}")), "wrong_slot"),
        (custom(prop("AIGC", "")), "wiped"),
        (custom(prop("AIGC", "{")), "syntax"),
        (package(**{"customXml/item1.xml": f"<a><AIGC>{JSON}</AIGC></a>"}), "wrong_slot"),
        (package(**{"customXml/item1.xml": f'<AIGC>{{"AIGC":{JSON}}}</AIGC>'}), "wrong_slot"),
        (package(**{"customXml/item1.xml": "<AIGC>" + "".join(f"<{k}>{v}</{k}>" for k, v in LABEL.fields().items()) + "</AIGC>"}), "wrong_slot"),
    ],
)  # fmt: skip
def test_labels_of_others_are_read_and_make_way(data, code):
    report = verify(data, "a.docx")
    assert report.codes() == {code}
    assert report.label in {LABEL, None}
    new = write_bytes(data, OTHER, on_existing="replace", name="a.docx")
    assert (verify(new).verdict, verify(new).label) == ("compliant", OTHER)
    assert media(new) == media(data)


def test_what_cannot_be_labelled_is_refused_with_advice():
    compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    assert verify(compound, "a.docx").codes() == {"encrypted"}
    signed = package(**{"_xmlsignatures/origin.sigs": "<a/>"})
    for data, code in ((compound, "labels.encrypted"), (signed, "labels.signed")):
        with pytest.raises(Problem) as caught:
            write_bytes(data, LABEL, name="a.docx")
        assert caught.value.code == code


def test_macros_stay_as_they_are():
    macros = bytes(range(256)) * 9
    new = cycle(package(**{"word/vbaProject.bin": macros}), "a.docm")
    assert parts(new)["word/vbaProject.bin"] == macros


CONTAINER = (
    '<container xmlns="a"><rootfiles><rootfile full-path="O/b.opf"/></rootfiles></container>'
)
EPUBS = [
    '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata><meta property="a">b</meta></metadata></package>',
    '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" prefix="a: b"><metadata/></package>',
    '<o:package xmlns:o="http://www.idpf.org/2007/opf" version="2.0"><o:metadata/></o:package>',
]


@pytest.mark.parametrize("package_", EPUBS)
def test_epub_takes_a_meta_element_by_our_own_convention(package_):
    data = packed({"mimetype": "application/epub+zip", "META-INF/container.xml": CONTAINER, "O/b.opf": package_, "O/c.xhtml": "<a/>"}, compression=zipfile.ZIP_STORED)  # fmt: skip
    new = cycle(data, "a.epub", "inconclusive")
    assert verify(new).codes() == {"own_convention"}
    assert new[:58] == data[:58]  # the type, first and unpacked
    text = parts(new)["O/b.opf"].decode()
    assert "2.0" in text or 'prefix="TC260: http://www.tc260.org.cn/ns/AIGC/1.0/' in text
    hammer(new, "a.epub", 100)


@pytest.mark.parametrize(
    "more",
    [
        "",
        "<o:CustomDatas/>",
        '<o:CustomDatas><o:CustomData Name="A">b</o:CustomData></o:CustomDatas>',
    ],
)
def test_ofd_takes_custom_data_by_our_own_convention(more):
    body = f'<o:OFD xmlns:o="http://www.ofdspec.org/2016"><o:DocBody><o:DocInfo><o:DocID>1</o:DocID>{more}</o:DocInfo>%s</o:DocBody></o:OFD>'
    data = packed({"OFD.xml": body % "", "Doc_0/Document.xml": "<a/>"})
    new = cycle(data, "a.ofd", "inconclusive")
    assert verify(new).codes() == {"own_convention"}
    hammer(new, "a.ofd", 100)
    with pytest.raises(Problem) as caught:
        write_bytes(packed({"OFD.xml": body % "<o:Signatures>a</o:Signatures>"}), LABEL)
    assert caught.value.code == "labels.signed"


def test_an_archive_keeps_its_comment_and_the_bytes_of_its_parts():
    data = packed(parts(word()), comment=b"said")
    new = write_bytes(data, LABEL, name="a.docx")
    with zipfile.ZipFile(BytesIO(new)) as archive:
        assert archive.comment == b"said"
    assert verify(packed(parts(word()), comment=b"PK\5\6 said"), "a.docx").verdict == "not_found"
    with opened(data) as old, opened(new) as fresh:
        for entry in zips.directory(old).entries:
            if entry.name not in {"[Content_Types].xml", "_rels/.rels"}:
                same = zips.directory(fresh).named(entry.name)
                assert new[same.start : same.end] == data[entry.start : entry.end]


def test_a_stream_written_archive_with_descriptors_and_zip64_fields_is_understood():
    out = BytesIO()
    out.seekable = lambda: False  # as into a socket: sizes follow the data
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in parts(word()).items():
            with archive.open(name, "w", force_zip64=True) as part:
                part.write(data)
    cycle(out.getvalue(), "a.docx")


def far(data: bytes) -> bytes:
    """The same archive with its end in ZIP64 records."""
    at = data.rindex(b"PK\5\6")
    count, size, start = struct.unpack_from("<HII", data, at + 10)
    end = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, start)
    pointer = struct.pack("<4sIQI", b"PK\6\7", 0, at, 1)
    return (
        data[:at]
        + end
        + pointer
        + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )


def test_zip64_is_read_and_written_in_the_classic_form_where_it_fits():
    data = far(word())
    parts(data)
    cycle(data, "a.docx")


def test_zip64_that_does_not_fit_is_refused():
    data = word()
    at = data.rindex(b"PK\1\2")
    named = struct.unpack_from("<H", data, at + 28)[0]
    start = struct.unpack_from("<I", data, at + 42)[0]
    extra = struct.pack("<HHQ", 1, 8, start)
    record = (
        data[at : at + 30]
        + struct.pack("<H", len(extra))
        + data[at + 32 : at + 42]
        + b"\xff" * 4
        + data[at + 46 : at + 46 + named]
        + extra
    )
    end = data.rindex(b"PK\5\6")
    size = struct.unpack_from("<I", data, end + 12)[0] + len(extra)
    data = data[:at] + record + data[end : end + 12] + struct.pack("<I", size) + data[end + 16 :]
    parts(data)
    assert verify(data, "a.docx").verdict == "not_found"
    with pytest.raises(Problem) as caught:
        write_bytes(data, LABEL, name="a.docx")
    assert caught.value.code == "labels.zip64"


def test_a_bomb_is_not_unpacked_whether_its_size_is_told_or_not():
    bomb = packed({**parts(package()), "_rels/.rels": b" " * (64 << 20)})
    assert verify(bomb, "a.docx").codes() == {"over_limit"}
    lying = bytearray(bomb)
    at = bomb.rindex(b"_rels/.rels") - 46
    lying[at + 24 : at + 28] = struct.pack("<I", 100)
    assert verify(bytes(lying), "a.docx").codes() == {"malformed"}


def test_many_parts_are_counted():
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(100):
            archive.writestr(f"customXml/item{number}.xml", "<AIGC/>")
        for name, data in parts(package()).items():
            archive.writestr(name, data)
    assert verify(out.getvalue(), "a.docx").codes() == {"over_limit"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('<!DOCTYPE a [<!ENTITY b "c">]><Properties>&b;</Properties>', "malformed"),
        ("<a>" * 100 + "</a>" * 100, "over_limit"),
        ("<a>" + "<b/>" * 200_000 + "</a>", "over_limit"),
        ("<a", "malformed"),
        ("", "malformed"),
    ],
)
def test_hostile_xml_is_refused(text, code):
    report = verify(package(**{"docProps/custom.xml": text or " "}), "a.docx")
    assert (report.verdict, report.codes()) == ("inconclusive", {code})


def test_wide_xml_is_read():
    wide = (
        '<?xml version="1.0" encoding="utf-16"?>'
        f'<Properties xmlns="{OFFICE}/custom-properties" xmlns:v="{OFFICE}/docPropsVTypes">{prop("AIGC", JSON)}</Properties>'
    ).encode("utf-16")
    data = package(**{"docProps/custom.xml": wide})
    assert verify(data, "a.docx").label == LABEL
    assert verify(write_bytes(data, OTHER, on_existing="replace", name="a.docx")).label == OTHER


@pytest.mark.filterwarnings("ignore:Duplicate")
def test_two_parts_of_one_name_are_no_answer():
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in parts(package()).items():
            archive.writestr(name, data)
        archive.writestr("docProps/custom.xml", "<a/>")
        archive.writestr("docProps/custom.xml", "<a/>")
    assert verify(out.getvalue(), "a.docx").codes() == {"malformed"}


def test_a_checksum_that_is_wrong_is_no_answer():
    text = f"<Properties>{prop('A', 'b')}</Properties>".encode()
    data = packed({**parts(package()), "docProps/custom.xml": text})
    sum_ = struct.pack("<I", zlib.crc32(text))
    assert verify(data.replace(sum_, b"\0\0\0\0"), "a.docx").verdict == "inconclusive"


@pytest.mark.parametrize("name", MAKERS)
def test_broken_archives_are_reported(name):
    data = write_bytes(MAKERS[name](), LABEL, name=name)
    hammer(data, name)
    hammer(package(**{"customXml/item1.xml": f"<AIGC>{JSON}</AIGC>"}), name)
