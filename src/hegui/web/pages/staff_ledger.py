"""The ledger as staff see it: what it holds, a verification of the whole, one entry and its proof."""

import base64
import time
from collections import Counter
from typing import Any, Final

import msgspec
from sqlalchemy import LargeBinary, cast, select
from starlette.requests import Request
from starlette.responses import Response

from hegui.evidence import checkpoints
from hegui.evidence.archive import Archive
from hegui.evidence.ledger import now, read_head
from hegui.evidence.merkle import Edge, leaf_hash, root_from_inclusion
from hegui.evidence.proofs import entry_bytes, prove
from hegui.evidence.verify import verify
from hegui.language import Problem
from hegui.store.tables import entries, ledger_head
from hegui.web.render import beijing, page, service_of
from hegui.web.routing import Missing

_BATCH: Final = 2_000  # rows fetched at once


def ledger_page(
    request: Request, staff: dict[str, str], result: dict[str, Any] | None = None
) -> Response:
    """The page of the ledger, with the result of a verification if one was asked for."""
    told = _ledger(service_of(request).archive)
    return page(request, "staff/ledger.html", ledger=told, result=result, staff=staff)


def verify_page(request: Request, staff: dict[str, str]) -> Response:
    """Verify the whole ledger, then show what was found."""
    started, at = time.monotonic(), beijing(now())
    report = verify(service_of(request).archive, lambda _done, _total: None)
    result = {
        "ok": report.verified,
        "at": at,
        "seconds": time.monotonic() - started,
        "findings": [finding.say(request.state.language) for finding in report.findings],
    }
    return ledger_page(request, staff, result)


def entry_page(request: Request, staff: dict[str, str]) -> Response:
    """One entry: the head that was hashed, and the proof that it stands in the ledger."""
    given, archive = request.path_params["seq"], service_of(request).archive
    seq = int(given) if given.isascii() and given.isdecimal() and len(given) < 19 else -1
    try:
        proof = proof_of(archive, seq)
        with archive.store.read() as connection:
            told = _told(entry_bytes(connection, seq))
    except Problem as problem:
        raise Missing(problem.code, problem.message, **problem.values) from problem
    return page(request, "staff/entry.html", seq=seq, entry=told, proof=proof, staff=staff)


def _told(head: bytes) -> dict[str, Any]:
    """An entry for reading; of a damaged one only the text is left."""
    try:
        found = read_head(head)
    except msgspec.MsgspecError:
        return {"kind": "?", "at": "", "carries": (), "text": head.decode(errors="replace")}
    text = msgspec.json.format(head, indent=2).decode()
    return {"kind": found.kind, "at": beijing(found.time), "carries": found.carries, "text": text}


def proof_of(archive: Archive, seq: int) -> dict[str, Any]:
    """Prove the entry, and follow the proof to the root as an outsider would."""
    proof, _, note = prove(archive, seq).partition("\n\n")
    checkpoint = archive.signer.open(note)
    path = [base64.b64decode(line) for line in proof.splitlines()[2:]]
    with archive.store.read() as connection:
        leaf = leaf_hash(entry_bytes(connection, seq))
    ok = root_from_inclusion(leaf, seq, checkpoint.size, path) == checkpoint.root
    return {"entry": seq, "size": checkpoint.size, "root": checkpoint.root.hex(), "ok": ok}


def _ledger(archive: Archive) -> dict[str, Any]:
    with archive.store.read() as connection:
        head = connection.execute(select(ledger_head)).one()
    root = Edge(head.size, bytes(head.edge)).root().hex()
    note = checkpoints.latest(archive)
    return {"size": head.size, "root": root, "checkpoint": note, "kinds": _kinds(archive)}


def _kinds(archive: Archive) -> list[dict[str, Any]]:
    """Entries by kind. Heads are searched, not decoded: a damaged one must not break the page."""
    counts: Counter[str] = Counter()
    query = select(cast(entries.c.head, LargeBinary))
    with archive.store.read() as connection:
        for head in connection.execution_options(yield_per=_BATCH).execute(query).scalars():
            kind = bytes(head).partition(b'"kind":"')[2].partition(b'"')[0]
            counts[kind.decode(errors="replace") or "?"] += 1
    return [{"kind": kind, "count": count} for kind, count in counts.most_common()]
