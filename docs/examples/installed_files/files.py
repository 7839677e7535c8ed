"""The work: the files of the installed distributions, and whether they are as recorded.

Every wheel that is installed leaves a RECORD: a line for each file, with its hash and size. Some
lines have no hash, by the format's own rules: those of RECORD itself, and of compiled bytecode.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from attrs import frozen


@frozen
class FileRecord:
    """A line of a RECORD; this is the payload of the messages.

    Attributes:
        distribution: name and version, such as ``attrs-25.3.0``.
        path: the path as the RECORD has it, relative to the installation.
        location: where the file is.
        hash: algorithm and digest as the RECORD has them, such as ``sha256=47DEQpj8HBSa…``:
            urlsafe base64 without padding; ``None`` where there is no hash.
    """

    distribution: str
    path: str
    location: Path
    hash: str | None

    @property
    def id(self) -> str:
        """What names the file among all installed ones; the id of its message."""
        return f"{self.distribution}/{self.path}"


class VerificationError(Exception):
    """A file can't be confirmed to be the one that was recorded; the text says why."""


class MissingHashError(VerificationError):
    """The RECORD has no hash to compare with."""


class AlteredFileError(VerificationError):
    """The file is not what was installed, or is gone."""


def installed_files(limit: int | None = None) -> dict[str, FileRecord]:
    """Return the files of all installed distributions, by id.

    Args:
        limit: at most so many.
    """
    found: dict[str, FileRecord] = {}
    for record in _records():
        if len(found) == limit:
            break
        # Of two installations of the same version, Python uses the first on its path.
        found.setdefault(record.id, record)
    return found


def _records() -> Iterator[FileRecord]:
    for distribution in metadata.distributions():
        name = f"{distribution.metadata['Name']}-{distribution.version}"
        for file in distribution.files or ():
            yield FileRecord(
                distribution=name,
                path=str(file),
                location=Path(str(file.locate())),
                hash=f"{file.hash.mode}={file.hash.value}" if file.hash else None,
            )


def verify(record: FileRecord) -> str:
    """Return the file's hash, which is the recorded one.

    Raises:
        VerificationError: there is nothing to compare with, or they differ.
    """
    if record.hash is None:
        raise MissingHashError("RECORD has no hash for this file")
    algorithm = record.hash.partition("=")[0]
    try:
        with record.location.open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).digest()
    except (OSError, ValueError) as error:  # ValueError: an algorithm that is not known here
        raise AlteredFileError(f"the file can't be read: {error}") from error
    found = f"{algorithm}={urlsafe_b64encode(digest).rstrip(b'=').decode()}"
    if found != record.hash:
        raise AlteredFileError(f"recorded {record.hash}, found {found}")
    return found
