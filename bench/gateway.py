"""Measure hegui beside nginx and LiteLLM: `make bench`, or `python -m bench.gateway --help`.

The gateway under test has core 0 for itself; stub (stub.c) and load (loadgen.c) share the other.
Rounds are interleaved, so that a noisy neighbour hits everybody. Requests a second are those of
the best round; CPU for each request is the median, CPU for each event of a stream the best.
"""

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench import measure, peers, plot
from bench.measure import CASES, Sample

BUILD: Final = Path(__file__).parent / "build"
DOCS: Final = peers.ROOT / "docs"
MARKS: Final = ("<!-- gateway:begin (made by make bench) -->", "<!-- gateway:end -->")
DIRECT: Final = "(direct to the stub)"
OURS: Final = "hegui"

Samples = dict[str, dict[str, list[Sample]]]  # peer → case → rounds


def main() -> None:
    """Measure, and write bench/build/gateway.json, docs/bench.md and docs/bench-gateway.svg."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one window")
    parser.add_argument("--warm-up", type=float, default=1.5, help="seconds before each window")
    parser.add_argument("--only", help="measure the peers whose name begins so")
    options = parser.parse_args()
    compile_tools()
    chosen = [p for p in peers.peers() if p.name.startswith(options.only or "")]
    with contextlib.ExitStack() as stack:
        ports, missing = start_all(stack, chosen)
        samples = run_rounds(ports, options.rounds, options.seconds, options.warm_up)
    versions = {p.name: p.version() for p in chosen if p.name in ports}
    result = {"machine": machine(), "versions": versions, "missing": missing, "samples": samples}
    (BUILD / "gateway.json").write_text(json.dumps(result, indent=1, default=str) + "\n")
    if not options.only:
        publish(samples, versions, missing, options)
    print(table(samples))
    for name, reason in missing.items():
        print(f"{name} was not measured: {reason}", file=sys.stderr)


def compile_tools() -> None:
    """Build the C tools; a Python load generator would be the slowest part of the chain."""
    BUILD.mkdir(exist_ok=True)
    for name in ("stub", "loadgen"):
        source = Path(__file__).with_name(f"{name}.c")
        subprocess.run(["cc", "-O2", "-o", BUILD / name, source], check=True)


def start_all(
    stack: contextlib.ExitStack, chosen: list[peers.Peer]
) -> tuple[dict[str, tuple[int, int | None]], dict[str, str]]:
    """Start the stub and the peers; return port and process id of each, and who did not start."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hegui-bench-")))
    folder.chmod(0o755)  # nginx, started by root, works as another user
    upstream = measure.free_port()
    log = stack.enter_context((folder / "stub.log").open("wb"))
    stack.enter_context(
        measure.running([str(BUILD / "stub"), str(upstream)], measure.LOAD_CORE, log)
    )
    ports: dict[str, tuple[int, int | None]] = {DIRECT: (upstream, None)}
    missing: dict[str, str] = {}
    for peer in chosen:
        print(f"starting {peer.name} ...", file=sys.stderr)
        home = folder / peer.name.replace(" ", "-").replace(",", "")
        home.mkdir()
        try:
            ports[peer.name] = start(stack, peer, home, upstream)
        except (RuntimeError, OSError) as reason:
            missing[peer.name] = str(reason)
    return ports, missing


def start(
    stack: contextlib.ExitStack, peer: peers.Peer, home: Path, upstream: int
) -> tuple[int, int]:
    """Start one peer; if it does not come up, raise RuntimeError with the end of its log."""
    port = measure.free_port()
    command, environment = peer.prepare(home, port, upstream)
    log_path = home / "log"
    log = stack.enter_context(log_path.open("wb"))
    with contextlib.ExitStack() as attempt:
        pid = attempt.enter_context(
            measure.running(command, measure.GATEWAY_CORE, log, environment)
        )
        try:
            measure.wait_until_ready(pid, port, peers.KEY, seconds=120)
        except RuntimeError as reason:
            said = log_path.read_text(errors="replace").strip().splitlines()[-3:]
            raise RuntimeError(f"{reason}; its log ends: {' / '.join(said)}") from None
        stack.enter_context(attempt.pop_all())
    return port, pid


def run_rounds(
    ports: dict[str, tuple[int, int | None]], rounds: int, seconds: float, warm_up: float
) -> Samples:
    samples: Samples = {name: {case.name: [] for case in CASES} for name in ports}
    for turn in range(rounds):
        for case in CASES:
            print(f"round {turn + 1} of {rounds}: {case.name}", file=sys.stderr)
            for name, (port, pid) in ports.items():
                sample = measure.load(
                    BUILD / "loadgen", case, port, peers.KEY, pid, seconds, warm_up
                )
                samples[name][case.name].append(sample)
    return samples


def cpu(rounds: list[Sample], *, best: bool) -> float | None:
    """CPU microseconds a unit: the median of the rounds, or the least disturbed of them."""
    known = [sample.cpu for sample in rounds if sample.cpu is not None]
    if not known:
        return None
    return min(known) if best else statistics.median(known)


def table(samples: Samples) -> str:
    """Return the results as a Markdown table."""
    yard = {name: cpu(samples[name]["plain 16"], best=False) for name in samples}
    heads = [
        *("gateway", "added p50 at 1, ms", "req/s 16", "p50/p99 ms at 16", "req/s 64"),
        *("CPU µs/request (16)", "of nginx", "× LiteLLM", "burst events/s"),
        *("CPU µs/event burst / paced", "age p50/p99 ms paced", "RSS MB", "bad"),
    ]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_row(name, samples, yard)) + " |" for name in samples]
    return "\n".join(lines)


def _row(name: str, samples: Samples, yard: dict[str, float | None]) -> list[str]:
    mine = samples[name]
    best = {case: max(rounds, key=lambda s: s.requests_s) for case, rounds in mine.items()}
    sixteen, paced = best["plain 16"], min(mine["paced 64"], key=lambda s: s.age_p50)
    lowest = min(s.p50 for s in mine["plain 1"])
    added = lowest - min(s.p50 for s in samples[DIRECT]["plain 1"])
    streams = [cpu(mine[case], best=True) for case in ("burst 16", "paced 64")]
    memory = [s.rss for rounds in mine.values() for s in rounds if s.rss]
    return [
        name,
        f"{added / 1e3:.2f}",
        f"{sixteen.requests_s:,.0f}",
        f"{sixteen.p50 / 1e3:.2f}/{sixteen.p99 / 1e3:.1f}",
        f"{best['plain 64'].requests_s:,.0f}",
        _figure(yard[name]),
        _ratio(yard.get("nginx"), yard[name]),
        _ratio(yard.get("LiteLLM"), yard[name]),
        f"{max(s.events_s for s in mine['burst 16']):,.0f}",
        " / ".join(_figure(value) for value in streams),
        f"{paced.age_p50 / 1e3:.2f}/{paced.age_p99 / 1e3:.1f}",
        f"{max(memory) / 1e6:.0f}" if memory else "-",
        str(sum(s.bad for rounds in mine.values() for s in rounds)),
    ]


def _figure(value: float | None) -> str:
    return "-" if value is None else plot.figure(value)


def _ratio(other: float | None, mine: float | None) -> str:
    return _figure(other / mine) if other and mine else "-"


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    # What else the machine did decides how far requests a second can be trusted.
    busy = f"load average {os.getloadavg()[2]:.1f} over the last 15 minutes"
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}, {busy}"


def publish(
    samples: Samples, versions: dict[str, str], missing: dict[str, str], how: argparse.Namespace
) -> None:
    """Write the table between its marks in docs/bench.md, and the chart beside it."""
    setting = (
        f"Measured on {machine()}; {how.rounds} interleaved rounds of {how.seconds:g} s "
        f"after {how.warm_up:g} s of warm-up. "
        f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}."
    )
    absent = [f"Not measured in this run: {name}." for name in missing]
    chart = "![CPU time for each request and each event](bench-gateway.svg)"
    text = "\n\n".join([setting, *absent, table(samples), chart])
    page = (DOCS / "bench.md").read_text()
    before, _, rest = page.partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    (DOCS / "bench.md").write_text(f"{before}{MARKS[0]}\n{text}\n{MARKS[1]}{after}")
    (DOCS / "bench-gateway.svg").write_text(plot.chart(panels(samples), OURS))


def panels(samples: Samples) -> list[plot.Panel]:
    """Return what the chart shows: CPU for a request, and for an event of a burst."""
    shown = {
        "CPU time for each request, 16 connections (µs, logarithmic)": ("plain 16", False),
        "CPU time for each event of a burst, 16 streams (µs, logarithmic)": ("burst 16", True),
    }
    result: list[plot.Panel] = []
    for title, (case, best) in shown.items():
        bars = [(name, cpu(samples[name][case], best=best)) for name in samples]
        result.append((title, [(name, value) for name, value in bars if value]))
    return result


if __name__ == "__main__":
    main()
