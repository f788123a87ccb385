import shutil
import struct
import subprocess
import zlib
from datetime import UTC, datetime, timedelta
from io import BytesIO

import pytest

from hegui.labels import verify, write, write_bytes, xmp
from hegui.labels.carriers.pdfobjects import string, text, value_in
from hegui.labels.carriers.pdfxref import Place, Xref
from hegui.labels.source import opened
from hegui.language import Problem
from labels.documents import LABEL, OTHER, cycle, hammer, media


def made(objects, trailer=b"/Root 1 0 R", start=b"%PDF-1.7\n") -> bytes:
    """A PDF with a classic table of these objects, numbered from 1."""
    out, places = bytearray(start), []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<< /Size %d %b >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, at)
    return bytes(out)


CATALOGUE = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
PAGE = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 200 200] /Resources << >> /Contents 4 0 R >>"
CONTENT = b"<< /Length 20 >>\nstream\n0 0 100 100 re f    \nendstream"
BODY = [CATALOGUE, PAGES, PAGE, CONTENT]
INFO = rb"<< /Title (a \(b\) c) /Author <FEFF4E2D> /Dept [/X << /Y 1.5 >>] >>"


def classic(info=INFO):
    return made([*BODY, info], b"/Root 1 0 R /Info 5 0 R /ID [<aa> <bb>]")


def library(**options) -> bytes:
    """The same document as pikepdf writes it."""
    pikepdf = pytest.importorskip("pikepdf")
    out = BytesIO()
    with pikepdf.open(BytesIO(classic())) as document:
        document.save(out, **options)
    return out.getvalue()


def streamed():
    pikepdf = pytest.importorskip("pikepdf")
    return library(object_stream_mode=pikepdf.ObjectStreamMode.generate)


def linear():
    return library(linearize=True)


def hybrid():
    """A classic table that hides the Info dictionary, which a stream beside it tells (7.5.8.4)."""
    old = made(BODY)
    packed = b"5 0 << /Title (hidden) >>"
    at6 = len(old) + 1
    six = (
        b"\n6 0 obj\n<< /Type /ObjStm /N 1 /First 4 /Length %d >>\nstream\n%b\nendstream\nendobj\n"
    )
    old += six % (len(packed), packed)
    at7 = len(old)
    rows = (
        struct.pack(">BHB", 2, 6, 0)
        + struct.pack(">BHB", 1, at6, 0)
        + struct.pack(">BHB", 1, at7, 0)
    )
    seven = b"7 0 obj\n<< /Type /XRef /W [1 2 1] /Index [5 3] /Size 8 /Length 12 /Root 1 0 R >>\nstream\n"
    old += seven + rows + b"\nendstream\nendobj\n"
    at = len(old)
    first = int(made(BODY).rpartition(b"startxref\n")[2].split()[0])
    old += b"xref\n0 1\n0000000000 65535 f \n5 1\n0000000000 00000 f \n"
    trailer = b"trailer\n<< /Size 8 /Root 1 0 R /Info 5 0 R /Prev %d /XRefStm %d >>\n"
    return old + trailer % (first, at7) + b"startxref\n%d\n%%%%EOF\n" % at


def predicted():
    """A cross-reference stream whose rows are differences (predictor 12)."""
    out, places = bytearray(b"%PDF-1.5\n"), []
    for number, body in enumerate([*BODY, INFO], 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    rows = [b"\0\0\0\0", *(struct.pack(">BHB", 1, at, 0) for at in [*places, len(out)])]
    ups, before = b"", b"\0" * 4
    for row in rows:
        ups += b"\2" + bytes((a - b) & 0xFF for a, b in zip(row, before, strict=True))
        before = row
    packed = zlib.compress(ups)
    head = b"/Type /XRef /W [1 2 1] /Size 7 /Root 1 0 R /Info 5 0 R /Filter /FlateDecode /DecodeParms << /Predictor 12 /Columns 4 >>"
    at = len(out)
    out += b"6 0 obj\n<< %b /Length %d >>\nstream\n%b\nendstream\nendobj\n" % (
        head,
        len(packed),
        packed,
    )
    return bytes(out) + b"startxref\n%d\n%%%%EOF\n" % at


def without_info():
    return made(BODY)


MAKERS = [classic, streamed, linear, hybrid, predicted, without_info]
NAME = "a.pdf"


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_every_layout_takes_a_label_as_an_update_that_leaves_each_byte(maker):
    pypdf = pytest.importorskip("pypdf")
    data = maker()
    new = cycle(data, NAME)
    assert new.startswith(data)
    outside = pypdf.PdfReader(BytesIO(new), strict=True)
    assert outside.metadata["/AIGC"] == LABEL.json()
    before = pypdf.PdfReader(BytesIO(data)).metadata or {}
    assert {**before, "/AIGC": LABEL.json()} == dict(outside.metadata)
    assert len(outside.pages) == 1
    twice = write_bytes(new, OTHER, on_existing="replace")
    assert pypdf.PdfReader(BytesIO(twice)).metadata["/AIGC"] == OTHER.json()


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_exiftool_and_qpdf_see_it(maker, tmp_path):
    path = tmp_path / NAME
    path.write_bytes(maker())
    write(path, LABEL, paranoid=True)
    if shutil.which("exiftool") and maker is not hybrid:  # ExifTool does not read hybrid files
        told = subprocess.run(["exiftool", "-s3", "-AIGC", path], capture_output=True, check=True)
        assert told.stdout.decode().strip() == LABEL.json()
    pikepdf = pytest.importorskip("pikepdf")
    with pikepdf.open(path) as document:
        assert str(document.docinfo["/AIGC"]) == LABEL.json()
        assert document.check_pdf_syntax() == []


def test_the_trailer_keeps_what_it_says():
    new = write_bytes(classic(), LABEL)
    trailer = new.rpartition(b"trailer")[2]
    assert b"/ID [<aa> <bb>]" in trailer
    assert b"/Root 1 0 R" in trailer
    assert b"/Prev " in trailer
    assert INFO[2:-2].strip() in new.rpartition(b"5 0 obj")[2]


def test_a_packet_s_label_is_only_met_and_makes_way():
    packet = xmp.write(None, LABEL.json())
    stream = b"<< /Type /Metadata /Subtype /XML /Length %d >>\nstream\n%b\nendstream" % (
        len(packet),
        packet,
    )
    catalogue = CATALOGUE[:-2] + b"/Metadata 5 0 R >>"
    data = made([catalogue, PAGES, PAGE, CONTENT, stream])
    report = verify(data)
    assert (report.verdict, report.codes(), report.label) == ("noncompliant", {"wrong_slot"}, LABEL)
    new = write_bytes(data, OTHER, on_existing="replace")
    assert verify(new).label == OTHER
    assert verify(new).verdict == "compliant"
    assert media(new) == media(data)
    both = made(
        [catalogue, PAGES, PAGE, CONTENT, stream, b"<< /AIGC " + string(OTHER.json()) + b" >>"],
        b"/Root 1 0 R /Info 6 0 R",
    )
    assert "disagreement" in verify(both).codes()


def test_a_key_that_is_there_twice_or_spelled_in_escapes_is_found():
    value = string(LABEL.json())
    twice = classic(b"<< /AIGC " + value + b" /#41IGC " + value + b" >>")
    assert verify(twice).codes() == {"duplicate"}
    new = write_bytes(twice, LABEL, on_existing="replace")
    assert verify(new).verdict == "compliant"
    wiped = classic(b"<< /AIGC () >>")
    assert (verify(wiped).verdict, verify(wiped).codes()) == ("inconclusive", {"wiped"})


@pytest.mark.parametrize("value", ["a(b\\c)\r\n", "", "标识", "x" * 5000])
def test_strings_come_back(value):
    assert text(value_in(string(value) + b" ")[0]) == value


def test_strings_of_others_are_understood():
    raw = rb"(\101\(\\\
b\)(nested) \53)"
    assert value_in(raw)[0] == b"A(\\b)(nested) +"
    assert text(value_in(b"<FFFE 4100>")[0]) == "A"


def signed(certify: bool) -> bytes:
    """A PDF with a real signature, made on the spot."""
    pytest.importorskip("pyhanko")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import pkcs12
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
    from pyhanko.sign import fields, signers

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject)
        .public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(x509.KeyUsage(True, True, *[False] * 7), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    bundle = pkcs12.serialize_key_and_certificates(
        b"t", key, certificate, None, serialization.BestAvailableEncryption(b"p")
    )
    signer = signers.SimpleSigner.load_pkcs12_data(bundle, other_certs=[], passphrase=b"p")
    meta = signers.PdfSignatureMetadata(
        field_name="S", certify=certify, docmdp_permissions=fields.MDPPerm.NO_CHANGES
    )
    out = BytesIO()
    signers.sign_pdf(IncrementalPdfFileWriter(BytesIO(classic())), meta, signer=signer, output=out)
    return out.getvalue()


@pytest.mark.filterwarnings("ignore")
def test_a_signature_still_holds_after_the_label():
    data = signed(certify=False)
    new = cycle(data, NAME)
    assert new.startswith(data)
    from pyhanko.pdf_utils.reader import PdfFileReader
    from pyhanko.sign.validation import validate_pdf_signature
    from pyhanko_certvalidator import ValidationContext

    signature = PdfFileReader(BytesIO(new)).embedded_signatures[0]
    status = validate_pdf_signature(signature, ValidationContext(allow_fetching=False))
    assert status.intact
    assert status.valid
    assert status.coverage.name == "ENTIRE_REVISION"
    assert status.modification_level.name in {"NONE", "LTA_UPDATES"}


@pytest.mark.filterwarnings("ignore")
def test_a_certified_document_is_refused():
    with pytest.raises(Problem) as caught:
        write_bytes(signed(certify=True), LABEL)
    assert caught.value.code == "labels.signed"


def test_an_encrypted_document_is_refused():
    pikepdf = pytest.importorskip("pikepdf")
    data = library(encryption=pikepdf.Encryption(owner="a", user="b"))
    assert (verify(data).verdict, verify(data).codes()) == ("inconclusive", {"encrypted"})
    with pytest.raises(Problem) as caught:
        write_bytes(data, LABEL)
    assert caught.value.code == "labels.encrypted"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"%PDF-1.7\n", "truncated"),
        (b"%PDF-1.7\nstartxref\n0\n%%EOF", "malformed"),
        (b"%PDF-1.7\nstartxref\n999\n%%EOF", "malformed"),
        (made(BODY, b"/Root 1 0 R /Prev 9 /Prev 9"), "malformed"),
        (made([b"[" * 100 + b"]" * 100]), "over_limit"),
        (made([b"<< /A " * 100 + b">>" * 100]), "over_limit"),
        (made([b"1 0 R"]), "over_limit"),
    ],
)
def test_hostile_files_are_understood_as_such(data, code):
    report = verify(data)
    assert report.verdict == "inconclusive"
    assert code in report.codes()


def test_places_are_looked_up_in_the_newest_revision_that_knows_them():
    data = hybrid()
    with opened(data) as source:
        xref = Xref(source)
        assert xref.place(5) == Place(2, 6, 0)  # hidden from the table beside
        assert xref.place(3) == Place(1, data.index(b"3 0 obj"), 0)
        assert xref.place(9) is None
        assert xref.load(xref.trailer.get(b"Info")).value.get(b"Title") == b"hidden"
    with opened(predicted()) as source:
        assert Xref(source).place(5) == Place(1, predicted().index(b"5 0 obj"), 0)


def test_a_chain_that_bites_its_tail_ends():
    data = made(BODY)
    at = data.rpartition(b"startxref\n")[2].split()[0]
    loop = data.replace(b"/Root 1 0 R >>\nstartxref", b"/Root 1 0 R /Prev %b >>\nstartxref" % at)
    assert verify(loop).codes() == {"malformed"}


def test_a_bomb_of_a_stream_is_not_inflated():
    bomb = zlib.compress(b"\0" * (64 << 20))
    head = (
        b"<< /Type /XRef /W [1 2 1] /Size 7 /Root 1 0 R /Filter /FlateDecode /Length %d >>"
        % len(bomb)
    )
    data = (
        b"%PDF-1.7\n1 0 obj\n"
        + head
        + b"\nstream\n"
        + bomb
        + b"\nendstream\nendobj\nstartxref\n9\n%%EOF"
    )
    assert verify(data).codes() == {"over_limit"}


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_broken_files_are_reported(maker):
    hammer(write_bytes(maker(), LABEL), NAME)
