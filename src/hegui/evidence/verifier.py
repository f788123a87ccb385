"""Verify an exported ledger offline: one file, standard library only, Python 3.8 or later.

Usage: ``python -I verify.py EXPORT --key KEY [--checkpoint FILE ...] [--json]``

An export (a folder or a .zip) holds entries of an append-only ledger, the signed checkpoint over
them, and sealed bodies, disclosed keys and single proofs as far as the operator handed them over.
Nothing inside the export is trusted: the public key and any earlier checkpoint come from elsewhere.
Exit codes: 0 verified, 1 findings, 2 unreadable input, 3 no key.

Formats: RFC 6962 (tree), RFC 8032 (Ed25519), C2SP signed-note, tlog-checkpoint, tlog-tiles and
tlog-proof. The file is longer than others of hegui because it must stand alone, texts included.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import json
import os
import re
import stat
import struct
import sys
import zipfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Point = tuple[int, int, int, int]  # X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z

TILE = 256  # hashes or entries in a full tile (C2SP tlog-tiles)
MAX_NOTE = 256 * 1024  # bytes of a checkpoint, a proof, or a key file
MAX_ENTRY = 65_535  # bytes; the length prefix has 16 bits
MAX_BUNDLE = TILE * (MAX_ENTRY + 2)  # bytes of a full entry bundle
MAX_FILES = 4_000_000  # files in an export
MAX_DEPTH = 16  # folders within folders
MAX_DIRECTORY = 128 * 1024 * 1024  # bytes of a zip's table of contents, read at once by zipfile
MAX_TOTAL = 512 * 1024**3  # bytes read from one export; stops a zip that unpacks without end
MAX_LISTED = 200  # findings, warnings and open exchanges kept one by one; the rest is counted
MAX_SIGNATURES = 64  # signature lines of one note

EMPTY_ROOT = hashlib.sha256(b"").digest()
KEY_COMMITMENT = b"hegui/key-commitment/v1\x00"
FIELDS = {"v", "time", "kind", "carries", "subject", "body", "key", "commit", "facts"}
ADMITTED = "exchange.admitted"
OUTCOMES = ("exchange.finished", "exchange.interrupted")
ENTRIES = -1  # the level under which entry bundles are filed beside the hash tiles

# What a damaged or hostile file can raise while it is opened, unpacked or decoded.
DAMAGE = (
    OSError, EOFError, ValueError, RuntimeError, LookupError, ArithmeticError, MemoryError,
    struct.error, zlib.error, zipfile.BadZipFile,
)  # fmt: skip

# Every message as: code | English | Chinese.
_TEXTS = """
title | Ledger export {path} | 账本导出件 {path}
verified | VERIFIED: nothing checked here contradicts the signature of {signer}. | 核验通过：所核验内容与 {signer} 的签名一致。
findings | NOT VERIFIED: {count} finding(s), listed below. | 核验未通过：发现 {count} 项问题，详见下文。
unreadable | CANNOT BE READ, nothing is proved. | 无法读取，未能证明任何事项。
keyless | NOTHING IS PROVED ABOUT WHO SIGNED: no key was given. Ask for the public key elsewhere than from this export and give it with --key. | 未能证明签名人身份：未提供公钥。请从本导出件以外的渠道取得公钥，并用 --key 给出。
whole | Ledger {origin}: all {entries} entries were read; root {root}. | 账本 {origin}：已读取全部 {entries} 条记录；树根 {root}。
single | Ledger {origin}: only single entries ({proofs}) are proved. The export does not show that none is missing. | 账本 {origin}：仅证明单条记录（{proofs} 条），不能证明没有遗漏。
counts | Sealed bodies matched: {bodies}. Disclosed keys matched: {keys}. Proofs checked: {proofs}. Checkpoints kept outside and confirmed: {kept}. | 封存内容相符：{bodies}；披露密钥相符：{keys}；已核验证明：{proofs}；与外部留存检查点一致：{kept}。
none-kept | No checkpoint kept outside was compared: a ledger rebuilt from the start and signed again by its operator would not be noticed. | 未与外部留存的检查点比对：若运营者从头重建账本并重新签名，本工具无法发现。
other | {count} file(s) of the export are not covered by the ledger. | 导出件中有 {count} 个文件不在账本证明范围内。
open | Exchanges admitted and still open: {count} | 已受理、尚无结果的交互：{count}
finding | Findings | 问题
warning | Warnings | 提示
more | ... and {count} more | ……另有 {count} 项
absent | There is no such file or folder. Give the folder of the export or its .zip. | 文件或文件夹不存在。请给出导出件所在文件夹或 .zip 文件。
no-zip | This is neither a folder nor a readable .zip. Fetch the export again. | 既不是文件夹，也不是可读取的 .zip。请重新获取导出件。
damaged | The file cannot be read ({reason}). Fetch the export again. | 文件无法读取（{reason}）。请重新获取导出件。
too-big | The file is larger than {limit} bytes, more than the format allows. | 文件超过 {limit} 字节，超出格式允许的上限。
too-many | The export holds more files, deeper folders or more bytes than this verifier will read. If it is a .zip, unpack it and give the folder; else ask for parts. | 导出件的文件数、目录层级或字节数超出本工具上限。如为 .zip，请解压后给出文件夹，否则请分批索取。
unsafe-name | The .zip holds an unsafe, repeated, linked or encrypted name. Ask for a plain archive. | 压缩包中含有不安全、重复、链接或加密的条目。请索取普通压缩包。
not-plain | A link or special file stands in the export. Copy plain files only. | 导出件中有链接或特殊文件。请仅复制普通文件。
inside | This file lies inside the export, so it proves nothing. Use one obtained elsewhere. | 该文件位于导出件之内，不具证明力。请使用从其他渠道取得的文件。
bad-key | This is no Ed25519 verifier key NAME+HASH+BASE64, nor a file that holds one. | 不是 名称+哈希+BASE64 形式的 Ed25519 公钥，也不是含有该公钥的文件。
no-checkpoint | There is no file named checkpoint, so nothing says what the entries should be. Give the folder that holds it, or ask for it. | 没有名为 checkpoint 的文件，无从核对记录。请给出其所在文件夹，或向运营者索取。
bad-note | This is no signed checkpoint in the C2SP text form. | 不是 C2SP 文本格式的签名检查点。
surprise | The verifier stopped on something it cannot handle ({reason}). | 核验工具遇到无法处理的情况而停止（{reason}）。
bad-signature | The checkpoint is not signed by the given key. | 检查点不是由所给公钥签名。
other-ledger | The checkpoint belongs to another ledger, {origin}. | 该检查点属于另一账本 {origin}。
shortened | The checkpoint covers {size} entries, the export only {have}: the ledger was shortened, or the export is older. | 该检查点覆盖 {size} 条记录，导出件仅有 {have} 条：账本被截短，或导出件较旧。
rewritten | The first {size} entries do not hash to the root of this checkpoint: the ledger was changed after it was signed. | 前 {size} 条记录与该检查点的树根不符：账本在签名后被改动。
forked | Two signed checkpoints over {size} entries have different roots: two versions of the ledger exist. | 存在两份覆盖 {size} 条记录但树根不同的签名检查点：账本有两个版本。
not-comparable | This export holds no entries, so the checkpoint over {size} entries cannot be compared. Ask for the entries. | 导出件不含记录，无法与覆盖 {size} 条记录的检查点比对。请索取记录。
nothing-shown | The checkpoint covers {size} entries, but the export holds neither entries nor proofs. | 检查点覆盖 {size} 条记录，但导出件既无记录也无证明。
missing | The entries from {start} on are missing; checking stopped here. | 自第 {start} 条起的记录缺失，核验至此停止。
bad-bundle | The bundle is malformed or holds a wrong number of entries; checking stopped here. | 记录包格式错误或条数不符，核验至此停止。
bundle-differs | Two files give different bytes for the same entries. | 两个文件对同一批记录给出不同内容。
tile-differs | The tile does not agree with the entries. | 哈希片与记录不符。
head | The entry is no well-formed head ({reason}). | 记录头格式不正确（{reason}）。
body-differs | The sealed body is not the one recorded. | 封存内容与记录不符。
key-differs | The disclosed key is not the one committed to. | 披露的密钥与承诺值不符。
no-entry | No entry of this export belongs to this file. | 导出件中没有与该文件对应的记录。
bad-proof | The proof is malformed. | 证明文件格式错误。
proof-index | The proof is for entry {index}. | 该证明对应的是第 {index} 条记录。
proof-fails | The entry is not in the tree that the checkpoint signs. | 该记录不在检查点所签名的树中。
admitted-twice | Exchange {subject} was admitted before. | 交互 {subject} 此前已受理。
outcome-twice | Exchange {subject} has more than one outcome. | 交互 {subject} 有多于一个结果。
time-back | The time {time} lies before that of an earlier entry. | 时间 {time} 早于在前记录的时间。
no-admission | Exchange {subject} has an outcome but was never admitted. | 交互 {subject} 有结果但无受理记录。
beyond | This reaches beyond the checkpoint and is not proved. | 该内容超出检查点范围，未获证明。
"""
TEXTS = {
    code: (english, chinese)
    for code, english, chinese in (row.split(" | ") for row in _TEXTS.strip().splitlines())
}


class Refused(Exception):  # noqa: N818 (a refusal of evidence, not a fault of the program)
    """Something does not hold; `code` names a row of TEXTS."""

    def __init__(self, code: str, file: str = "", **values: object) -> None:
        super().__init__(code)
        self.remark = Remark(code, file, None, values)


class Unreadable(Refused):
    """The input cannot be read at all; the run ends with exit code 2."""


class Remark(NamedTuple):
    """One finding or warning: what, in which file, at which sequence number."""

    code: str
    file: str
    seq: int | None
    values: dict[str, object]

    def say(self, language: int) -> str:
        entry = ("entry {}", "第 {} 条")[language].format(self.seq)
        where = [_clean(self.file)] * bool(self.file) + [entry] * (self.seq is not None)
        sep = (": ", "：")[language]
        return ", ".join(where) + sep * bool(where) + _say(language, self.code, **self.values)


@dataclass
class Report:
    """What was checked and what was found; `exit_code` sums it up."""

    path: str
    signer: str = ""  # name and hash of the key; empty when none was given
    origin: str = ""
    size: int = 0  # entries the export's checkpoint covers
    root: str = ""  # hex root computed from the entries
    whole: bool = False  # every entry under the checkpoint was read
    entries: int = 0
    bodies: int = 0
    keys: int = 0
    proofs: int = 0
    kept: int = 0  # checkpoints kept outside that the export confirms
    other: int = 0  # files the ledger says nothing about
    open_count: int = 0
    finding_count: int = 0
    warning_count: int = 0
    findings: list[Remark] = field(default_factory=list)
    warnings: list[Remark] = field(default_factory=list)
    open: list[tuple[int, str]] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        if not self.signer:
            return 3
        return 1 if self.finding_count else 0

    def find(self, code: str, file: str = "", seq: int | None = None, **values: object) -> None:
        self.add(Remark(code, file, seq, values))

    def add(self, remark: Remark) -> None:
        self.finding_count += 1
        if len(self.findings) < MAX_LISTED:
            self.findings.append(remark)

    def warn(self, code: str, file: str = "", seq: int | None = None, **values: object) -> None:
        self.warning_count += 1
        if len(self.warnings) < MAX_LISTED:
            self.warnings.append(Remark(code, file, seq, values))


# --- Ed25519 (RFC 8032, section 5.1) ---

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def _add(p: Point, q: Point) -> Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % P
    b = (p[1] + p[0]) * (q[1] + q[0]) % P
    c = 2 * p[3] * q[3] * D % P
    d = 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _times(scalar: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _point(encoded: bytes) -> Point | None:
    """Decode a point; None for a non-canonical or off-curve encoding, or one of small order."""
    number = int.from_bytes(encoded, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    x = P - x if x & 1 != sign else x
    point = (x, y, 1, x * y % P)
    eight = _times(8, point)
    # A point of small order as key or nonce lets one signature fit many messages. The points with
    # x = 0, whose sign bit could be written in two ways, are among them.
    return None if eight[0] == 0 and eight[1] == eight[2] else point


def verify_signature(public: bytes, message: bytes, signature: bytes) -> bool:
    """Check an Ed25519 signature (RFC 8032 5.1.7) strictly: canonical, no cofactor, no small order."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key, nonce = _point(public), _point(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or nonce is None or scalar >= ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public + message).digest()
    left = _times(scalar, BASE)
    right = _add(nonce, _times(int.from_bytes(digest, "little") % ORDER, key))
    return not (
        (left[0] * right[2] - right[0] * left[2]) % P
        or (left[1] * right[2] - right[1] * left[2]) % P
    )


# --- keys, checkpoints and proofs (C2SP signed-note, tlog-checkpoint, tlog-proof) ---


class Key(NamedTuple):
    """A public key as an inspector got it: NAME+HASH+BASE64(0x01 || 32 bytes)."""

    name: str
    mark: bytes  # the first 4 bytes of a hash, by which signature lines name their key
    public: bytes


class Checkpoint(NamedTuple):
    """A signed tree head; nothing in it counts before `_signed` said so."""

    origin: str
    size: int
    root: bytes
    text: bytes
    signatures: tuple[tuple[str, bytes], ...]


class Proof(NamedTuple):
    """What a verified tlog-proof says: the entry stands at place `seq` under `checkpoint`."""

    seq: int
    checkpoint: Checkpoint


def _demand(held: bool) -> None:
    if not held:
        raise ValueError


def _base64(text: str, length: int | None = None) -> bytes:
    """Decode strictly: one text for one value, so that a proof cannot be written in two ways."""
    value = base64.b64decode(text.encode("ascii"), validate=True)
    _demand(length in (None, len(value)) and base64.b64encode(value).decode() == text)
    return value


def _decimal(text: str) -> int:
    _demand(re.fullmatch(r"0|[1-9][0-9]{0,17}", text) is not None)
    return int(text)


def parse_key(text: str) -> Key:
    """Read a C2SP verifier key; raises Refused("bad-key")."""
    try:
        name, number, encoded = text.strip().split("+", 2)
        raw = _base64(encoded, 33)
        mark = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
    except ValueError:
        raise Refused("bad-key") from None
    if not name or raw[0] != 1 or number.lower() != mark.hex() or _point(raw[1:]) is None:
        raise Refused("bad-key")
    return Key(name, mark, raw[1:])


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a checkpoint without judging its signatures; raises Refused("bad-note")."""
    try:
        body, _, tail = text.rpartition("\n\n")
        lines, marks = body.split("\n"), tail.split("\n")
        control = re.search(r"[\x00-\x09\x0b-\x1f]", text)
        _demand(not marks.pop() and 1 <= len(marks) <= MAX_SIGNATURES)
        _demand(all(lines) and control is None)
        signatures = tuple(_signature_line(line) for line in marks)
        size, root = _decimal(lines[1]), _base64(lines[2], 32)
    except (ValueError, LookupError):
        raise Refused("bad-note") from None
    return Checkpoint(lines[0], size, root, (body + "\n").encode(), signatures)


def _signature_line(line: str) -> tuple[str, bytes]:
    dash, name, encoded = line.split(" ")
    raw = _base64(encoded)
    _demand(dash == "\u2014" and bool(name) and len(raw) > 4)
    return name, raw


def _signed(checkpoint: Checkpoint, key: Key) -> bool:
    """Every signature under this key's name and hash must hold, and there must be one."""
    ours = [raw[4:] for name, raw in checkpoint.signatures if (name, raw[:4]) == key[:2]]
    return bool(ours) and all(verify_signature(key.public, checkpoint.text, s) for s in ours)


def _parse_proof(text: str) -> tuple[Proof, list[bytes]]:
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    try:
        _demand(lines.pop(0) == "c2sp.org/tlog-proof@v1")
        if lines[0].startswith("extra "):
            _base64(lines.pop(0)[6:])
        word, _, number = lines.pop(0).partition(" ")
        _demand(word == "index")
        index, path = _decimal(number), [_base64(line, 32) for line in lines]
    except (ValueError, LookupError):
        raise Refused("bad-proof") from None
    return Proof(index, parse_checkpoint(note)), path


def _included(text: str, entry: bytes) -> Proof:
    """Check the path of a proof and leave its signature to the caller; raises Refused."""
    proof, path = _parse_proof(text)
    if root_of_path(entry, proof.seq, proof.checkpoint.size, path) != proof.checkpoint.root:
        raise Refused("proof-fails")
    return proof


def verify_proof(text: str, entry: bytes, key: str) -> Proof:
    """Verify one C2SP tlog-proof for the exact bytes `entry` under the verifier key `key`.

    Raises Refused with code bad-key, bad-proof, bad-note, bad-signature or proof-fails.
    """
    trusted = parse_key(key)
    proof = _included(text, entry)
    if not _signed(proof.checkpoint, trusted):
        raise Refused("bad-signature")
    return proof


# --- the tree (RFC 6962, section 2.1) ---


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of_path(entry: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Recompute the root from an inclusion path (RFC 9162, 2.1.3.2); None if it has a wrong length."""
    if index >= size:
        return None
    hashed, last = leaf_hash(entry), size - 1
    for step in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            hashed = _node(step, hashed)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            hashed = _node(hashed, step)
        index, last = index >> 1, last >> 1
    return hashed if last == 0 else None


def _perfect(hashes: Sequence[bytes]) -> bytes:
    sha = hashlib.sha256
    while len(hashes) > 1:
        pairs = range(0, len(hashes), 2)
        hashes = [sha(b"\x01" + hashes[i] + hashes[i + 1]).digest() for i in pairs]
    return hashes[0]


def _fold(hashes: Sequence[bytes], right: bytes | None) -> bytes | None:
    """Join equal perfect subtrees with the smaller tree to their right, if any."""
    end = len(hashes)
    while end:
        width = end & -end
        left = _perfect(hashes[end - width : end])
        right = left if right is None else _node(left, right)
        end -= width
    return right


class Tree:
    """The right edge of the tree: at each level above the leaves, the hashes of its open tile."""

    def __init__(self) -> None:
        self.rows: list[list[bytes]] = []
        self.done: list[int] = []  # tiles completed at each level

    def root(self, leaves: Sequence[bytes]) -> bytes:
        """Root over all full bundles so far and then `leaves`, at most one bundle of them."""
        right = _fold(leaves, None)
        for row in self.rows:
            right = _fold(row, right)
        return EMPTY_ROOT if right is None else right

    def add(self, leaves: Sequence[bytes]) -> Iterator[tuple[int, int, list[bytes]]]:
        """Take in a full bundle; yield (level, index, hashes) of each tile it completes."""
        level, hashed = 1, _perfect(leaves)
        while True:
            if len(self.rows) < level:
                self.rows.append([])
                self.done.append(0)
            row = self.rows[level - 1]
            row.append(hashed)
            if len(row) < TILE:
                return
            yield level, self.done[level - 1], row
            hashed = _perfect(row)
            self.rows[level - 1] = []
            self.done[level - 1] += 1
            level += 1

    def edge(self) -> Iterator[tuple[int, int, list[bytes]]]:
        for level, row in enumerate(self.rows, 1):
            if row:
                yield level, self.done[level - 1], row


# --- reading a folder or a .zip that may be hostile ---


class Package:
    """The files of an export by name; reads are bounded and never leave the export."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.read_names: set[str] = set()
        self.budget = MAX_TOTAL

    def open(self, name: str) -> IO[bytes]:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the archive, where there is one."""

    def add(self, name: str) -> None:
        self.files.add(name)
        if len(self.files) > MAX_FILES or name.count("/") > MAX_DEPTH:
            raise Unreadable("too-many", name)

    def chunks(self, name: str) -> Iterator[bytes]:
        """Yield the file in pieces of up to 1 MiB; raises Unreadable."""
        try:
            self.read_names.add(name)
            with self.open(name) as stream:
                while True:
                    piece = stream.read(1 << 20)
                    if not piece:
                        return
                    self.budget -= len(piece)
                    if self.budget < 0:
                        raise Unreadable("too-many", name)
                    yield piece
        except DAMAGE as error:
            raise Unreadable("damaged", name, reason=type(error).__name__) from None

    def read(self, name: str, limit: int) -> bytes:
        pieces, size = [], 0
        for piece in self.chunks(name):
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                raise Unreadable("too-big", name, limit=limit)
        return b"".join(pieces)

    def text(self, name: str) -> str:
        try:
            return self.read(name, MAX_NOTE).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refused("damaged", name, reason=type(error).__name__) from None


class Folder(Package):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        waiting = [""]
        while waiting:
            self.walk(waiting.pop(), waiting)

    def walk(self, prefix: str, waiting: list[str]) -> None:
        try:
            with os.scandir(self.path / prefix) as entries:
                for entry in entries:
                    name = prefix + entry.name
                    if entry.is_dir(follow_symlinks=False) and name.count("/") < MAX_DEPTH:
                        waiting.append(name + "/")
                    elif entry.is_file(follow_symlinks=False):
                        self.add(name)
                    else:
                        raise Unreadable("not-plain", name)
        except DAMAGE as error:
            raise Unreadable("damaged", prefix, reason=type(error).__name__) from None

    def open(self, name: str) -> IO[bytes]:
        return (self.path / name).open("rb")


class Guarded(io.FileIO):
    """Stops zipfile from loading a table of contents of any size into memory at once."""

    def read(self, size: int | None = -1, /) -> Any:
        asked = os.fstat(self.fileno()).st_size - self.tell() if size is None or size < 0 else size
        if asked > MAX_DIRECTORY:
            raise Unreadable("too-many", str(self.name))
        return super().read(size)


class Archive(Package):
    def __init__(self, path: Path) -> None:
        super().__init__()
        with ExitStack() as undo:
            try:
                self.file = undo.enter_context(Guarded(str(path)))
                self.zip = zipfile.ZipFile(self.file)
            except DAMAGE:
                raise Unreadable("no-zip", str(path)) from None
            for info in self.zip.infolist():
                self.admit(info)
            undo.pop_all()

    def close(self) -> None:
        self.file.close()

    def admit(self, info: zipfile.ZipInfo) -> None:
        """Take a member in by its name as written in the archive, or refuse the archive."""
        name = info.orig_filename
        parts = name[:-1].split("/") if name.endswith("/") else name.split("/")
        odd = re.search(r"[\\:\x00-\x1f]", name) or {"", ".", ".."}.intersection(parts)
        link = stat.S_ISLNK(info.external_attr >> 16)
        plain = info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        if odd or link or not plain or info.flag_bits & 1 or name in self.files:
            raise Unreadable("unsafe-name", name)
        if not name.endswith("/"):
            self.add(name)

    def open(self, name: str) -> IO[bytes]:
        return self.zip.open(name)


def open_package(path: Path) -> Package:
    """Open an export; raises Unreadable."""
    if path.is_dir():
        return Folder(path)
    if not path.is_file():
        raise Unreadable("absent", str(path))
    return Archive(path)


# --- entries: heads, bodies, keys, and the life of an exchange ---


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse repeated names: two readers could each see another value."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("repeated name")
    return result


def _no_constant(name: str) -> None:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_HEX = re.compile(r"(?:[0-9a-f]{64})?")


def parse_head(entry: bytes) -> dict[str, Any]:
    """Read an entry's head strictly; raises Refused("head")."""
    try:
        text = entry.decode("utf-8")
        head, end = _DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        raise Refused("head", reason="JSON") from None
    if end != len(text) or type(head) is not dict or not head.keys() >= FIELDS:
        raise Refused("head", reason="JSON")
    texts = (head["time"], head["kind"], head["subject"], head["body"], head["key"], head["commit"])
    for value in texts:
        if type(value) is not str:
            raise Refused("head", reason="string")
    if type(head["v"]) is not int or head["v"] != 1:
        raise Refused("head", reason="v")
    if not _TIME.fullmatch(texts[0]):
        raise Refused("head", reason="time")
    if not _HEX.fullmatch(texts[3]) or not _HEX.fullmatch(texts[5]):
        raise Refused("head", reason="body, commit")
    if type(head["carries"]) is not list or type(head["facts"]) is not dict:
        raise Refused("head", reason="carries, facts")
    return head


class Reader:
    """Reads entries in order; remembers open and closed exchanges (some 100 bytes for each)."""

    def __init__(self, package: Package, report: Report, gapless: bool) -> None:
        self.package, self.report, self.gapless = package, report, gapless
        self.sealed = _numbered(package, "bodies", "sealed")
        self.keys = _numbered(package, "bodies", "key")
        self.latest = ""
        self.open: dict[str, int] = {}
        self.closed: set[str] = set()

    def take(self, seq: int, entry: bytes) -> None:
        """Check one entry; what is wrong goes into the report."""
        sealed, disclosed = self.sealed.pop(seq, None), self.keys.pop(seq, None)
        try:
            head = parse_head(entry)
        except Refused as refusal:
            self.report.add(refusal.remark._replace(seq=seq))
            return
        if head["time"] < self.latest:
            self.report.warn("time-back", seq=seq, time=head["time"])
        else:
            self.latest = head["time"]
        if head["kind"].startswith("exchange."):
            self.follow(seq, head["kind"], head["subject"])
        if sealed:
            self.check_body(seq, sealed, head["body"])
        if disclosed:
            self.check_key(seq, disclosed, head["commit"])

    def follow(self, seq: int, kind: str, subject: str) -> None:
        """Note that an exchange is admitted once and then ends at most once."""
        known = subject in self.open or subject in self.closed
        if kind == ADMITTED and known:
            self.report.find("admitted-twice", seq=seq, subject=subject)
        elif kind == ADMITTED:
            self.open[subject] = seq
        elif kind in OUTCOMES:
            if subject in self.closed:
                self.report.find("outcome-twice", seq=seq, subject=subject)
            elif not known and self.gapless:
                self.report.warn("no-admission", seq=seq, subject=subject)
            self.open.pop(subject, None)
            self.closed.add(subject)

    def check_body(self, seq: int, name: str, recorded: str) -> None:
        digest = hashlib.sha256()
        for piece in self.package.chunks(name):
            digest.update(piece)
        if digest.hexdigest() == recorded:
            self.report.bodies += 1
        else:
            self.report.find("body-differs", name, seq)

    def check_key(self, seq: int, name: str, commitment: str) -> None:
        try:
            key = _base64(self.package.text(name).strip(), 32)
        except (ValueError, Refused):
            key = b""
        if key and hashlib.sha256(KEY_COMMITMENT + key).hexdigest() == commitment:
            self.report.keys += 1
        else:
            self.report.find("key-differs", name, seq)

    def finish(self) -> None:
        """List what never ended, where no gap in the entries could accuse wrongly."""
        if self.gapless:
            waiting = sorted((seq, subject) for subject, seq in self.open.items())
            self.report.open, self.report.open_count = waiting[:MAX_LISTED], len(waiting)
        for names in (self.sealed, self.keys):
            for seq, name in sorted(names.items()):
                self.report.find("no-entry", name, seq)


def _numbered(package: Package, folder: str, suffix: str) -> dict[int, str]:
    """Find the files that belong to a sequence number."""
    pattern = re.compile(folder + r"/(0|[1-9][0-9]{0,17})\." + suffix)
    found = (pattern.fullmatch(name) for name in package.files)
    return {int(match[1]): match[0] for match in found if match}


# --- bundles and tiles (C2SP tlog-tiles) ---

_GROUPED = re.compile(r"tile/(entries|\d{1,2})/((?:x\d{3}/)*\d{3})(?:\.p/(\d{1,3}))?", re.ASCII)


def tile_name(level: int, index: int, width: int = TILE) -> str:
    """Path of a tile, or with level ENTRIES of an entry bundle."""
    groups = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        groups.append(f"x{index % 1000:03d}")
    partial = "" if width == TILE else f".p/{width}"
    return f"tile/{'entries' if level == ENTRIES else level}/{'/'.join(reversed(groups))}{partial}"


def _tiles(package: Package) -> dict[tuple[int, int], dict[int, str]]:
    """File every properly named tile and bundle under (level, index), by its width."""
    found: dict[tuple[int, int], dict[int, str]] = {}
    for match in filter(None, map(_GROUPED.fullmatch, package.files)):
        level = ENTRIES if match[1] == "entries" else int(match[1])
        index = int(match[2].replace("x", "").replace("/", "")[:18])
        width = int(match[3] or TILE)
        if match[0] == tile_name(level, index, width) and 1 <= width <= TILE:
            found.setdefault((level, index), {})[width] = match[0]
    return found


def _split(bundle: bytes) -> list[bytes]:
    """Cut a bundle at its 16-bit lengths; raises ValueError where they do not fit."""
    entries, at, end = [], 0, len(bundle)
    while at < end:
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        entries.append(bundle[start:at])
    if at != end:
        raise ValueError("length")
    return entries


class Walk:
    """Goes through all bundles once, in order, and recomputes the tree from them."""

    def __init__(self, package: Package, report: Report, reader: Reader, size: int) -> None:
        self.package, self.report, self.reader, self.size = package, report, reader, size
        self.tiles = _tiles(package)
        self.tree = Tree()
        self.roots = {0: EMPTY_ROOT}

    def run(self, wanted: Iterable[int]) -> bool:
        """Fill `roots` for every wanted size; False if the entries give out on the way."""
        sizes = sorted((size for size in set(wanted) if 0 < size <= self.size), reverse=True)
        for index in range(-(-self.size // TILE)):
            start = index * TILE
            entries = self.bundle(index, min(TILE, self.size - start))
            if entries is None:
                return False
            leaves = [leaf_hash(entry) for entry in entries]
            while sizes and sizes[-1] <= start + len(leaves):
                self.roots[sizes[-1]] = self.tree.root(leaves[: sizes[-1] - start])
                sizes.pop()
            for seq, entry in enumerate(entries, start):
                self.reader.take(seq, entry)
            self.report.entries += len(entries)
            self.compare(0, index, leaves)
            for level, place, hashes in self.tree.add(leaves) if len(leaves) == TILE else ():
                self.compare(level, place, hashes)
            _progress(self.report.entries, self.size)
        self.finish()
        return True

    def finish(self) -> None:
        for level, index, hashes in self.tree.edge():
            self.compare(level, index, hashes)
        for files in self.tiles.values():
            for name in files.values():
                self.report.warn("beyond", name)
        self.tiles.clear()

    def bundle(self, index: int, width: int) -> list[bytes] | None:
        """Read the first `width` entries of a bundle; None with a finding if they are not there."""
        files = self.tiles.pop((ENTRIES, index), {})
        name, held = files.pop(width, ""), width
        if not name:
            name, held = files.pop(TILE, ""), TILE
        if not name:
            missing = tile_name(ENTRIES, index, width)
            self.report.find("missing", missing, index * TILE, start=index * TILE)
            return None
        data = self.package.read(name, MAX_BUNDLE)
        try:
            entries = _split(data)
        except ValueError:
            entries = []
        if len(entries) != held:
            self.report.find("bad-bundle", name, index * TILE)
            return None
        if held > width:
            self.report.warn("beyond", name, index * TILE + width)
        self.compare_bundles(files, entries[:width])
        return entries[:width]

    def compare_bundles(self, files: dict[int, str], entries: list[bytes]) -> None:
        """Older, narrower bundles may lie beside the one read; they must begin alike."""
        for width, name in files.items():
            data = self.package.read(name, MAX_BUNDLE)
            start = b"".join(len(e).to_bytes(2, "big") + e for e in entries[:width])
            if not data.startswith(start) or (width <= len(entries) and data != start):
                self.report.find("bundle-differs", name)
            if width > len(entries):
                self.report.warn("beyond", name)

    def compare(self, level: int, index: int, hashes: list[bytes]) -> None:
        """Hold the tiles that are present against the hashes computed from the entries."""
        for width, name in self.tiles.pop((level, index), {}).items():
            data = self.package.read(name, TILE * 32)
            known = hashes[:width]
            wrong = [i for i, h in enumerate(known) if data[32 * i : 32 * i + 32] != h]
            if wrong or len(data) != 32 * width:
                first = (index * TILE + (wrong or [0])[0]) * TILE**level
                self.report.find("tile-differs", name, first)
            if width > len(hashes):
                self.report.warn("beyond", name)


# --- the checks together ---


class Claim(NamedTuple):
    """A checkpoint that says what the ledger was; `kept` ones come from outside the export."""

    file: str
    note: Checkpoint
    kept: bool = False
    seq: int | None = None


class Court:
    """Hears every checkpoint: who signed it, for which ledger, and whether the entries agree."""

    def __init__(self, report: Report, key: Key | None) -> None:
        self.report, self.key = report, key
        self.claims: list[Claim] = []
        self.judged: dict[Checkpoint, bool] = {}

    def hear(self, claim: Claim) -> bool:
        """Admit a claim if the key signed it for this ledger; else report why not."""
        note = claim.note
        if self.key and note not in self.judged:
            self.judged[note] = _signed(note, self.key)
        if self.key and not self.judged[note]:
            self.report.find("bad-signature", claim.file, claim.seq)
            return False
        self.report.origin = self.report.origin or note.origin
        if note.origin != self.report.origin:
            self.report.find("other-ledger", claim.file, claim.seq, origin=note.origin)
            return False
        self.claims.append(claim)
        return True

    def settle(self, roots: dict[int, bytes], size: int | None) -> None:
        """Hold the claims against roots computed from `size` entries (None: no entries given)."""
        known = dict(roots)
        shown = {(c.note.size, c.note.root) for c in self.claims if not c.kept}
        for claim in sorted(self.claims, key=lambda c: not c.kept):
            note = claim.note
            agreed = known.setdefault(note.size, note.root) == note.root
            proved = note.size in roots or (size is None and (note.size, note.root) in shown)
            if size is not None and note.size > size:
                self.complain("shortened", claim, have=size)
            elif not agreed:
                self.complain("rewritten" if note.size in roots else "forked", claim)
            elif claim.kept and proved:
                self.report.kept += 1
            elif claim.kept and size is None:
                self.complain("not-comparable", claim)

    def complain(self, code: str, claim: Claim, **values: object) -> None:
        self.report.find(code, claim.file, claim.seq, size=claim.note.size, **values)


def _read_outside(file: Path, export: Path) -> bytes:
    """Read an inspector's own file; one that lies inside the export proves nothing."""
    try:
        if export.resolve() in file.resolve().parents:
            raise Unreadable("inside", str(file))
        with file.open("rb") as stream:
            data = stream.read(MAX_NOTE + 1)
    except DAMAGE as error:
        raise Unreadable("damaged", str(file), reason=type(error).__name__) from None
    if len(data) > MAX_NOTE:
        raise Unreadable("too-big", str(file), limit=MAX_NOTE)
    return data


def load_key(value: str, export: Path) -> Key:
    """Take a verifier key from the command line, as its text or as a file; raises Unreadable."""
    try:
        return parse_key(value)
    except Refused:
        data = _read_outside(Path(value), export)
    try:
        return parse_key(data.decode("utf-8"))
    except (Refused, UnicodeDecodeError):
        raise Unreadable("bad-key", value) from None


def _parse_or_stop(data: bytes, file: str) -> Checkpoint:
    try:
        return parse_checkpoint(data.decode("utf-8"))
    except (Refused, UnicodeDecodeError):
        raise Unreadable("bad-note", file) from None


def _check_proofs(package: Package, court: Court) -> dict[int, str]:
    """Check every proof; return the entry files they prove, by sequence number."""
    texts = _numbered(package, "proofs", "tlog-proof")
    entries = _numbered(package, "proofs", "entry")
    for seq in sorted(texts.keys() ^ entries.keys()):
        court.report.find("no-entry", texts.get(seq) or entries[seq], seq)
    proved = {}
    for seq in sorted(texts.keys() & entries.keys()):
        try:
            proof = _included(package.text(texts[seq]), package.read(entries[seq], MAX_ENTRY))
        except Unreadable:
            raise
        except Refused as refusal:
            court.report.add(refusal.remark._replace(file=texts[seq], seq=seq))
            continue
        if proof.seq != seq:
            court.report.find("proof-index", texts[seq], seq, index=proof.seq)
        elif court.hear(Claim(texts[seq], proof.checkpoint, seq=seq)):
            proved[seq] = entries[seq]
    court.report.proofs = len(proved)
    return proved


def verify_export(
    path: str | Path, key: str | None = None, checkpoints: Sequence[str | Path] = ()
) -> Report:
    """Check an export under the verifier key `key` (its text, or a file outside the export).

    `checkpoints` are files kept outside earlier. Without a key nothing is proved about who
    signed, and the report says so. Raises Unreadable if the input cannot be read.
    """
    export = Path(path)
    trusted = load_key(key, export) if key else None
    signer = f"{trusted.name}+{trusted.mark.hex()}" if trusted else ""
    court = Court(Report(str(path), signer), trusted)
    package = open_package(export)
    try:
        return _verify(package, export, court, checkpoints)
    finally:
        package.close()


def _verify(
    package: Package, export: Path, court: Court, checkpoints: Sequence[str | Path]
) -> Report:
    report, head = court.report, None
    if "checkpoint" in package.files:
        head = _parse_or_stop(package.read("checkpoint", MAX_NOTE), "checkpoint")
        court.hear(Claim("checkpoint", head))
        report.size = head.size
    for file in checkpoints:
        kept = _parse_or_stop(_read_outside(Path(file), export), str(file))
        court.hear(Claim(str(file), kept, kept=True))
    proved = _check_proofs(package, court)
    bundles = any(level == ENTRIES for level, _ in _tiles(package))
    if head is None and (bundles or not _numbered(package, "proofs", "tlog-proof")):
        raise Unreadable("no-checkpoint", str(export))
    if head is not None and (bundles or head.size == 0):
        _verify_whole(package, court, head)
    else:
        _verify_single(package, court, proved)
    report.other = len(package.files - package.read_names)
    return report


def _verify_whole(package: Package, court: Court, head: Checkpoint) -> None:
    report = court.report
    reader = Reader(package, report, gapless=True)
    walk = Walk(package, report, reader, head.size)
    report.whole = walk.run([head.size, *(claim.note.size for claim in court.claims)])
    if report.whole:
        report.root = walk.roots[head.size].hex()
        reader.finish()
    court.settle(walk.roots, head.size)


def _verify_single(package: Package, court: Court, proved: dict[int, str]) -> None:
    reader = Reader(package, court.report, gapless=False)
    for seq, name in proved.items():
        reader.take(seq, package.read(name, MAX_ENTRY))
    if not _numbered(package, "proofs", "tlog-proof"):
        court.report.find("nothing-shown", "checkpoint", size=court.report.size)
    reader.finish()
    court.settle({}, None)


# --- what the inspector sees ---


def _clean(value: object) -> str:
    """Make text of an export harmless: no control or direction characters reach the terminal."""
    text = str(value)[:300]
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _say(language: int, code: str, **values: object) -> str:
    return TEXTS[code][language].format(**{name: _clean(v) for name, v in values.items()})


def _progress(done: int, total: int) -> None:
    # sys.stderr is None under a windowed Python
    if done % (64 * TILE) == 0 and sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(f"\r{done:,} / {total:,}")
        sys.stderr.flush()


def _listing(heading: str, lines: list[str], count: int, language: int) -> list[str]:
    if not count:
        return []
    rest = [_say(language, "more", count=count - len(lines))] if count > len(lines) else []
    return [heading, *("  " + line for line in lines + rest)]


def describe(report: Report, language: int) -> str:
    """Write the report as plain text; language 0 is English, 1 Chinese."""
    say = dict(vars(report), count=report.finding_count)
    result = {0: ["verified"], 1: ["findings"], 3: ["keyless"]}[report.exit_code]
    if report.exit_code == 3 and report.finding_count:
        result.append("findings")
    lines = [_say(language, code, **say) for code in ["title", *result]]
    lines.append(_say(language, "whole" if report.whole else "single", **say))
    lines.append(_say(language, "counts", **say))
    lines += [_say(language, "none-kept")] * (not report.kept)
    lines += [_say(language, "other", count=report.other)] * bool(report.other)
    for code, remarks, count in (
        ("finding", report.findings, report.finding_count),
        ("warning", report.warnings, report.warning_count),
    ):
        said = [remark.say(language) for remark in remarks]
        lines += _listing(_say(language, code), said, count, language)
    still = [f"{seq}  {_clean(subject)}" for seq, subject in report.open]
    heading = _say(language, "open", count=report.open_count)
    return "\n".join(lines + _listing(heading, still, report.open_count, language))


def _as_json(report: Report) -> str:
    def remark(item: Remark) -> dict[str, object]:
        values = {name: str(value) for name, value in item.values.items()}
        said = {"en": item.say(0), "zh": item.say(1)}
        return {"code": item.code, "file": item.file, "seq": item.seq, "values": values, **said}

    content = dict(vars(report), exit_code=report.exit_code)
    content["findings"] = [remark(item) for item in report.findings]
    content["warnings"] = [remark(item) for item in report.warnings]
    return json.dumps(content, indent=2)


def _print(text: str) -> None:
    """Write even where the console cannot show Chinese, as on some Windows code pages."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")


def _print_unreadable(remark: Remark, as_json: bool) -> None:
    lines = [_say(language, "unreadable") + " " + remark.say(language) for language in (0, 1)]
    content = {"exit_code": 2, "code": remark.code, "file": remark.file}
    if as_json:
        _print(json.dumps(dict(content, en=lines[0], zh=lines[1]), indent=2))
    else:
        _print("\n\n".join(lines))


def main(argv: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code (0 verified, 1, 2, 3 as said above)."""
    parser = argparse.ArgumentParser(description="Verify an exported ledger offline.")
    parser.add_argument("export", help="folder or .zip")
    parser.add_argument("--key", help="public key NAME+HASH+BASE64, or a file that holds it")
    parser.add_argument(
        "--checkpoint", action="append", default=[], help="checkpoint kept outside; repeatable"
    )
    parser.add_argument("--json", action="store_true", help="machine-readable output")
    given = parser.parse_args(argv)
    try:
        report = verify_export(given.export, given.key, given.checkpoint)
    except Refused as refusal:
        _print_unreadable(refusal.remark, given.json)
        return 2
    except Exception as error:  # noqa: BLE001 (an inspector must never be left with a traceback)
        _print_unreadable(Remark("surprise", "", None, {"reason": repr(error)}), given.json)
        return 2
    _print(_as_json(report) if given.json else describe(report, 0) + "\n\n" + describe(report, 1))
    return report.exit_code


if __name__ == "__main__":
    sys.exit(main())
