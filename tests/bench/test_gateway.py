import json
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bench import gateway, measure, plot

SVG = "{http://www.w3.org/2000/svg}"


def sample(cpu, requests_s=100.0):
    return measure.Sample(
        requests_s=requests_s, p50=200.0, p99=900.0, events_s=5.0, age_p50=1.0, age_p99=2.0, bad=0,
        cpu=cpu, rss=50_000_000,
    )  # fmt: skip


def every_case(*cpus):
    return {case.name: [sample(cpu) for cpu in cpus] for case in measure.CASES}


def test_plain_load_is_judged_by_the_median_and_streams_by_the_best():
    rounds = [sample(30.0), sample(10.0), sample(20.0)]
    assert gateway.cpu(rounds, best=False) == 20.0
    assert gateway.cpu(rounds, best=True) == 10.0
    assert gateway.cpu([sample(None)], best=True) is None


def test_the_table_compares_with_the_yardsticks():
    samples = {
        gateway.DIRECT: every_case(None),
        "nginx": every_case(20.0),
        "LiteLLM": every_case(10_000.0),
        "hegui, all on": every_case(100.0, 200.0, 100.0),
    }
    last = gateway.table(samples).splitlines()[-1].split(" | ")
    assert last[0] == "| hegui, all on"
    assert last[5:8] == ["100", "0.2", "100"]


def test_a_chart_is_wellformed_and_shows_ours_apart():
    text = plot.chart(
        [("CPU < all", [("nginx", 20.0), ("hegui", 140.0), ("LiteLLM", 12_700)])], "hegui"
    )
    root = ET.fromstring(text)
    widths = {each.get("class"): float(each.get("width")) for each in root.iter(f"{SVG}rect")}
    assert 0 < widths["ours"] < widths["bar"] <= plot.WIDTH - plot.LABELS - plot.FIGURES


def test_the_body_asks_for_what_the_case_says():
    plain, burst, paced = (json.loads(measure.body(measure.CASES[n])) for n in (0, 3, 4))
    assert "stream" not in plain
    assert burst["stream"] is True
    assert paced["model"] == "s100i10"
    assert 450 < len(measure.body(measure.CASES[0])) < 600  # bytes


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_stub_and_load_work_together(tmp_path, monkeypatch):
    monkeypatch.setattr(gateway, "BUILD", tmp_path)
    gateway.compile_tools()
    port = measure.free_port()
    with (
        Path(tmp_path / "log").open("wb") as log,
        measure.running([str(tmp_path / "stub"), str(port)], measure.LOAD_CORE, log) as pid,
    ):
        measure.wait_until_ready(pid, port, "key", seconds=10)
        plain, burst = (
            measure.load(tmp_path / "loadgen", measure.CASES[n], port, "key", pid, 0.3, 0.1)
            for n in (1, 3)
        )
    assert plain.bad == burst.bad == 0
    assert plain.requests_s > 100
    assert plain.events_s == 0
    assert burst.events_s > 50 * burst.requests_s
    assert plain.rss


def test_a_gateway_that_ends_is_reported(tmp_path):
    with (
        Path(tmp_path / "log").open("wb") as log,
        measure.running(["false"], measure.LOAD_CORE, log) as pid,
        pytest.raises(RuntimeError, match="ended at once"),
    ):
        measure.wait_until_ready(pid, measure.free_port(), "key", seconds=10)
