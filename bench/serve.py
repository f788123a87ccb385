"""Serve hegui for the bench: a 100,000-word lexicon, one key, the stub as the model.

`python -m bench.serve FOLDER PORT UPSTREAM on|off`; with "off" nothing is written down, which no
setting of the service can do: the difference is what the evidence costs.
"""

import asyncio
import random
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final

from bench.peers import KEY, MODELS
from hegui.evidence.archive import Archive
from hegui.evidence.ledger import now
from hegui.gateway.service import Service
from hegui.people.agreement import Agreements
from hegui.safety.lexicon import Entry as Word
from hegui.safety.lexicon import Lexicon
from hegui.settings import Evidence as EvidenceSettings
from hegui.settings import Limits, Moderation, Server, Settings, Store, Upstream
from hegui.store.tables import api_keys
from hegui.store.writer import Entry, Writer
from hegui.web.run import serve

_WORDS: Final = 100_000
_PLENTY: Final = 1_000_000_000  # requests a minute: the limits run, and never refuse


class _NoWriter(Writer):
    """Takes entries and keeps nothing."""

    def __init__(self) -> None:
        self.is_down = False

    def submit(self, *entries: Entry, check: object = None) -> "asyncio.Future[None]":  # noqa: ARG002
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.set_result(None)
        return future

    def finish(self, *entries: Entry) -> "asyncio.Future[None]":
        return self.submit(*entries)

    def close(self) -> None:
        pass


def _lexicon(path: Path) -> None:
    """Random words of 2 to 8 rare Han characters: none stands in the bench's texts by chance."""
    draw = random.Random(1)
    words = ("".join(chr(draw.randrange(0x8000, 0x9F00)) for _ in range(draw.randrange(2, 9))) for _ in range(_WORDS))  # fmt: skip
    entries = (Word(word, "A.1.f") for word in dict.fromkeys(words))
    path.write_bytes(Lexicon.build(entries, datetime.now(UTC).date()).to_bytes())


def _settings(folder: Path, port: int, upstream: int) -> Settings:
    _lexicon(folder / "words.lexicon")
    return Settings(
        server=Server(port=port),
        store=Store(
            url=f"sqlite:///{folder}/hegui.db",
            vault_url=f"sqlite:///{folder}/vault.db",
            outbox=folder / "outbox",
        ),
        evidence=EvidenceSettings(
            master_key=folder / "master.key",
            signing_key=folder / "ledger.key",
            checkpoint_folder=folder / "checkpoints",
        ),
        moderation=Moderation(lexicon=folder / "words.lexicon"),
        limits=Limits(key_per_minute=_PLENTY, user_per_minute=_PLENTY),
        upstream=(Upstream(name="stub", url=f"http://127.0.0.1:{upstream}/v1", models=(*MODELS, "gpt")),),
    )  # fmt: skip


def _admit(settings: Settings) -> None:
    archive = Archive(settings)
    archive.prepare()
    person = archive.vault.add_person("operator", "bench", now())
    agreements = Agreements(archive)
    agreements.publish_sample()
    agreements.accept(person, agreements.current()[0], "operator")
    account = archive.vault.key_for(person, "account", "all").key_id
    facts = {
        "api_key": "key_bench",
        "digest": sha256(KEY.encode()).hexdigest(),
        "account": account,
        "asserts": "no",
        "public_key": "",
    }
    archive.writer.commit_now(
        Entry("key.created", (), "key_bench", facts, api_keys, person=person, retention="account")
    )
    archive.close()


def main() -> None:
    folder, port, upstream, ledger = (
        Path(sys.argv[1]),
        int(sys.argv[2]),
        int(sys.argv[3]),
        sys.argv[4],
    )
    settings = _settings(folder, port, upstream)
    _admit(settings)
    service = Service(settings)
    if ledger == "off":
        service.archive.writer.close()
        service.archive.__dict__["writer"] = _NoWriter()
    serve(service)


if __name__ == "__main__":
    main()
