"""Start a gateway on a core of its own, load it from another, and read what it cost."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Final, NamedTuple

TICKS: Final = os.sysconf("SC_CLK_TCK")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")
PATH: Final = "/v1/chat/completions"
CORES: Final = sorted(os.sched_getaffinity(0))
GATEWAY_CORE: Final = CORES[0]
LOAD_CORE: Final = CORES[-1]

QUESTION: Final = (
    "请为我介绍一下如何在提供生成式人工智能服务时保护用户的个人信息，并给出三条可执行的建议。"
    "Please answer briefly and keep the tone neutral. "
)


class Case(NamedTuple):
    """One kind of load: connections, and the body that each request carries."""

    name: str
    connections: int
    model: str
    stream: bool


CASES: Final = (
    Case("plain 1", 1, "s100i0", stream=False),
    Case("plain 16", 16, "s100i0", stream=False),
    Case("plain 64", 64, "s100i0", stream=False),
    Case("burst 16", 16, "s100i0", stream=True),
    Case("paced 64", 64, "s100i10", stream=True),
)


class Sample(NamedTuple):
    """One window of load. Times in microseconds, memory in bytes.

    `cpu` is CPU time of the gateway's whole process tree for each request, or each event of a
    stream; None where there is no gateway.
    """

    requests_s: float
    p50: float
    p99: float
    events_s: float
    age_p50: float
    age_p99: float
    bad: int
    cpu: float | None
    rss: int | None


def body(case: Case) -> bytes:
    """Return the request of a case: half a kilobyte, Chinese and English."""
    system = "你是一个有帮助的助手。You are a helpful assistant."
    content: dict[str, object] = {
        "model": case.model,
        "messages": [
            {"role": "system", "content": system},
            {"role": "user", "content": QUESTION * 2},
        ],
        "temperature": 0.7,
    }
    if case.stream:
        content["stream"] = True
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextlib.contextmanager
def running(
    command: Sequence[str], core: int, log: IO[bytes], environment: dict[str, str] | None = None
) -> Iterator[int]:
    """Run a command pinned to a core and yield its process id; its whole group ends with it."""
    process = subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(environment or {})},
        start_new_session=True,
    )
    try:
        yield process.pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_until_ready(pid: int, port: int, key: str, seconds: float) -> None:
    """Return when the gateway answers a chat request with 200.

    Raises RuntimeError if it ends before, or does not answer in time.
    """
    deadline = time.monotonic() + seconds
    status: object = "no connection"
    while time.monotonic() < deadline:
        if not tree(pid):
            raise RuntimeError("it ended at once")
        try:
            status = _ask(port, key)
        except OSError:
            time.sleep(0.1)
            continue
        if status == http.client.OK:
            return
        time.sleep(0.2)
    raise RuntimeError(f"no answer in {seconds:g} s (last: {status})")


def _ask(port: int, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    with contextlib.closing(connection):
        connection.request("POST", PATH, body(CASES[0]), headers)
        return connection.getresponse().status


def tree(pid: int) -> list[list[str]]:
    """Return the fields of /proc/N/stat after the name, for a process and all its descendants."""
    found: dict[int, list[str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = (entry / "stat").read_text().rpartition(")")[2].split()
    wanted, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        if parent in found and found[parent][0] != "Z":
            wanted.append(found[parent])
            waiting += [child for child, fields in found.items() if int(fields[1]) == parent]
    return wanted


def cpu_seconds(processes: list[list[str]]) -> float:
    return sum(int(fields[11]) + int(fields[12]) for fields in processes) / TICKS


def resident(processes: list[list[str]]) -> int:
    return sum(int(fields[21]) for fields in processes) * PAGE


def load(
    loadgen: Path, case: Case, port: int, key: str, pid: int | None, seconds: float, warm_up: float
) -> Sample:
    """Load a port for `seconds` after `warm_up` and return what was seen and what it cost."""
    body_file = loadgen.parent / f"{case.name.replace(' ', '-')}.json"
    body_file.write_bytes(body(case))
    arguments = [str(port), PATH, str(case.connections), str(seconds), str(warm_up)]
    process = subprocess.Popen(
        ["taskset", "-c", str(LOAD_CORE), loadgen, *arguments, body_file, key],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    with process:
        process.stdout.readline()  # the end of the warm-up
        before = tree(pid) if pid else []
        line = process.stdout.readline()
        after = tree(pid) if pid else []
    if process.returncode or not line:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    return _sample(case, json.loads(line), before, after)


def _sample(
    case: Case, seen: dict[str, float], before: list[list[str]], after: list[list[str]]
) -> Sample:
    units = seen["chunks"] if case.stream else seen["reqs"]
    spent = cpu_seconds(after) - cpu_seconds(before)
    return Sample(
        requests_s=seen["rps"],
        p50=seen["lat_p50"],
        p99=seen["lat_p99"],
        events_s=seen["cps"],
        age_p50=seen["age_p50"],
        age_p99=seen["age_p99"],
        bad=int(seen["non200"] + seen["errs"]),
        cpu=spent / units * 1e6 if after and units else None,
        rss=resident(after) if after else None,
    )
