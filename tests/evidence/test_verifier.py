"""The standalone verifier: what it accepts, what it names, and that no export makes it fall over."""

import ast
import subprocess
import sys

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from evidence.checking import SIGNER, SOURCE, STRANGER, check, checkpoint, codes
from evidence.make_export import (
    ORIGIN,
    Signer,
    b64,
    exchanges,
    export_files,
    head,
    leaf,
    path,
    proof_files,
    rich_export,
    root,
    write,
)
from hegui.evidence import verifier
from hegui.evidence.verifier import (
    Refused,
    parse_head,
    root_of_path,
    tile_name,
    verify_proof,
    verify_signature,
)

# --- the file itself ---


def test_it_needs_nothing_but_the_standard_library_of_python_3_8():
    tree = ast.parse(SOURCE.read_text("utf-8"), feature_version=(3, 8))
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0
            modules.add(node.module.split(".")[0])
    assert modules <= set(sys.stdlib_module_names)
    assert "zipfile" in modules


def test_it_runs_alone_in_an_isolated_interpreter(tmp_path):
    copy = tmp_path / "verify.py"
    copy.write_bytes(SOURCE.read_bytes())
    export = write(tmp_path / "export", rich_export(SIGNER))
    command = [sys.executable, "-I", "-S", copy, export, "--key", SIGNER.vkey]
    # A console that knows no Chinese must not stop the verdict.
    done = subprocess.run(
        command, check=False, capture_output=True, env={"PYTHONIOENCODING": "ascii"}
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"VERIFIED" in done.stdout


@pytest.mark.parametrize("code", verifier.TEXTS)
def test_every_message_says_the_same_values_in_both_languages(code):
    english, chinese = verifier.TEXTS[code]
    fields = [{part.split("}")[0] for part in t.split("{")[1:]} for t in (english, chinese)]
    assert fields[0] == fields[1]
    assert english.isascii()
    assert any("\u4e00" <= c <= "\u9fff" for c in chinese)


# --- Ed25519 ---

# Section 7.1 of RFC 8032, tests 1 to 3: public key, message, signature.
RFC_8032 = """
d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a - e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c 72 92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025 af82 6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
"""


@pytest.mark.parametrize("vector", RFC_8032.strip().splitlines())
def test_the_vectors_of_rfc_8032_hold(vector):
    key, text, mark = (bytes.fromhex(part.strip("-")) for part in vector.split(" "))
    assert verify_signature(key, text, mark)
    assert not verify_signature(key, text + b"x", mark)


def oracle(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.integers(0, 8 * 96 - 1))
def test_mutated_signatures_and_keys_are_judged_as_by_openssl(seed, message, bit):
    private = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = private.public_key().public_bytes_raw(), private.sign(message)
    assert verify_signature(public, message, signature)
    both = bytearray(public + signature)
    both[bit // 8] ^= 1 << bit % 8
    changed = bytes(both[:32]), message, bytes(both[32:])
    assert verify_signature(*changed) == oracle(*changed) is False


def test_a_signature_has_one_form_only():
    private = Ed25519PrivateKey.generate()
    public, signature = private.public_key().public_bytes_raw(), private.sign(b"m")
    scalar = int.from_bytes(signature[32:], "little") + verifier.ORDER
    assert not verify_signature(public, b"m", signature[:32] + scalar.to_bytes(32, "little"))
    assert not verify_signature(public, b"m", signature + b"\0")
    assert not verify_signature(public[:31], b"m", signature)


SMALL = [  # encodings of points of order 1, 2, 4, 8 and of two non-canonical ones
    (1).to_bytes(32, "little"),
    (verifier.P - 1).to_bytes(32, "little"),
    bytes(32),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    (verifier.P + 1).to_bytes(32, "little"),
    (1 | 1 << 255).to_bytes(32, "little"),
]


@pytest.mark.parametrize("point", SMALL)
def test_a_key_of_small_order_signs_nothing(point):
    # With the neutral point as key, nonce s*B and any s satisfies the equation for every message.
    neutral_nonce = (1).to_bytes(32, "little") + bytes(32)
    assert not verify_signature(point, b"any message", neutral_nonce)
    with pytest.raises(Refused):
        verifier.parse_key(Signer(private=FixedKey(point)).vkey)


class FixedKey:
    """Stands in for a private key whose public half is given."""

    def __init__(self, public: bytes) -> None:
        self.public = public

    def public_key(self):
        return self

    def public_bytes_raw(self) -> bytes:
        return self.public


def test_a_point_off_the_curve_is_refused():
    number = next(y for y in range(2, 99) if verifier._point(y.to_bytes(32, "little")) is None)
    assert not verify_signature(number.to_bytes(32, "little"), b"", bytes(64))


def test_a_point_has_one_encoding_only():
    found = 0
    for y in range(2, 19):
        found += verifier._point(y.to_bytes(32, "little")) is not None
        assert verifier._point((y + verifier.P).to_bytes(32, "little")) is None
    assert found


def test_base64_has_one_form_only():
    assert verifier._base64("AAA=", 2) == b"\0\0"
    for other in ("AAB=", "AAA", "AAA=\n", "AA-=", "AAAA"):
        with pytest.raises(ValueError):  # noqa: PT011 (only the type is promised)
            verifier._base64(other, 2)


# --- the tree ---


@pytest.mark.parametrize("size", [0, 1, 2, 3, 255, 256, 257, 512, 700, 65_536 + 257])
def test_trees_of_any_size_verify_with_all_their_tiles(tmp_path, size):
    entries = exchanges(size)
    kept = [
        checkpoint(entries[:n]) for n in {0, 1, size // 2, size // 256 * 256, size} if n <= size
    ]
    report = check(tmp_path, export_files(SIGNER, entries), *kept)
    assert (report.exit_code, report.entries, report.whole) == (0, size, True)
    assert report.root == root([leaf(entry) for entry in entries]).hex()
    assert (report.kept, report.other, report.warnings) == (len(kept), 0, [])
    assert report.open == [(size - 1, f"x_{size // 2:06d}")] * (size % 2)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13])
def test_inclusion_paths_lead_to_the_root_only_at_their_place(size):
    entries = exchanges(size)
    leaves = [leaf(entry) for entry in entries]
    for index in range(size):
        steps = path(index, leaves)
        for claimed in range(size + 1):
            found = root_of_path(entries[index], claimed, size, steps)
            assert (found == root(leaves)) == (claimed == index)
        assert root_of_path(entries[index], index, size, [*steps, leaves[0]]) is None
        assert not steps or root_of_path(entries[index], index, size, steps[:-1]) is None


def test_tile_paths_are_those_of_the_standard():
    assert tile_name(0, 1_234_067) == "tile/0/x001/x234/067"
    assert tile_name(2, 5, 17) == "tile/2/005.p/17"
    assert tile_name(verifier.ENTRIES, 1000) == "tile/entries/x001/000"


def test_tiles_are_optional_but_a_bundle_must_be_as_long_as_its_name_says(tmp_path):
    files = export_files(SIGNER, exchanges(300))
    lean = {n: data for n, data in files.items() if not n.startswith(("tile/0", "tile/1"))}
    assert check(tmp_path / "lean", lean).exit_code == 0
    lean["tile/entries/001"] = lean.pop("tile/entries/001.p/44")
    assert codes(check(tmp_path / "odd", lean)) == [("bad-bundle", "tile/entries/001", 256)]


def test_entries_past_the_checkpoint_are_named_as_not_proved(tmp_path):
    entries = exchanges(300)
    files = export_files(SIGNER, entries) | {"checkpoint": checkpoint(entries[:280]).encode()}
    files["tile/entries/001"] = export_files(SIGNER, exchanges(512))["tile/entries/001"]
    report = check(tmp_path, files)
    assert (report.exit_code, report.entries) == (0, 280)
    assert {r.file for r in report.warnings if r.code == "beyond"} >= {"tile/entries/001"}


def test_older_partial_bundles_must_begin_alike(tmp_path):
    entries = exchanges(40)
    older = export_files(SIGNER, entries[:7])
    files = export_files(SIGNER, entries) | {k: v for k, v in older.items() if k != "checkpoint"}
    assert check(tmp_path, files).exit_code == 0
    files["tile/entries/000.p/7"] = export_files(SIGNER, exchanges(8)[1:])["tile/entries/000.p/7"]
    assert codes(check(tmp_path, files)) == [("bundle-differs", "tile/entries/000.p/7", None)]
    files["tile/entries/000.p/7"] = files["tile/entries/000.p/40"]
    assert codes(check(tmp_path, files)) == [("bundle-differs", "tile/entries/000.p/7", None)]


# --- what is named when something was changed ---


def test_a_changed_entry_is_named_by_its_number(tmp_path):
    entries = exchanges(600)
    files = export_files(SIGNER, entries)
    changed = [*entries[:300], head(300, "exchange.admitted", "x_000999"), *entries[301:]]
    files |= {"tile/entries/001": export_files(SIGNER, changed)["tile/entries/001"]}
    report = check(tmp_path, files, checkpoint(entries[:280]), checkpoint(entries[:310]))
    assert ("tile-differs", "tile/0/001", 300) in codes(report)
    assert ("rewritten", "checkpoint", None) in codes(report)
    assert next(f for c, f, _ in codes(report) if c == "rewritten").endswith("kept1")
    assert report.kept == 1  # the one from before the change still holds


def test_a_ledger_rebuilt_and_signed_again_is_caught_only_by_a_kept_checkpoint(tmp_path):
    honest = exchanges(20)
    rebuilt = export_files(SIGNER, honest[:5] + honest[7:])
    assert check(tmp_path, rebuilt).exit_code == 0
    report = check(tmp_path, rebuilt, checkpoint(honest[:6]), checkpoint(honest))
    assert [code for code, _, _ in codes(report)] == ["rewritten", "shortened"]


def test_a_fork_shows_even_without_entries(tmp_path):
    entries, other = exchanges(6), exchanges(7)[1:]
    files = proof_files(SIGNER, entries, 2) | {"checkpoint": checkpoint(other).encode()}
    assert [code for code, _, _ in codes(check(tmp_path, files))] == ["forked"]


def test_single_proofs_stand_alone_and_do_not_claim_completeness(tmp_path):
    entries = exchanges(9)
    files = proof_files(SIGNER, entries, 0, 8)
    report = check(tmp_path, files, checkpoint(entries))
    assert (report.exit_code, report.proofs, report.kept, report.whole) == (0, 2, 1, False)
    assert report.open_count == 0
    assert "does not show that none is missing" in verifier.describe(report, 0)
    report = check(tmp_path, files, checkpoint(entries[:4]))
    assert [code for code, _, _ in codes(report)] == ["not-comparable"]


def without(name):
    return lambda files: files.pop(name)


def put(name, data):
    return lambda files: files.update({name: data})


OTHER = exchanges(9)
DAMAGE = {
    "body": (put("bodies/1.sealed", b"else"), ("body-differs", "bodies/1.sealed", 1)),
    "key": (put("bodies/1.key", b64(bytes(32)).encode()), ("key-differs", "bodies/1.key", 1)),
    "key-form": (put("bodies/1.key", b"\xff"), ("key-differs", "bodies/1.key", 1)),
    "unsealed": (put("bodies/2.sealed", b""), ("body-differs", "bodies/2.sealed", 2)),
    "orphan": (put("bodies/77.sealed", b"x"), ("no-entry", "bodies/77.sealed", 77)),
    "proof-form": (put("proofs/4.tlog-proof", b"c2sp"), ("bad-proof", "proofs/4.tlog-proof", 4)),
    "proof-bytes": (put("proofs/4.tlog-proof", b"\xff"), ("damaged", "proofs/4.tlog-proof", 4)),
    "proof-entry": (put("proofs/4.entry", OTHER[3]), ("proof-fails", "proofs/4.tlog-proof", 4)),
    "proof-alone": (without("proofs/4.entry"), ("no-entry", "proofs/4.tlog-proof", 4)),
    "moved": (
        lambda f: f.update(
            {f"proofs/3.{s}": f.pop(f"proofs/4.{s}") for s in ("entry", "tlog-proof")}
        ),
        ("proof-index", "proofs/3.tlog-proof", 3),
    ),
    "tile": (put("tile/0/000.p/5", bytes(160)), ("tile-differs", "tile/0/000.p/5", 0)),
    "short": (put("tile/entries/000.p/5", b"\0\1"), ("bad-bundle", "tile/entries/000.p/5", 0)),
    "gone": (without("tile/entries/000.p/5"), ("nothing-shown", "checkpoint", None)),
    "signer": (
        put("checkpoint", checkpoint(exchanges(5), STRANGER).encode()),
        ("bad-signature", "checkpoint", None),
    ),
}


@pytest.mark.parametrize("change", DAMAGE)
def test_each_change_is_named_with_its_file_and_number(tmp_path, change):
    spoil, named = DAMAGE[change]
    files = rich_export(SIGNER)
    spoil(files)
    if change == "gone":
        files = {name: data for name, data in files.items() if not name.startswith("proofs/")}
    report = check(tmp_path, files)
    assert report.exit_code == 1
    assert named in codes(report)


def test_a_missing_bundle_stops_the_check_and_is_named(tmp_path):
    files = export_files(SIGNER, exchanges(600))
    del files["tile/entries/001"]
    report = check(tmp_path, files)
    assert codes(report) == [("missing", "tile/entries/001", 256)]
    assert (report.whole, report.entries, report.root) == (False, 256, "")


def test_a_checkpoint_of_another_ledger_is_named(tmp_path):
    entries = exchanges(4)
    report = check(
        tmp_path, export_files(SIGNER, entries), checkpoint(entries, origin="other.cn/ledger")
    )
    assert [code for code, _, _ in codes(report)] == ["other-ledger"]


HEADS = {
    "not json": b"{",
    "two values": head(0, "a", "b") + b"{}",
    "not an object": b"[1]",
    "deep": b"[" * 60_000,
    "repeated name": head(0, "a", "b")[:-1] + b',"kind":"c"}',
    "NaN": head(0, "a", "b", facts={"x": float("nan")}),
    "no facts": head(0, "a", "b").replace(b'"facts"', b'"fact"'),
    "version": head(0, "a", "b", v=2),
    "true is no version": head(0, "a", "b", v=True),
    "time": head(0, "a", "b", time="2026-11-23 09:00"),
    "body": head(0, "a", "b", body="ABC"),
    "kind": head(0, "a", "b").replace(b'"kind":"a"', b'"kind":7'),
    "carries": head(0, "a", "b", carries="IM-9"),
    "latin": head(0, "a", "b") + b"\xff",
}


@pytest.mark.parametrize("name", HEADS)
def test_a_malformed_head_is_a_finding_at_its_number(tmp_path, name):
    with pytest.raises(Refused):
        parse_head(HEADS[name])
    report = check(tmp_path, export_files(SIGNER, [*exchanges(2), HEADS[name]]))
    assert codes(report) == [("head", "", 2)]


def test_the_life_of_an_exchange_and_of_time(tmp_path):
    entries = [
        head(0, "exchange.admitted", "x_1"),
        head(1, "exchange.admitted", "x_2"),
        head(2, "exchange.finished", "x_1"),
        head(3, "exchange.interrupted", "x_1"),
        head(4, "exchange.admitted", "x_1"),
        head(5, "exchange.finished", "x_9"),
        head(0, "case.opened", "c_1"),
    ]
    report = check(tmp_path, export_files(SIGNER, entries))
    assert codes(report) == [("outcome-twice", "", 3), ("admitted-twice", "", 4)]
    assert [(w.code, w.seq) for w in report.warnings] == [("no-admission", 5), ("time-back", 6)]
    assert report.open == [(1, "x_2")]


# --- one proof by itself ---


def test_one_proof_verifies_by_itself():
    entries = exchanges(11)
    leaves = [leaf(entry) for entry in entries]
    text = SIGNER.proof(7, leaves, extra=b"context")
    proof = verify_proof(text, entries[7], SIGNER.vkey)
    assert (proof.seq, proof.checkpoint.size, proof.checkpoint.origin) == (7, 11, ORIGIN)
    for wrong, entry, key, code in (
        (text, entries[6], SIGNER.vkey, "proof-fails"),
        (text, entries[7], STRANGER.vkey, "bad-signature"),
        (text.replace("index 7", "index 07"), entries[7], SIGNER.vkey, "bad-proof"),
        (text.replace("@v1", "@v2"), entries[7], SIGNER.vkey, "bad-proof"),
        (text.rstrip("\n"), entries[7], SIGNER.vkey, "bad-note"),
        (text, entries[7], SIGNER.vkey[:-2], "bad-key"),
    ):
        with pytest.raises(Refused) as refusal:
            verify_proof(wrong, entry, key)
        assert refusal.value.remark.code == code


def test_signatures_of_unknown_keys_are_ignored_and_ours_must_all_hold():
    entries = exchanges(1)
    text = SIGNER.proof(0, [leaf(entries[0])])
    witness = f"\u2014 witness.example {b64(bytes(68))}\n"
    assert verify_proof(text + witness, entries[0], SIGNER.vkey)
    forged = f"\u2014 {SIGNER.name} {b64(SIGNER.mark + bytes(64))}\n"
    with pytest.raises(Refused):
        verify_proof(text + forged, entries[0], SIGNER.vkey)
