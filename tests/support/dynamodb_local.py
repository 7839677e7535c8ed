"""A DynamoDB endpoint for tests, the benchmark and the demonstration.

``running()`` yields the URL of a DynamoDB Local of its own, empty and in memory, on a free port.
If the environment variable ``DYNAMOMQ_TEST_ENDPOINT`` is set (to a DynamoDB Local in a container,
say), it yields that URL and starts nothing.

From the command line, a server to play with until Ctrl-C::

    python -m tests.support.dynamodb_local
"""

import atexit
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.support import keeper
from tests.support.provisioning import emulator_directory, java_command

ENDPOINT_VARIABLE = "DYNAMOMQ_TEST_ENDPOINT"
START_TIMEOUT = 60.0  # seconds; some 4 are usual, a busy machine needs more

# The server lives for a minute or so: compiling thoroughly would never pay.
_JAVA_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")


class StartError(Exception):
    """DynamoDB Local did not come up; the message holds what it printed."""


class DynamoDBLocal:
    """A running server. It ends with ``stop()``, and with the process that started it."""

    def __init__(self, port: int) -> None:
        """Launch the server on ``port``, without waiting for it."""
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self._port = port
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - stop() closes it
        self._process = self._launch()
        atexit.register(self.stop)

    def _launch(self) -> "subprocess.Popen[bytes]":
        folder = emulator_directory()
        server = [java_command(), *_JAVA_OPTIONS]
        server += ["-Djava.library.path=./DynamoDBLocal_lib", "-jar", "DynamoDBLocal.jar"]
        server += ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(self._port)]
        return subprocess.Popen(
            [sys.executable, str(Path(keeper.__file__)), *server],
            cwd=folder,
            stdin=subprocess.PIPE,  # closing it, or dying, is what stops the server
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for the owner, who stops the server last
        )

    def wait_until_ready(self) -> None:
        """Return once the server answers.

        Raises:
            StartError: it ended, or has not answered within ``START_TIMEOUT``.
        """
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if self._process.poll() is not None:
                raise StartError(f"DynamoDB Local ended at once:\n{self._output()}")
            if time.monotonic() > deadline:
                raise StartError(f"no answer within {START_TIMEOUT:g} s:\n{self._output()}")
            time.sleep(0.05)  # between two looks at a condition

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        try:
            connection.request("GET", "/")
            # Unsigned requests are refused, by DynamoDB and so by its stand-in: it lives.
            return connection.getresponse().getheader("x-amzn-RequestId") is not None
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _output(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def wait(self) -> None:
        """Return when the server ends by itself."""
        self._process.wait()

    def stop(self) -> None:
        """End the server and wait until it has gone; a second call does nothing."""
        atexit.unregister(self.stop)
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()
        self._log.close()


def start() -> DynamoDBLocal:
    """Start an empty server on a free port and wait until it answers.

    Raises:
        ProvisioningError: Java, npm or the package is missing.
        StartError: it would not come up.
    """
    for _ in range(2):
        server = DynamoDBLocal(_free_port())
        try:
            server.wait_until_ready()
        except StartError as error:
            server.stop()
            # Someone else may have taken the port since we looked; once is bad luck.
            if "in use" not in str(error):
                raise
        except BaseException:
            server.stop()
            raise
        else:
            return server
    raise StartError("two ports that had been free were taken before DynamoDB Local bound them")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running() -> Iterator[str]:
    """Yield an endpoint's URL: the one in the environment, or a server for this block."""
    if endpoint := os.environ.get(ENDPOINT_VARIABLE):
        yield endpoint
        return
    server = start()
    try:
        yield server.endpoint_url
    finally:
        server.stop()


def main() -> None:
    """Start a server, print its URL and keep it until Ctrl-C."""
    server = start()
    print(
        f"DynamoDB Local answers at {server.endpoint_url} (in memory; Ctrl-C stops it)", flush=True
    )
    try:
        server.wait()
    except KeyboardInterrupt:
        print()
    finally:
        server.stop()


if __name__ == "__main__":
    main()
