"""Ready or not, and why: what `hegui check` says of the settings, the keys and the upstreams."""

import asyncio
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from hegui.evidence.archive import Archive
from hegui.gateway.models import make_client
from hegui.gateway.service import load_lexicon
from hegui.language import N_, Problem, say
from hegui.safety.coverage import coverage
from hegui.settings import Settings, Upstream

_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


class Finding(msgspec.Struct, frozen=True):
    level: Literal["ok", "warn", "bad"]
    message: str
    values: dict[str, Any] = {}

    def say(self, language: str) -> str:
        return say(language, self.message, **self.values)


def findings(settings: Settings) -> list[Finding]:
    """Everything that stands in the way of serving the public, and what is in order."""
    return [*_archive(settings), *_identity(settings), *_lexicon(settings), *_upstreams(settings)]


def _archive(settings: Settings) -> Iterator[Finding]:
    archive = Archive(settings)
    try:
        archive.require_current()
        archive.vault.master  # noqa: B018 (reading it opens the file)
        archive.signer  # noqa: B018 (as above)
        yield Finding("ok", N_("Databases and keys are in order."))
    except Problem as problem:
        yield Finding("bad", problem.message, problem.values)
    finally:
        archive.close()


def _identity(settings: Settings) -> Iterator[Finding]:
    if settings.service.identity == "development":
        level: Literal["warn", "bad"] = "warn" if settings.server.host in _LOCAL else "bad"
        yield Finding(level, N_("Identity: the development adapter proves nobody's identity; the "
                                "public may not be served with it (Cybersecurity Law, Art. 26)."))  # fmt: skip


def _lexicon(settings: Settings) -> Iterator[Finding]:
    from datetime import UTC, datetime

    if settings.moderation.lexicon is None:
        yield Finding("warn", N_("Lexicon: only the sample of invented words; build your own with "
                                 "`hegui lexicon build` and name it in moderation.lexicon."))  # fmt: skip
    try:
        lexicon = load_lexicon(settings.moderation.lexicon)
    except Problem as problem:
        yield Finding("bad", problem.message, problem.values)
        return
    result = coverage(lexicon.entries(), datetime.now(UTC).date())
    message = N_("Lexicon: {count} entries; risks without any: {missing} (TC260-003, 8.1).")
    values = {"count": len(lexicon), "missing": len(result.missing)}
    yield Finding("ok" if result.met else "warn", message, values)


async def _reach(upstream: Upstream) -> str:
    """Connect and ask nothing; returns how that failed, if it did."""
    try:
        client = make_client(upstream)
        await client.reach()
        client.close()
    except Problem as problem:
        return problem.code
    return ""


def _upstreams(settings: Settings) -> Iterator[Finding]:
    for upstream in settings.upstream:
        if upstream.url == "demo:":
            yield Finding("warn", N_("Upstream {name}: the demonstration model; it is not a language "
                                     "model."), {"name": upstream.name})  # fmt: skip
            continue
        yield _reachable(upstream)
        yield from _upstream(upstream)


def _reachable(upstream: Upstream) -> Finding:
    if failure := asyncio.run(_reach(upstream)):
        values = {"name": upstream.name, "code": failure}
        return Finding("warn", N_("Upstream {name} could not be reached ({code}): see that it runs, and "
                                  "that its address and certificates are right."), values)  # fmt: skip
    return Finding("ok", N_("Upstream {name} can be reached."), {"name": upstream.name})


def _upstream(upstream: Upstream) -> Iterator[Finding]:
    name = {"name": upstream.name}
    if upstream.filing:
        values = name | {"filing": upstream.filing}
        yield Finding("ok", N_("Upstream {name}: filing {filing} (IM-7.1: have its proof at hand)."), values)  # fmt: skip
    else:
        yield Finding("warn", N_("Upstream {name}: no filing or registration number is given; IM-7.1 "
                                 "asks for a base model of lawful source."), name)  # fmt: skip
    if not upstream.place:
        yield Finding("warn", N_("Upstream {name}: say in `place` where it runs; outside the mainland, "
                                 "PIPL Art. 38 applies to what is sent there."), name)  # fmt: skip
    elif upstream.place != "CN":
        values = name | {"place": upstream.place}
        yield Finding("warn", N_("Upstream {name} runs in {place}: personal information in a request "
                                 "leaves the mainland (PIPL Art. 38: assessment, contract or "
                                 "certification; a question for counsel)."), values)  # fmt: skip
