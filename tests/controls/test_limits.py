import pytest

from hegui.controls import limits
from hegui.controls.limits import Buckets


def test_bucket_empties_and_fills_with_time():
    buckets = Buckets(2)
    assert [buckets.take("a", 0), buckets.take("a", 0)] == [0, 0]
    assert buckets.take("a", 0) == pytest.approx(30)  # 2 a minute: one in 30 seconds
    assert buckets.take("b", 0) == 0
    assert buckets.take("a", 29) == pytest.approx(1)
    assert buckets.take("a", 30) == 0


def test_full_buckets_are_let_go_and_empty_ones_kept(monkeypatch):
    monkeypatch.setattr(limits, "_MOST", 2)
    buckets = Buckets(1)
    assert buckets.take("old", 0) == 0
    assert buckets.take("new", 59) == 0
    assert buckets.take("third", 61) == 0  # prunes: "old" has had time to fill
    assert set(buckets._levels) == {"new", "third"}
    assert buckets.take("new", 61) > 0
