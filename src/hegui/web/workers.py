"""Several processes on one port: a parent that starts them, replaces the dead and stops all in order.

Each worker has a listening socket of its own on the shared port (SO_REUSEPORT: the kernel spreads new
connections over them by hash). The parent keeps the sockets open, so that connections which arrive
while a worker is being replaced wait for the next one and are not refused.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Final

import structlog

from hegui.language import Problem

log = structlog.get_logger()

_BACKLOG: Final = 2048
_YOUNG_SECONDS: Final = 5.0  # a worker that ends sooner has not come up
_FALSE_STARTS: Final = 5  # in a row, of all workers together
_PAUSE_SECONDS: Final = 0.2  # before a false start is repeated; longer each time
_KILL_SECONDS: Final = 40  # until a worker that was told to stop is stopped


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """Sockets that share one port.

    Raises:
        Problem: `port_taken` when somebody else listens there.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        # Another service of ours would share the port too, unseen: so first ask for it alone.
        with socket.socket(family) as alone:
            alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            alone.bind((host, port))
        sockets: list[socket.socket] = []
        for _ in range(count):
            each = socket.socket(family)
            sockets.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            each.bind((host, port))
            each.listen(_BACKLOG)
            port = each.getsockname()[1]
    except OSError as error:
        raise Problem(
            "port_taken",
            "Cannot listen on {host} port {port} ({reason}): end what runs there, or choose another "
            "with server.port.",
            host=host,
            port=port,
            reason=error.strerror,
        ) from error
    return sockets


class Workers:
    """The parent. `work` serves on the socket it is given until SIGTERM, in a process of its own."""

    def __init__(self, sockets: list[socket.socket], work: Callable[[socket.socket], None]) -> None:
        self._sockets, self._work = sockets, work
        self._children: dict[int, tuple[int, float]] = {}  # pid: which socket, and since when
        self._stopping = False
        self._false_starts = 0
        self._lifeline = os.pipe()  # a worker reads its end when the parent is no more

    def run(self) -> None:
        """Keep the workers going until SIGTERM or SIGINT, then stop them in order.

        Raises:
            Problem: `workers` when they end as soon as they start.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._kill)
        for which in range(len(self._sockets)):
            self._start(which)
        while self._children:
            pid, status = os.waitpid(-1, 0)
            which, since = self._children.pop(pid)
            if not self._stopping:
                self._replace(which, since, os.waitstatus_to_exitcode(status))
        signal.alarm(0)
        if self._false_starts >= _FALSE_STARTS:
            raise Problem(
                "workers", "The workers end as soon as they start: see the errors above, and try --workers 1."
            )  # fmt: skip

    def _start(self, which: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._be_worker(which)
        self._children[pid] = which, time.monotonic()
        if self._stopping:  # the signal came in between
            os.kill(pid, signal.SIGTERM)

    def _replace(self, which: int, since: float, code: int) -> None:
        log.error("worker.ended", worker=which, code=code)
        if time.monotonic() - since < _YOUNG_SECONDS:
            self._false_starts += 1
            time.sleep(_PAUSE_SECONDS * self._false_starts)
        else:
            self._false_starts = 0
        if self._false_starts >= _FALSE_STARTS:
            self._stop()
        elif not self._stopping:
            self._start(which)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for each in self._sockets:
            each.close()
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)
        signal.alarm(_KILL_SECONDS)

    def _kill(self, *_: object) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)

    def _be_worker(self, which: int) -> None:
        code = 1
        try:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
                signal.signal(number, signal.SIG_DFL)
            reading, writing = self._lifeline
            os.close(writing)
            for each in self._sockets:
                if each is not self._sockets[which]:
                    each.close()
            threading.Thread(target=_follow, args=(reading,), daemon=True).start()
            self._work(self._sockets[which])
            code = 0
        except Problem as problem:
            sys.stderr.write(f"{problem}\n")
        except BaseException:  # noqa: BLE001 (whatever it is, this process must not go on as a parent)
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)


def _follow(lifeline: int) -> None:
    """Stop in order when the parent is gone: the other end of the pipe closes with it."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
