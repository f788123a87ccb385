"""What the register's pages cost with a large ledger: `python -m bench.register [ENTRIES]`.

The ledger holds exchanges, two entries each; the checks count them once, as `hegui tick` does; then
each page is asked for as a browser asks, without the network, and the median of several counts.
"""

import gc
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from starlette.testclient import TestClient

from bench.gateway import machine
from bench.ledger import PAGE, exchange_id
from bench.pages import put
from hegui.evidence import counting
from hegui.evidence.archive import Archive
from hegui.gateway.service import Service
from hegui.people.agreement import Agreements
from hegui.people.staff import make_link
from hegui.settings import Evidence, Settings, Store
from hegui.store.tables import exchanges, outcomes
from hegui.store.writer import Entry
from hegui.web.app import Application

ENTRIES: Final = 1_000_000
PAGES: Final = {
    "home": "/staff",
    "home, one state": "/staff?state=partly",
    "a duty": "/staff/duty/IM-12",
    "what is due": "/staff/calendar",
    "what changed": "/staff/changes",
    "exchanges": "/staff/exchanges",
}
ASKED: Final = 15  # times each page is asked for
TARGET_MS: Final = 150
_AT_ONCE: Final = 250  # exchanges in one unit of work


def pair() -> tuple[Entry, Entry]:
    """An exchange as the gateway records it, without a body: nothing here reads one."""
    name = exchange_id()
    began = {"exchange": name, "api_key": "key_bench", "route": "/v1/chat/completions",
             "model": "m", "stream": False, "instance": "i", "ran": "identity agreement limits moderation"}  # fmt: skip
    ended = dict.fromkeys(("control", "category", "reason", "lexicon"), "") | {
        "exchange": name, "state": "finished", "route": "/v1/chat/completions",
        "label": "v", "watched": "moderation",
    }  # fmt: skip
    return (
        Entry("exchange.admitted", ("IM-9.3",), name, began, exchanges),
        Entry("exchange.finished", ("IM-12",), name, ended, outcomes),
    )


def fill(archive: Archive, count: int) -> None:
    for done in range(0, count // 2, _AT_ONCE):
        entries = [entry for _ in range(min(_AT_ONCE, count // 2 - done)) for entry in pair()]
        archive.writer.commit_now(*entries)


def measure(settings: Settings) -> tuple[float, dict[str, float]]:
    """Seconds that counting takes, and the median milliseconds of each page."""
    service = Service(settings)
    began = time.perf_counter()
    while counting.count(service.archive):
        pass
    counted = time.perf_counter() - began
    found = {}
    own = {"sec-fetch-site": "same-origin", "accept-language": "zh"}
    with TestClient(Application(service), headers=own) as browser:
        browser.post(f"/staff/enter/{make_link(service.archive)}")
        gc.collect()
        for name, path in PAGES.items():
            assert browser.get(path).status_code == 200, path
            found[name] = statistics.median(_timed(browser, path) for _ in range(ASKED))
    return counted, found


def _timed(browser: TestClient, path: str) -> float:
    began = time.perf_counter()
    browser.get(path)
    return (time.perf_counter() - began) * 1000


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(
            store=Store(url=f"sqlite:///{folder}/hegui.db", vault_url=f"sqlite:///{folder}/vault.db",
                        outbox=folder / "outbox"),
            evidence=Evidence(master_key=folder / "master.key", signing_key=folder / "ledger.key",
                              checkpoint_folder=folder / "checkpoints"),
        )  # fmt: skip
        archive = Archive(settings)
        archive.prepare()
        Agreements(archive).publish_sample()
        fill(archive, count)
        archive.close()
        counted, found = measure(settings)
    rows = [
        f"| {name} | {ms:.0f} | {'met' if ms <= TARGET_MS else 'missed'} |"
        for name, ms in found.items()
    ]
    text = "\n".join([
        f"Measured on {machine()}. A ledger of {count:,} entries on SQLite; all checks counted them in {counted:.1f} s, once.",
        "",
        f"| page | median ms at the server | target {TARGET_MS} ms |",
        "|---|---|---|",
        *rows,
    ])  # fmt: skip
    put(PAGE, "register", text)
    print(text)


if __name__ == "__main__":
    main()
