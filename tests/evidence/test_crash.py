"""Two writing processes and one that signs, killed again and again: nothing said is ever lost."""

import multiprocessing
import random
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from archive import nothing
from evidence import crash_worker
from hegui.evidence.archive import Archive
from hegui.evidence.checkpoints import sign
from hegui.evidence.verify import verify
from hegui.store.tables import outcomes
from soaking import publish

BUSY = multiprocessing.get_context("forkserver")
BUSY.set_forkserver_preload(["hegui.evidence.checkpoints", "pytest", "psycopg"])


def size_of(folder: str) -> int:
    file = Path(folder) / "acknowledged"
    return file.stat().st_size if file.exists() else 0


def round_of_kills(archive, number: int, dice: random.Random) -> None:
    evidence = archive.settings.evidence
    folder = str(evidence.checkpoint_folder.parent)
    places = folder, archive.store.url, archive.vault_database.url
    started = [
        BUSY.Process(target=crash_worker.write, args=(*places, (2 * number + n) * 1_000_000))
        for n in (1, 2)
    ]
    started.append(BUSY.Process(target=crash_worker.sign_for_ever, args=places))
    for process in started:
        process.start()
    before = size_of(folder)
    while size_of(folder) == before:
        time.sleep(0.005)
    time.sleep(dice.random() * 0.1)
    dice.shuffle(started)
    for process in started:
        process.kill()
        time.sleep(dice.random() * 0.01)
    for process in started:
        process.join()
        assert process.exitcode == -9  # it did not end by an error of its own


def survive(archive, rounds: int) -> str:
    """Kill and look, `rounds` times; returns the counts."""
    folder = archive.settings.evidence.checkpoint_folder.parent
    seed = time.time_ns()
    dice = random.Random(seed)
    for number in range(rounds):
        round_of_kills(archive, number, dice)
    again = Archive(archive.settings)
    sign(again)
    kept = sorted(archive.settings.evidence.checkpoint_folder.glob("checkpoint-*.txt"))
    report = verify(again, nothing, kept, unseal=True)
    assert report.findings == [], seed
    acknowledged = set((folder / "acknowledged").read_text().split())
    with again.store.read() as connection:
        durable = set(connection.execute(select(outcomes.c.exchange)).scalars())
    assert acknowledged <= durable, seed
    assert len(acknowledged) >= rounds, seed
    assert len(kept) > 1
    again.close()
    return (
        f"{rounds:,} rounds, {len(acknowledged):,} acknowledged commits, none lost; "
        f"{report.size:,} entries and {len(kept):,} checkpoints verified"
    )


@pytest.mark.crash
def test_kill_9_twenty_times(archive):
    archive.writer.close()  # threads and forks do not mix
    survive(archive, 20)


@pytest.mark.crash
@pytest.mark.soak
def test_kill_9_a_thousand_times(archive):
    archive.writer.close()
    database = "SQLite" if archive.settings.store.url.startswith("sqlite") else "PostgreSQL"
    publish(f"kill -9 of two writers and a signer, {database}", survive(archive, 1_000))
