import time_machine

from hegui.exchange import Verdict, new_id


def test_ids_sort_by_time_and_differ():
    with time_machine.travel(4_000_000_000, tick=False):
        early = {new_id() for _ in range(100)}
    with time_machine.travel(4_000_000_001, tick=False):
        late = new_id()
    assert len(early) == 100
    assert max(early) < late
    assert len(late) == 32


def test_no_id_is_earlier_than_the_process():
    now = new_id()
    with time_machine.travel(1_000_000, tick=False):
        early = {new_id() for _ in range(100)}
    assert len(early) == 100
    assert all(0 <= int(now[:12], 16) - int(each[:12], 16) < 86_400_000 for each in early)


def test_verdict_says_its_message():
    assert Verdict("refuse", message="Wait {n}.", values={"n": 3}).say("en") == "Wait 3."
