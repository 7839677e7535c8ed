"""Just enough HTTP/1.1 to tell where a message ends, whatever its framing.

The bytes are kept as they came, so that a proxy can pass them on unchanged.
"""

from typing import IO

from attrs import field, frozen


class FramingError(Exception):
    """The stream ended inside a message, or the message does not say how long it is."""


@frozen
class HttpMessage:
    """A request or a reply."""

    start_line: str
    headers: dict[str, str]  # names in lower case
    body: bytes  # decoded, if it came in chunks
    raw: bytes = field(repr=False)  # head and body as they came

    @property
    def keeps_connection(self) -> bool:
        """Whether the peer may send another message on this connection."""
        return self.headers.get("connection", "").lower() != "close"

    def cut(self, length: int) -> bytes:
        """What gets through if the connection ends after so many bytes of the body."""
        head = len(self.raw) - len(self.body)  # none of ours comes in chunks
        return self.raw[: head + length]


def read_message(stream: IO[bytes]) -> HttpMessage | None:
    """Read one message, or return None where the stream ends instead.

    Raises:
        FramingError: the message is incomplete, or of unknown length.
    """
    first = stream.readline()
    if not first:
        return None
    lines = [first]
    while lines[-1] not in (b"\r\n", b"\n"):
        lines.append(_line(stream))
    headers = dict(_header(line) for line in lines[1:-1])
    raw_body, body = _read_body(stream, headers)
    return HttpMessage(
        start_line=first.decode("latin-1").rstrip("\r\n"),
        headers=headers,
        body=body,
        raw=b"".join(lines) + raw_body,
    )


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("latin-1").partition(":")
    return name.strip().lower(), value.strip()


def _read_body(stream: IO[bytes], headers: dict[str, str]) -> tuple[bytes, bytes]:
    """Return the body as it came, and decoded."""
    encoding = headers.get("transfer-encoding", "").lower()
    if encoding == "chunked":
        return _read_chunks(stream)
    if encoding:
        raise FramingError(f"unknown Transfer-Encoding {encoding!r}")
    # Neither header: no body. (A reply may also end with its connection; DynamoDB's never do.)
    body = _exactly(stream, int(headers.get("content-length", "0")))
    return body, body


def _read_chunks(stream: IO[bytes]) -> tuple[bytes, bytes]:
    raw, body = bytearray(), bytearray()
    while True:
        size_line = _line(stream)
        size = int(size_line.split(b";")[0], 16)
        raw += size_line
        if size == 0:
            break
        data = _exactly(stream, size)
        body += data
        raw += data + _line(stream)
    while raw[-4:] != b"\r\n\r\n":  # trailers, and the empty line that ends them
        raw += _line(stream)
    return bytes(raw), bytes(body)


def _line(stream: IO[bytes]) -> bytes:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise FramingError("the stream ended inside a message")
    return line


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise FramingError(f"the stream ended after {len(data)} of {size} bytes")
    return data
