"""The proxy of the chaos test does to requests what it says, and counts it."""

import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice, repeat

import pytest
from attrs import define, field

from model_tests.chaos.proxy import FAILURES, ChaosProxy, Dealt, Fate, Weather
from tests.support.http_messages import read_message

REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"


@define(eq=False)
class Server:
    """A server that executes requests: it notes their operations, and answers."""

    executed: list[str] = field(factory=list)
    url: str = ""

    def serve(self, client: socket.socket) -> None:
        with client.makefile("rb") as stream:
            while request := read_message(stream):
                self.executed.append(request.headers["x-amz-target"].partition(".")[2])
                client.sendall(REPLY)


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that runs."""
    serving = Server()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            serving.serve(self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        serving.url = f"http://127.0.0.1:{running.server_address[1]}"
        thread = threading.Thread(target=running.serve_forever, args=(0.05,))
        thread.start()
        yield serving
        running.shutdown()
        thread.join()


def ask(proxy: ChaosProxy, operation: str) -> bytes:
    """Send one request; what the client gets to read, which is nothing if the connection ends."""
    port = int(proxy.endpoint_url.rpartition(":")[2])
    request = f"POST / HTTP/1.1\r\nx-amz-target: D.{operation}\r\ncontent-length: 2\r\n\r\n{{}}"
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(request.encode())
        try:
            return client.recv(len(REPLY))
        except ConnectionResetError:
            return b""


def always(fate: Fate) -> Callable[[str], Dealt]:
    """Every request meets with one fate, without any waiting."""
    return lambda kind: repeat((fate, 0.0))  # noqa: ARG005 - for writes and reads


@pytest.mark.parametrize(
    ("fate", "reply", "executed"),
    [
        (Fate.PASS, REPLY, ["PutItem"]),
        (Fate.SWALLOW, b"", ["PutItem"]),
        (Fate.CUT, REPLY[:-2], ["PutItem"]),
        (Fate.DROP, b"", []),
    ],
)
def test_a_request_meets_with_its_fate(
    server: Server, fate: Fate, reply: bytes, executed: list[str]
) -> None:
    """A swallowed request is executed and not answered, or in part; a dropped one is neither."""
    with ChaosProxy(server.url, always(fate)) as proxy:
        assert ask(proxy, "PutItem") == reply
    assert server.executed == executed
    assert dict(proxy.count().writes) == {fate: 1}
    assert not proxy.count().reads


def test_a_late_request_is_executed_after_its_connection_has_ended(server: Server) -> None:
    """The client is told nothing; by the time the proxy is closed the request was executed."""
    with ChaosProxy(server.url, always(Fate.LATE)) as proxy:
        assert ask(proxy, "UpdateItem") == b""
    assert server.executed == ["UpdateItem"]
    assert dict(proxy.count().writes) == {Fate.LATE: 1}


def test_an_outage_drops_everything(server: Server) -> None:
    """While the network is out no request gets through; they are counted apart."""
    with ChaosProxy(server.url, always(Fate.PASS)) as proxy:
        proxy.black_out(3600)
        assert ask(proxy, "PutItem") == b""
        proxy.black_out(0)
        assert ask(proxy, "Query") == REPLY
    assert server.executed == ["Query"]
    assert proxy.count().outage == 1
    assert dict(proxy.count().reads) == {Fate.PASS: 1}


def test_what_goes_wrong_in_a_thread_is_raised_in_the_end() -> None:
    """A run whose proxy did something else than it says is worth nothing, so it fails."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with (
        pytest.raises(ExceptionGroup, match="in the proxy"),
        ChaosProxy(url, always(Fate.LATE)) as proxy,
    ):
        proxy.note_error(OSError("as noted by a thread"))


def test_the_seed_decides_the_fates() -> None:
    """The same seed deals the same fates; each pack holds its failures, for writes and reads."""
    weather = Weather(seed=7, pack=50, each=3)
    dealt = list(islice(weather.fates("writes"), 100))
    assert dealt == list(islice(weather.fates("writes"), 100))
    assert dealt != list(islice(Weather(seed=8, pack=50, each=3).fates("writes"), 100))
    assert dealt != list(islice(weather.fates("reads"), 100))
    for pack in (dealt[:50], dealt[50:]):
        assert Counter(fate for fate, _ in pack) == {Fate.PASS: 38} | dict.fromkeys(FAILURES, 3)
    many = list(islice(weather.fates("writes"), 1000))
    assert all(0 <= seconds <= weather.longest for _, seconds in many)
    assert {seconds == 0 for fate, seconds in many if fate is Fate.SWALLOW} == {True, False}
