"""Hostile files: whatever comes, verification gives a report and writing a file that verifies, or a Problem."""

import os
from collections import Counter
from functools import partial
from multiprocessing import get_context

import pytest

from hegui.labels import verify
from hegui.labels.carriers import CARRIERS
from labels.mutations import FAMILIES, FILES, WRITE_EVERY, Hang, run, within
from soaking import publish

BOUNDED = 400
LONG = 1_000_000
_CHUNK = 5_000


def test_every_carrier_has_its_files():
    # A plain text has its label in a file beside it, which is the family "sidecar".
    assert {carrier.name for carrier in CARRIERS} - {"text"} == set(FAMILIES)
    assert sum(map(len, FILES.values())) < 300_000
    for name, data in FILES.items():
        assert verify(data, name).carrier == name.partition("-")[0]


def test_what_hangs_is_broken_off():
    def hang():
        with within(0.05):
            while True:
                pass

    with pytest.raises(Hang):
        hang()


@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_files_are_read_and_written_or_refused(family):
    counts, findings, _ = run(family, range(BOUNDED))
    assert findings == {}
    assert counts.total() == BOUNDED
    assert counts["read"] == BOUNDED - BOUNDED // WRITE_EVERY


@pytest.mark.soak
@pytest.mark.parametrize("family", FAMILIES)
def test_a_million_hostile_files_are(family):
    chunks = [range(start, start + _CHUNK) for start in range(0, LONG, _CHUNK)]
    counts: Counter[str] = Counter()
    findings: dict[int, str] = {}
    longest = 0.0
    with get_context("fork").Pool(os.cpu_count()) as pool:
        for some, found, slowest in pool.imap_unordered(partial(run, family), chunks):
            counts += some
            findings |= found
            longest = max(longest, slowest)
    # Shown whole: a number makes its input again (`mutations.hostile`).
    print(family, dict(counts), f"{longest:.3f} s", dict(sorted(findings.items())[:40]))  # noqa: T201
    assert findings == {}
    assert counts.total() == LONG
    publish(
        f"hostile files, {family}",
        f"{LONG:,} mutated inputs: {LONG:,} reports, none later than {longest * 1000:.0f} ms; "
        f"{LONG // WRITE_EVERY:,} writes: {counts['written']:,} read back, "
        f"{counts['refused']:,} refused, {counts['caught']:,} taken back by the read-back",
    )
