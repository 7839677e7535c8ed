"""A proxy between clients and DynamoDB that lets requests fail in every way a network can.

What becomes of a request is its *fate*:

pass
    it is executed, and its reply arrives.
swallow
    it is executed, and the connection ends without a reply, at once or after the client has waited
    for a while.
cut
    it is executed, and the connection ends in the middle of its reply's body, or before that.
drop
    the connection ends before the request reaches DynamoDB.
late
    the connection ends at once, and the request is executed some time later, when the client has
    long repeated it.

Fates are dealt from shuffled packs, one kind of pack for writes and one for reads: so the seed
decides them, in the order in which requests arrive, and so many requests meet with at least so many
failures of each kind.
"""

from __future__ import annotations

import random
import socket
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from types import TracebackType
from typing import Any, Self, TypeAlias
from urllib.parse import urlsplit

from attrs import frozen

from tests.support.http_messages import FramingError, HttpMessage, read_message
from tests.support.proxy import TARGET_HEADER, TIMEOUT

WRITES = frozenset(
    {
        "BatchExecuteStatement",
        "BatchWriteItem",
        "DeleteItem",
        "PutItem",
        "TransactWriteItems",
        "UpdateItem",
    }
)
"""The operations of DynamoDB that change something."""


class Fate(StrEnum):
    """What becomes of a request."""

    PASS = "pass"
    SWALLOW = "swallow"
    CUT = "cut"
    DROP = "drop"
    LATE = "late"


FAILURES = (Fate.SWALLOW, Fate.CUT, Fate.DROP, Fate.LATE)

Dealt: TypeAlias = Iterator[tuple[Fate, float]]
"""Fates, and with each the seconds that a client waits for its reply, or that a request is late.

Of a reply that is cut, the fraction of the last second tells which part gets through."""


@frozen
class Weather:
    """How bad the network is.

    Attributes:
        seed: decides the fates.
        pack: of so many requests
        each: so many meet with each kind of failure.
        longest: seconds that a client waits for a swallowed reply, and that a late request takes,
            at most.
    """

    seed: int
    pack: int = 200
    each: int = 2
    longest: float = 3.0

    def fates(self, kind: str) -> Dealt:
        """Deal fates, and seconds, to the requests of one kind, for ever."""
        chance = random.Random(f"{self.seed} {kind}")
        failures = [fate for fate in FAILURES for _ in range(self.each)]
        pack = failures + [Fate.PASS] * (self.pack - len(failures))
        while True:
            chance.shuffle(pack)
            for fate in pack:
                at_once = fate is Fate.SWALLOW and chance.random() < 0.7
                yield fate, 0.0 if at_once else chance.uniform(0, self.longest)


@frozen
class Count:
    """What has become of requests.

    Attributes:
        writes: how many met with each fate.
        reads: the same for reads.
        outage: how many came during an outage, and were dropped.
    """

    writes: Mapping[str, int]
    reads: Mapping[str, int]
    outage: int


class ChaosProxy:
    """A proxy before ``upstream``, whose network is bad; a context manager.

    Leaving it executes what is late and raises what went wrong in its threads.
    """

    def __init__(self, upstream: str, fates: Callable[[str], Dealt]) -> None:
        """Listen on a free port.

        Args:
            upstream: a URL such as ``http://127.0.0.1:8000``.
            fates: what deals fates to ``writes`` and to ``reads``, such as ``Weather.fates``.
        """
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._fates = {kind: fates(kind) for kind in ("writes", "reads")}
        self._counts: dict[str, Counter[str]] = {kind: Counter() for kind in self._fates}
        self._outage = 0
        self._dark_until = 0.0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._late: list[threading.Thread] = []
        self._errors: list[Exception] = []
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def endpoint_url(self) -> str:
        """Where clients reach the proxy."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def count(self) -> Count:
        """What has become of requests so far."""
        with self._lock:
            writes, reads = (dict(self._counts[kind]) for kind in ("writes", "reads"))
            return Count(writes, reads, self._outage)

    def black_out(self, seconds: float) -> None:
        """From now on, and for so long, drop every request."""
        with self._lock:
            self._dark_until = time.monotonic() + seconds

    def serve(self, client: socket.socket) -> None:
        """Pass messages between a client and the server until fate, or one of them, ends it."""
        client.settimeout(TIMEOUT)
        with (
            socket.create_connection(self._upstream, timeout=TIMEOUT) as server,
            client.makefile("rb") as requests,
            server.makefile("rb") as replies,
        ):
            while request := _from_client(requests):
                fate, seconds = self._deal(request)
                if fate is Fate.LATE:
                    self._execute_later(request, seconds)
                if fate in (Fate.LATE, Fate.DROP):
                    return
                server.sendall(request.raw)
                reply = read_message(replies)
                if fate is Fate.SWALLOW:
                    self._closing.wait(seconds)
                if reply is None or fate is Fate.SWALLOW:
                    return
                if fate is Fate.CUT:
                    client.sendall(reply.cut(int(seconds % 1 * len(reply.body))))
                    return
                client.sendall(reply.raw)
                if not reply.keeps_connection:
                    return

    def _deal(self, request: HttpMessage) -> tuple[Fate, float]:
        operation = request.headers.get(TARGET_HEADER, "").partition(".")[2]
        kind = "writes" if operation in WRITES else "reads"
        with self._lock:
            if time.monotonic() < self._dark_until:
                self._outage += 1
                return Fate.DROP, 0.0
            fate, seconds = next(self._fates[kind])
            self._counts[kind][fate] += 1
        return fate, seconds

    def _execute_later(self, request: HttpMessage, seconds: float) -> None:
        thread = threading.Thread(target=self._execute, args=(request, seconds))
        with self._lock:
            self._late.append(thread)
        thread.start()

    def _execute(self, request: HttpMessage, seconds: float) -> None:
        self._closing.wait(seconds)
        try:
            with (
                socket.create_connection(self._upstream, timeout=TIMEOUT) as server,
                server.makefile("rb") as replies,
            ):
                server.sendall(request.raw)
                if read_message(replies) is None:
                    raise FramingError("the server gave no reply to a late request")
        except (OSError, FramingError) as error:
            self.note_error(error)

    def note_error(self, error: Exception) -> None:
        """Keep what a thread can't raise, for the end."""
        with self._lock:
            self._errors.append(error)

    def close(self) -> None:
        """Stop listening; execute at once what is late. Clients should have gone."""
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for thread in self._late:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if error is None and self._errors:
            raise ExceptionGroup("in the proxy", self._errors)


def _from_client(stream: Any) -> HttpMessage | None:
    """The next request; none where the client has gone, be it in the middle of one."""
    try:
        return read_message(stream)
    except (OSError, FramingError):
        return None


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True  # a client that was stopped must not hold up the run
    block_on_close = False
    request_queue_size = 128

    def __init__(self, proxy: ChaosProxy) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.proxy = proxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing on standard error: ``_Handler`` has noted it."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        try:
            self.server.proxy.serve(self.request)
        except ConnectionError:
            pass  # a client was killed, as clients are here
        except Exception as error:
            self.server.proxy.note_error(error)
            raise
