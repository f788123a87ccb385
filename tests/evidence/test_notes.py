import base64
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from hegui.evidence import verifier
from hegui.evidence.notes import Signer, make_signing_key
from hegui.language import Problem

ORIGIN = "ledger.example.cn/service-1"
SEED = bytes(range(32))


@pytest.fixture
def signer(tmp_path):
    path = tmp_path / "ledger.key"
    path.write_text(base64.b64encode(SEED).decode() + "\n")
    return Signer(ORIGIN, path)


def test_the_note_has_the_form_of_the_c2sp_texts(signer):
    # Built here from the texts of signed-note and tlog-checkpoint, not by our own functions.
    root = sha256(b"root").digest()
    body = f"{ORIGIN}\n15368405\n{base64.b64encode(root).decode()}\n"
    private = Ed25519PrivateKey.from_private_bytes(SEED)
    typed = b"\x01" + private.public_key().public_bytes_raw()
    key_id = sha256(ORIGIN.encode() + b"\n" + typed).digest()[:4]
    packed = base64.b64encode(key_id + private.sign(body.encode())).decode()
    assert signer.sign(15368405, root) == f"{body}\n\u2014 {ORIGIN} {packed}\n"
    encoded = base64.b64encode(typed).decode()
    assert signer.verifier_key() == f"{ORIGIN}+{key_id.hex()}+{encoded}"


def test_a_verifier_key_in_the_published_form_is_read_alike():
    # The example key of Go's golang.org/x/mod/sumdb/note, which defined the form.
    key = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    name, mark, public = verifier.parse_key(key)
    assert (name, mark.hex()) == ("PeterNeumann", "c74f20a3")
    text = "If you think cryptography is the answer to your problem,\n"
    text += "then you don't know what your problem is.\n"
    signature = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
    raw = base64.b64decode(signature)
    assert raw[:4] == mark
    assert verifier.verify_signature(public, text.encode(), raw[4:])


def test_signer_and_verifier_read_the_same_note(signer):
    note = signer.sign(7, bytes(32))
    mine, theirs = signer.open(note), verifier.parse_checkpoint(note)
    assert (mine.origin, mine.size, mine.root) == theirs[:3]
    assert verifier._signed(theirs, verifier.parse_key(signer.verifier_key()))


def test_a_signature_of_somebody_else_beside_ours_does_not_disturb(signer):
    note = signer.sign(7, bytes(32)) + "\u2014 witness.example AAAAAAAAAAAA\n"
    assert signer.open(note).size == 7


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("\n7\n", "\n8\n", "checkpoint_signature"),
        ("\n7\n", "\n-7\n", "checkpoint_form"),
        ("\n7\n", "\nseven\n", "checkpoint_form"),
        ("AAAA", "AAAB", "checkpoint_signature"),
        ("AAAA", "%%%%", "checkpoint_form"),
        (ORIGIN, "other.example", "checkpoint_form"),
        ("\n\n", "\n", "checkpoint_signature"),
        ("\u2014 ", "- ", "checkpoint_signature"),
    ],
)
def test_a_changed_note_is_refused(signer, old, new, code):
    note = signer.sign(7, bytes(32)).replace(old, new, 1)
    with pytest.raises(Problem) as caught:
        signer.open(note)
    assert caught.value.code == code


@pytest.mark.parametrize("content", [None, "", "not base64!", base64.b64encode(b"short").decode()])
def test_without_its_key_a_ledger_signs_nothing(tmp_path, content):
    if content is not None:
        (tmp_path / "key").write_text(content)
    with pytest.raises(Problem, match="put it back from its safe copy"):
        Signer(ORIGIN, tmp_path / "key")


def test_a_signing_key_is_made_once_for_its_owner_only(tmp_path):
    path = tmp_path / "keys" / "ledger.key"
    make_signing_key(path)
    first = path.read_text()
    make_signing_key(path)
    assert path.read_text() == first
    assert path.stat().st_mode & 0o777 == 0o600
    assert Signer(ORIGIN, path).verifier_key().startswith(ORIGIN + "+")
