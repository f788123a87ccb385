"""Apart: a stranger's file is judged in a process of its own, which may hang, eat or die alone."""

import os
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import BinaryIO, Final

import msgspec

from hegui.labels.classify import Classified, classify
from hegui.labels.label import Defect
from hegui.labels.verify import Report

SECONDS: Final = 10.0  # until an answer must be there, the start of the process included
_MEMORY: Final = 512 * 1024 * 1024  # bytes
_CPU_SECONDS: Final = 8
_SHOWN: Final = 20  # reasons, and places, that are passed on: a hostile file has thousands
_LONGEST_SUFFIX: Final = 32
_LIMITS: Final = (
    (resource.RLIMIT_AS, _MEMORY),
    (resource.RLIMIT_CPU, _CPU_SECONDS),
    (resource.RLIMIT_FSIZE, 0),  # it writes no file
    (resource.RLIMIT_CORE, 0),  # nor leaves one of the visitor's behind
)


def classify_apart(file: BinaryIO, name: str = "", seconds: float = SECONDS) -> Classified:
    """Classify a file as `classify` does; one that takes too long or too much is `over_limit`.

    `file` must be a real one, with a file number. Of `name` only the suffix leaves this process, and
    of the answer the values where they stand are left out.
    """
    program = (sys.executable, "-P", "-m", "hegui.labels.apart", _suffix(name))
    if answer := run(program, file, seconds):
        return msgspec.json.decode(answer, type=Classified)
    report = Report("inconclusive", "", (Defect("over_limit"),))
    return Classified("none", "", None, report, None)


def run(program: Sequence[str], file: BinaryIO, seconds: float) -> bytes:
    """What a program says of the file on its standard input; b"" if it is killed or fails.

    It is given nothing of our surroundings, where keys may stand.
    """
    number = file.fileno()
    file.flush()
    surroundings = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    try:
        done = subprocess.run(  # noqa: S603 (our own program, no shell)
            program,
            stdin=number,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a traceback may hold what the file says
            timeout=seconds,
            env=surroundings,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return b""
    return done.stdout if done.returncode == 0 else b""


def confine() -> None:
    """Bound what this process may use from now on; whoever else is at work here goes first."""
    os.nice(10)
    for what, most in _LIMITS:
        hard = resource.getrlimit(what)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def _suffix(name: str) -> str:
    """The end of a name that tells a format: ".aigc.json", ".md"."""
    plain = name.encode("ascii", "ignore").decode().replace("\0", "")
    return "".join(PurePath(plain).suffixes[-2:])[-_LONGEST_SUFFIX:]


def _main(suffix: str) -> None:
    confine()
    said = classify(sys.stdin.buffer, name=f"file{suffix}")
    report = said.report
    fewer = msgspec.structs.replace(
        report,
        reasons=report.reasons[:_SHOWN],
        sites=tuple(msgspec.structs.replace(site, value="") for site in report.sites[:_SHOWN]),
    )
    answer = msgspec.structs.replace(said, report=fewer)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    _main(sys.argv[1])
