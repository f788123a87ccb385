import threading

import pytest
from sqlalchemy import select

from archive import fill, make_archive, nothing
from hegui.evidence import checkpoints, proofs
from hegui.evidence.archive import Archive
from hegui.evidence.verifier import verify_proof
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.store import backup, tables


def files(archive) -> dict[str, str]:
    folder = archive.settings.evidence.checkpoint_folder
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_checkpoint_is_signed_when_the_ledger_grew(archive):
    assert checkpoints.latest(archive) is None
    fill(archive, 3)
    note = checkpoints.sign(archive)
    assert note is not None
    assert archive.signer.open(note).size == 6
    assert checkpoints.sign(archive) is None
    assert checkpoints.latest(archive) == note
    assert files(archive) == {"checkpoint-6.txt": note, "latest.txt": note}
    fill(archive, 1, start=9)
    newer = checkpoints.sign(archive)
    assert files(archive) == {"checkpoint-6.txt": note, "checkpoint-8.txt": newer,
                              "latest.txt": newer}  # fmt: skip
    assert verify(archive, nothing).checkpoints == 2


def test_an_empty_ledger_may_be_signed(archive):
    note = checkpoints.sign(archive)
    assert note is not None
    assert archive.signer.open(note).size == 0
    assert verify(archive, nothing).findings == []


def test_a_file_that_a_crash_left_unwritten_is_written_at_the_next_tick(archive):
    fill(archive, 1)
    note = checkpoints.sign(archive)
    for path in archive.settings.evidence.checkpoint_folder.iterdir():
        path.unlink()
    assert checkpoints.sign(archive) is None
    assert files(archive) == {"checkpoint-2.txt": note, "latest.txt": note}


def test_two_processes_that_sign_at_once_agree(archive):
    fill(archive, 2)
    others = [Archive(archive.settings) for _ in range(4)]
    signed = []
    threads = [
        threading.Thread(target=lambda each=each: signed.append(checkpoints.sign(each)))
        for each in others
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([note for note in signed if note]) >= 1
    with archive.store.read() as connection:
        assert connection.execute(select(tables.checkpoints.c.size)).scalars().all() == [4]
    for each in others:
        each.close()


def test_a_restored_store_does_not_sign_a_second_history(tmp_path):
    archive = make_archive(tmp_path)
    fill(archive, 2)
    backup.backup(archive.store, "store", tmp_path / "copy", nothing)
    fill(archive, 2, start=10)
    checkpoints.sign(archive)
    archive.close()
    backup.restore(archive.store, "store", tmp_path / "copy")
    restored = Archive(archive.settings)
    with pytest.raises(Problem, match="older backup") as caught:
        checkpoints.sign(restored)
    assert caught.value.code == "ledger_behind"
    fill(restored, 3, start=20)
    with pytest.raises(Problem, match="are not the first 8") as caught:
        checkpoints.sign(restored)
    assert caught.value.code == "ledger_forked"
    kept = archive.settings.evidence.checkpoint_folder / checkpoints.LATEST
    report = verify(restored, nothing, [kept])
    assert [(each.code, each.row) for each in report.findings] == [("rewritten", str(kept))]
    restored.close()


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100])
def test_every_entry_is_proved(archive, size):
    for number in range(size):
        fill(archive, 1, start=number)
    key = archive.signer.verifier_key()
    for seq in range(0, 2 * size, max(1, size // 9)):
        with archive.store.read() as connection:
            entry = proofs.entry_bytes(connection, seq)
        proof = verify_proof(proofs.prove(archive, seq), entry, key)
        assert (proof.seq, proof.checkpoint.size) == (seq, 2 * size)


def test_a_newer_entry_gets_a_newer_checkpoint(archive):
    fill(archive, 1)
    proofs.prove(archive, 0)
    fill(archive, 1, start=5)
    assert "\n2\n" in proofs.prove(archive, 1)
    assert "\n4\n" in proofs.prove(archive, 2)


@pytest.mark.parametrize("seq", [-1, 2, 10**15])
def test_what_is_not_there_is_not_proved(archive, seq):
    fill(archive, 1)
    with pytest.raises(Problem, match=f"has no entry {seq}"):
        proofs.prove(archive, seq)
    with archive.store.read() as connection, pytest.raises(Problem):
        proofs.entry_bytes(connection, seq)
