"""Splicing: a plan is what it says, and a file appears whole or not at all."""

import os
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hegui.labels.source import opened
from hegui.labels.splice import Keep, beside, digest, length, pieces, replace, save

edits = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.binary(max_size=5)), max_size=6)


def names(folder):
    return [path.name for path in folder.iterdir()]


@given(st.binary(max_size=60), edits)
def test_edits_are_what_a_naive_hand_would_make(data, steps):
    at, plan, naive = 0, [], b""
    for gap, size, new in steps:
        start = at + gap
        if start + size > len(data):
            break
        plan.append((start, start + size, new))
        naive += data[at:start] + new
        at = start + size
    naive += data[at:]
    with opened(data) as source:
        for order in (plan, plan[::-1] if all(a < b for a, b, _ in plan) else plan):
            spliced = replace(len(data), *order)
            assert b"".join(pieces(source.fresh(), spliced)) == naive
            assert length(spliced) == len(naive)


@pytest.mark.parametrize("bad", [[(0, 4, b""), (3, 5, b"")], [(0, 11, b"")]])
def test_edits_that_cannot_be_are_refused(bad):
    with pytest.raises(ValueError, match="overlap"):
        replace(10, *bad)


@pytest.mark.parametrize("kernel", [True, False])
def test_large_files_are_copied_by_the_kernel_or_by_hand(tmp_path, monkeypatch, kernel):
    old, new = tmp_path / "old", tmp_path / "new"
    data = os.urandom(3 * 1024 * 1024 + 7)
    old.write_bytes(data)
    new.touch()  # as `beside` makes it
    plan = replace(len(data), (5, 9, b"label"), (len(data), len(data), b"end"))
    if not kernel:

        def none(*_):
            raise OSError(18, "Invalid cross-device link")

        monkeypatch.setattr(os, "copy_file_range", none)
    save(old, plan, new)
    wanted = data[:5] + b"label" + data[9:] + b"end"
    assert new.read_bytes() == wanted
    save(data, plan, new)
    assert new.read_bytes() == wanted
    with opened(old) as source:
        kept = [part for part in plan if isinstance(part, Keep)]
        assert digest(source, kept) == sha256(data[:5] + data[9:]).hexdigest()


def test_a_file_that_becomes_shorter_while_copied_is_no_copy(tmp_path):
    old = tmp_path / "old"
    old.write_bytes(b"short")
    (tmp_path / "new").touch()
    with pytest.raises(OSError, match="shorter"):
        save(old, [Keep(0, 100)], tmp_path / "new")


def test_what_fails_leaves_no_part_behind(tmp_path):
    target = tmp_path / "a"
    target.write_bytes(b"old")

    def fail():
        with beside(target) as new:
            new.write_bytes(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (target.read_bytes(), names(tmp_path)) == (b"old", ["a"])
    with beside(target) as new:
        new.write_bytes(b"new")
    assert (target.read_bytes(), names(tmp_path)) == (b"new", ["a"])


def test_a_name_as_long_as_a_system_allows_has_room_for_its_part(tmp_path):
    target = tmp_path / ("a" * 251 + ".png")
    with beside(target) as new:
        new.write_bytes(b"new")
    assert target.read_bytes() == b"new"
