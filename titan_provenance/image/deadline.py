"""An HTTP adapter whose connections keep a deadline, however slowly the bytes drip in.

A socket's own timeout starts afresh with every byte, be it of a body, a chunk's length or a header
line; so every read from a socket is given what is left until the deadline.
"""

from __future__ import annotations

import http.client
import io
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator


class Deadline:
    """A point in time after which a request is given up."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Return the seconds that are left, at least a moment (0 would mean: wait for ever)."""
        return max(self._end - time.monotonic(), 0.001)

    @property
    def passed(self) -> bool:
        """Say whether the time is over."""
        return time.monotonic() >= self._end


# The deadline of the request under way and the read timeout: connections outlive requests, so it
# cannot be theirs, and urllib3 passes nothing through.
_UNDER_WAY: ContextVar[tuple[Deadline, float]] = ContextVar("deadline")


@contextmanager
def reading_until(deadline: Deadline, read_timeout: float) -> Generator[None]:
    """Hold the answers of requests sent in this context to `deadline`, their bodies included.

    No single read waits longer than `read_timeout` seconds.
    """
    reset = _UNDER_WAY.set((deadline, read_timeout))
    try:
        yield
    finally:
        _UNDER_WAY.reset(reset)


class _DeadlineReader(io.RawIOBase):
    """Reads a socket, each time no longer than the deadline allows."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._socket = sock
        self._raw: Any = sock.makefile("rb", buffering=0)
        self._deadline, self._read_timeout = _UNDER_WAY.get()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._deadline.passed:
            raise TimeoutError
        self._socket.settimeout(min(self._read_timeout, self._deadline.remaining()))
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineSocket:
    """What http.client.HTTPResponse asks of a socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_DeadlineReader(self._socket))


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(_DeadlineSocket(sock), *args, **options)  # type: ignore[arg-type]


class _HTTPConnection(HTTPConnection):
    response_class = _DeadlineResponse


class _HTTPSConnection(HTTPSConnection):
    response_class = _DeadlineResponse


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTPConnection


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPSConnection


_POOLS = {"http": _HTTPPool, "https": _HTTPSPool}


class DeadlineAdapter(HTTPAdapter):
    """The adapter of requests, on connections that keep the deadline."""

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Make the pools for direct connections."""
        super().init_poolmanager(*args, **options)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **options: Any) -> Any:
        """Make the pools for connections through a proxy."""
        manager = super().proxy_manager_for(*args, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager
