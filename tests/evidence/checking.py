"""What the verifier's tests share: two signers, and a check of files put into a folder."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from evidence.make_export import Signer, leaf, write
from hegui.evidence import verifier
from hegui.evidence.verifier import Report, verify_export

SOURCE = Path(verifier.__file__)
# A fixed key, so that the names of parametrised tests are the same in every worker.
SIGNER = Signer(private=Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
STRANGER = Signer(name="someone-else.example.cn")


def check(folder, files, *kept: str, key: str | None = SIGNER.vkey) -> Report:
    write(folder / "export", files)
    names = []
    for number, text in enumerate(kept):
        names.append(folder / f"kept{number}")
        names[-1].write_text(text)
    return verify_export(folder / "export", key, names)


def codes(report: Report) -> list[tuple[str, str, int | None]]:
    return [(remark.code, remark.file, remark.seq) for remark in report.findings]


def checkpoint(entries, signer=SIGNER, **options) -> str:
    return signer.checkpoint([leaf(entry) for entry in entries], **options)
