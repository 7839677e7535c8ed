"""A TCP proxy that loses replies: the server has executed the request, the client never hears.

Or it hears only a part: ``eater.swallow("GetItem", keep=17)`` lets the head and 17 bytes through.

That is the failure every write has to survive (the SDK repeats the request, and its first execution
counts), and no mock shows it faithfully. So a real client talks to a real server through this::

    with ReplyEater(dynamodb_endpoint) as eater:
        client = make_client(eater.endpoint_url)
        lost = eater.swallow("UpdateItem", between=lambda: other_queue.receive())
        queue.extend(message, 60)       # executed, reply lost, `between` runs, repeated by the SDK
        assert lost.count == 1
        lost.repeat()                   # the network delivers the same request once more
"""

import json
import socket
import socketserver
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from attrs import define, field, frozen

from tests.support.http_messages import FramingError, HttpMessage, read_message

JsonObject = dict[str, Any]
TARGET_HEADER = "x-amz-target"  # such as DynamoDB_20120810.UpdateItem
TIMEOUT = 60.0  # seconds that either side may be silent


@frozen
class Exchange:
    """A request whose reply was lost, and that reply."""

    request: JsonObject
    status: int
    reply: JsonObject


@define(eq=False)
class Swallowing:
    """One order to a ``ReplyEater``, and what came of it."""

    operation: str
    keep: int | None
    exchanges: list[Exchange] = field(factory=list, init=False)
    _remaining: int = field(alias="times")
    _when: Callable[[JsonObject], bool] = field(alias="when")
    _between: Callable[[], object] = field(alias="between")
    _send: Callable[[HttpMessage], HttpMessage] = field(alias="send")
    _last_request: HttpMessage | None = field(default=None, init=False)

    @property
    def count(self) -> int:
        """How many replies have been swallowed."""
        return len(self.exchanges)

    @property
    def is_used_up(self) -> bool:
        """Whether as many have been swallowed as were ordered."""
        return self._remaining == 0

    def takes(self, request: HttpMessage) -> bool:
        """Whether the reply to ``request`` is to be lost; if so, one fewer remains."""
        _, _, operation = request.headers.get(TARGET_HEADER, "").partition(".")
        if self.is_used_up or operation != self.operation or not self._when(_json(request)):
            return False
        self._remaining -= 1
        return True

    def lose(self, request: HttpMessage, reply: HttpMessage) -> None:
        """Note what is lost, and let the others act before the client can repeat its request."""
        self._last_request = request
        self.exchanges.append(_exchange(request, reply))
        self._between()

    def repeat(self) -> Exchange:
        """Execute the latest lost request once more, as a network may, however late."""
        if self._last_request is None:
            raise AssertionError(f"no {self.operation} was swallowed yet: nothing to repeat")
        return _exchange(self._last_request, self._send(self._last_request))


class ReplyEater:
    """A proxy before ``upstream`` that swallows the replies it is told to, and passes all others.

    As a context manager it makes sure, at the end, that every order was carried out (a test whose
    reply is not lost proves nothing) and raises what went wrong in its threads.
    """

    def __init__(self, upstream: str) -> None:
        """Listen on a free port; ``upstream`` is a URL such as ``http://127.0.0.1:8000``."""
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._orders: list[Swallowing] = []
        self._errors: list[Exception] = []
        self._lock = threading.Lock()
        self.connections = 0  # how many the client has opened
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def endpoint_url(self) -> str:
        """Where a client reaches the proxy."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def swallow(
        self,
        operation: str,
        *,
        times: int = 1,
        keep: int | None = None,
        when: Callable[[JsonObject], bool] = lambda request: True,  # noqa: ARG005 - a default
        between: Callable[[], object] = lambda: None,
    ) -> Swallowing:
        """Lose the replies to the next ``times`` requests of ``operation``.

        Args:
            operation: such as ``"UpdateItem"``; one name, as in ``X-Amz-Target``.
            times: how many replies in a row are lost; SDKs repeat twice in standard mode.
            keep: how many bytes of the body get through; if negative, how many do not. ``None``:
                nothing does, nor the head.
            when: tells from the request's parameters whether it is meant.
            between: runs after the server's reply and before the client learns of its loss.
        """
        order = Swallowing(
            operation=operation,
            keep=keep,
            times=times,
            when=when,
            between=between,
            send=self._forward,
        )
        with self._lock:
            self._orders.append(order)
        return order

    def _order_for(self, request: HttpMessage) -> Swallowing | None:
        with self._lock:
            return next((order for order in self._orders if order.takes(request)), None)

    def _forward(self, request: HttpMessage) -> HttpMessage:
        # A connection a request: a reused one may turn out closed, and then nobody can tell
        # whether the server has executed the request.
        with (
            socket.create_connection(self._upstream, timeout=TIMEOUT) as upstream,
            upstream.makefile("rb") as stream,
        ):
            upstream.sendall(request.raw)
            reply = read_message(stream)
        if reply is None:
            raise FramingError("the server closed the connection without a reply")
        return reply

    def serve(self, client: socket.socket) -> None:
        """Pass messages between ``client`` and the server until one of them has had enough."""
        with self._lock:
            self.connections += 1
        client.settimeout(TIMEOUT)
        with client.makefile("rb") as stream:
            while request := read_message(stream):
                order = self._order_for(request)
                reply = self._forward(request)
                if order is not None:
                    order.lose(request, reply)
                    if order.keep is not None:
                        client.sendall(reply.cut(order.keep % len(reply.body)))
                    return  # closing the connection is how the client loses the reply
                client.sendall(reply.raw)
                if not reply.keeps_connection:
                    return

    def note_error(self, error: Exception) -> None:
        """Keep what a thread can't raise, for the end."""
        with self._lock:
            self._errors.append(error)

    def close(self) -> None:
        """Stop listening. Close the clients first: their open connections are waited for."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
        if error is not None:
            for hidden in self._errors:
                error.add_note(f"in the proxy: {hidden!r}")
            return
        if self._errors:
            raise ExceptionGroup("in the proxy", self._errors)
        idle = [order.operation for order in self._orders if not order.is_used_up]
        if idle:
            raise AssertionError(f"replies that were to be lost never came: {', '.join(idle)}")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True  # a client that is not closed must not hold up the test run
    block_on_close = False

    def __init__(self, eater: ReplyEater) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.eater = eater

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing on standard error: ``_Handler`` has noted it."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        try:
            self.server.eater.serve(self.request)
        except ConnectionError:
            pass  # the client went away, as clients may
        except Exception as error:
            self.server.eater.note_error(error)
            raise


def _json(message: HttpMessage) -> JsonObject:
    decoded: JsonObject = json.loads(message.body)
    return decoded


def _exchange(request: HttpMessage, reply: HttpMessage) -> Exchange:
    status = int(reply.start_line.split()[1])
    return Exchange(request=_json(request), status=status, reply=_json(reply))
