import asyncio

from archive import nothing
from bench import ledger
from hegui.evidence.verify import verify


def test_a_pair_is_two_sealed_entries_of_a_sound_ledger(tmp_path):
    archive = ledger.archive_in(tmp_path)
    took = asyncio.run(ledger.load(archive.writer, 4, 10))
    assert len(took) == 8
    report = verify(archive, nothing, unseal=True)
    assert (report.size, report.unsealed, report.findings) == (16, 16, [])
    archive.close()


def test_the_table_shows_best_and_median_and_goes_between_its_marks(tmp_path, monkeypatch):
    done = [ledger.Round(cpu, 0.0, 1e6 / cpu, cpu / 10) for cpu in (30.0, 10.0, 20.0)]
    text = ledger.table({"SQLite": {16: done}}, 40.0)
    assert text.splitlines()[-1] == "| SQLite | 16 | 10 / 20 | - | 100,000 | 1.00 |"
    page = tmp_path / "bench.md"
    page.write_text("# Page\n")
    monkeypatch.setattr(ledger, "PAGE", page)
    ledger.publish("first")
    ledger.publish("second")
    assert page.read_text().count(ledger.BEGIN) == 1
    assert "first" not in page.read_text()
    assert f"{ledger.BEGIN}\nsecond\n{ledger.END}" in page.read_text()


def test_ids_are_ordered_by_time():
    first, second = ledger.exchange_id(), ledger.exchange_id()
    assert first[:12] <= second[:12]
    assert len(first) == len(second) == 32
