"""The standalone verifier against hostile exports, and its command line."""

import io
import json
import sys
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from evidence.checking import SIGNER, check, codes
from evidence.make_export import (
    ORIGIN,
    b64,
    exchanges,
    export_files,
    head,
    rich_export,
    write,
)
from hegui.evidence import verifier
from hegui.evidence.verifier import (
    Unreadable,
    main,
    verify_export,
)

# --- hostile input ---


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    files = rich_export(SIGNER)
    return tmp_path_factory.mktemp("rich"), files


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_single_flipped_bit_goes_unnoticed(rich, data):
    folder, files = rich
    name = data.draw(st.sampled_from(sorted(files)))
    bit = data.draw(st.integers(0, 8 * len(files[name]) - 1))
    changed = bytearray(files[name])
    changed[bit // 8] ^= 1 << bit % 8
    try:
        report = check(folder, files | {name: bytes(changed)})
    except Unreadable:
        return
    assert report.exit_code == 1, (name, bit)


@settings(max_examples=150, deadline=None)
@given(st.data(), st.binary(max_size=300))
@example(None, b"")
def test_no_bytes_in_any_file_raise_more_than_unreadable(rich, data, junk):
    folder, files = rich
    name = data.draw(st.sampled_from(sorted(files))) if data else "checkpoint"
    at = data.draw(st.integers(0, len(files[name]))) if data else 0
    with suppress(Unreadable):
        assert check(folder, files | {name: files[name][:at] + junk}, key=None).exit_code == 3


def test_a_checkpoint_that_claims_an_endless_ledger_ends_at_the_first_gap(tmp_path):
    body = f"{ORIGIN}\n{10**17}\n{b64(bytes(32))}\n"
    mark = b64(SIGNER.mark + SIGNER.private.sign(body.encode()))
    files = export_files(SIGNER, exchanges(256))
    files["checkpoint"] = f"{body}\n\u2014 {SIGNER.name} {mark}\n".encode()
    assert codes(check(tmp_path, files)) == [("missing", "tile/entries/001", 256)]


def test_findings_are_counted_but_not_all_kept(tmp_path):
    report = check(tmp_path, export_files(SIGNER, [b"{}"] * 300))
    assert report.finding_count == 300
    assert len(report.findings) == verifier.MAX_LISTED
    assert "and 100 more" in verifier.describe(report, 0)


def test_control_and_direction_characters_do_not_reach_the_terminal(tmp_path):
    bad = "x\x1b[2J\u202e\ud800"
    entries = [head(i, "exchange.admitted", bad) for i in range(2)]
    report = check(tmp_path, export_files(SIGNER, entries))
    text = verifier.describe(report, 0) + verifier.describe(report, 1)
    assert report.exit_code == 1
    assert all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
def test_links_are_refused(tmp_path):
    export = write(tmp_path / "export", rich_export(SIGNER))
    (export / "link").symlink_to("/etc/passwd")
    with pytest.raises(Unreadable) as refusal:
        verify_export(export, SIGNER.vkey)
    assert refusal.value.remark[:2] == ("not-plain", "link")


def zipped(target: Path, files, method=zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target


def test_a_zip_is_read_like_the_folder(tmp_path):
    files = rich_export(SIGNER) | {"README.txt": b"hello"}
    from_zip = verify_export(zipped(tmp_path / "export.zip", files), SIGNER.vkey)
    from_folder = check(tmp_path, files)
    assert vars(from_zip) | {"path": ""} == vars(from_folder) | {"path": ""}
    assert (from_zip.exit_code, from_zip.other) == (0, 1)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:/x", "a\\x", "a//x", "./x"])
def test_a_zip_with_an_unsafe_name_is_refused(tmp_path, name):
    archive = zipped(tmp_path / "export.zip", rich_export(SIGNER) | {name: b""})
    with pytest.raises(Unreadable) as refusal:
        verify_export(archive, SIGNER.vkey)
    assert refusal.value.remark.code == "unsafe-name"


def test_a_zip_that_says_a_name_twice_or_packs_oddly_is_refused(tmp_path):
    archive = zipped(tmp_path / "twice.zip", rich_export(SIGNER))
    with zipfile.ZipFile(archive, "a") as more, pytest.warns(UserWarning, match="Duplicate"):
        more.writestr("checkpoint", b"")
    odd = zipped(tmp_path / "odd.zip", rich_export(SIGNER), zipfile.ZIP_LZMA)
    for refused in (archive, odd):
        with pytest.raises(Unreadable) as refusal:
            verify_export(refused, SIGNER.vkey)
        assert refusal.value.remark.code == "unsafe-name"


def test_a_zip_bomb_stops_at_the_limit_of_the_format(tmp_path):
    files = rich_export(SIGNER) | {"tile/entries/000.p/5": bytes(verifier.MAX_BUNDLE + 9)}
    with pytest.raises(Unreadable) as refusal:
        verify_export(zipped(tmp_path / "bomb.zip", files), SIGNER.vkey)
    assert refusal.value.remark.code == "too-big"


@pytest.mark.parametrize(
    ("limit", "value"), [("MAX_TOTAL", 100), ("MAX_FILES", 3), ("MAX_DIRECTORY", 50)]
)
def test_caps_on_total_bytes_files_and_directory(tmp_path, monkeypatch, limit, value):
    archive = zipped(tmp_path / "export.zip", rich_export(SIGNER))
    monkeypatch.setattr(verifier, limit, value)
    with pytest.raises(Unreadable) as refusal:
        verify_export(archive, SIGNER.vkey)
    assert refusal.value.remark.code == "too-many"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_zip_is_unreadable_or_found_out(rich, data):
    folder, files = rich
    buffer = io.BytesIO()
    zipped(buffer, files)
    raw = bytearray(buffer.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    target = folder / "damaged.zip"
    target.write_bytes(raw[: data.draw(st.sampled_from([len(raw), len(raw) // 2]))])
    with suppress(Unreadable):
        assert verify_export(target, SIGNER.vkey).exit_code in (0, 1)


# --- the command line ---


def run(capsys, *arguments) -> tuple[int, str]:
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().out


def test_exit_codes_and_both_languages(tmp_path, capsys):
    export = write(tmp_path / "export", rich_export(SIGNER))
    code, text = run(capsys, export, "--key", SIGNER.vkey)
    assert (code, "VERIFIED" in text, "核验通过" in text) == (0, True, True)
    assert "4  x_000002" in text
    code, text = run(capsys, export)
    assert (code, "NOTHING IS PROVED" in text, "未提供公钥" in text) == (3, True, True)
    (export / "bodies/1.sealed").write_bytes(b"else")
    code, text = run(capsys, export, "--key", SIGNER.vkey)
    assert (code, "bodies/1.sealed, entry 1:" in text) == (1, True)
    code, text = run(capsys, export)
    assert (code, "bodies/1.sealed" in text) == (3, True)
    code, text = run(capsys, tmp_path / "nowhere", "--key", SIGNER.vkey)
    assert (code, "CANNOT BE READ" in text, "无法读取" in text) == (2, True, True)


def test_json_says_the_same(tmp_path, capsys):
    export = write(tmp_path / "export", rich_export(SIGNER))
    (export / "bodies/1.key").write_text(b64(bytes(32)))
    code, text = run(capsys, export, "--key", SIGNER.vkey, "--json")
    told = json.loads(text)
    assert code == told["exit_code"] == 1
    (finding,) = told["findings"]
    assert (finding["code"], finding["file"], finding["seq"]) == ("key-differs", "bodies/1.key", 1)
    code, text = run(capsys, tmp_path / "nowhere", "--json")
    assert code == json.loads(text)["exit_code"] == 2


def test_the_key_may_be_a_file_but_never_one_of_the_export(tmp_path, capsys):
    export = write(tmp_path / "export", rich_export(SIGNER) | {"key": SIGNER.vkey.encode()})
    outside = tmp_path / "key"
    outside.write_text(SIGNER.vkey + "\n")
    assert run(capsys, export, "--key", outside)[0] == 0
    code, text = run(capsys, export, "--key", export / "key")
    assert (code, "lies inside the export" in text) == (2, True)
    code, text = run(capsys, export, "--key", outside, "--checkpoint", export / "checkpoint")
    assert (code, "lies inside the export" in text) == (2, True)


@pytest.mark.parametrize(
    "key", ["", "x", "a+b+c", SIGNER.vkey[:-4], SIGNER.vkey.replace("+", "+0", 1)]
)
def test_a_wrong_key_is_unreadable_input(tmp_path, capsys, key):
    export = write(tmp_path / "export", rich_export(SIGNER))
    assert run(capsys, export, "--key", key)[0] == (2 if key else 3)


@pytest.mark.parametrize("drop", ["checkpoint", "everything"])
def test_without_a_checkpoint_there_is_nothing_to_hold_entries_against(tmp_path, capsys, drop):
    files = {} if drop == "everything" else rich_export(SIGNER)
    files.pop("checkpoint", None)
    (tmp_path / "export").mkdir()
    code, text = run(capsys, write(tmp_path / "export", files), "--key", SIGNER.vkey)
    assert (code, "no file named checkpoint" in text) == (2, True)


def test_even_a_fault_of_the_verifier_ends_in_words(tmp_path, capsys, monkeypatch):
    export = write(tmp_path / "export", rich_export(SIGNER))
    monkeypatch.setattr(verifier, "_split", lambda _: 1 / 0)
    code, text = run(capsys, export, "--key", SIGNER.vkey)
    assert (code, "ZeroDivisionError" in text) == (2, True)
