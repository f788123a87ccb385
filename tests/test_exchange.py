import time_machine

from hegui.exchange import Verdict, new_id


def test_ids_sort_by_time_and_differ(monkeypatch):
    monkeypatch.setattr("hegui.exchange._latest", 0)  # ids never go back; this clock does
    with time_machine.travel(1_000_000, tick=False):
        early = {new_id() for _ in range(100)}
    with time_machine.travel(1_000_001, tick=False):
        late = new_id()
    assert len(early) == 100
    assert max(early) < late
    assert len(late) == 32


def test_verdict_says_its_message():
    assert Verdict("refuse", message="Wait {n}.", values={"n": 3}).say("en") == "Wait 3."
