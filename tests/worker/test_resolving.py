"""``package.module:function``: what it names, and errors that say why it names nothing."""

import re
import sys
from pathlib import Path

import pytest

from dynamomq import InvalidArgumentError
from dynamomq.worker.resolving import add_current_directory, check_handler, resolve
from tests.worker import handlers


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on Python's path, whose modules are forgotten after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return tmp_path


def test_names_are_resolved() -> None:
    """A module's attribute, or an attribute's, is returned as it is."""
    assert resolve("handler", "tests.worker.handlers:handle") is handlers.handle
    assert resolve("handler", "tests.worker.handlers:handle.__name__") == "handle"
    assert check_handler("…", handlers.handle) is handlers.handle


@pytest.mark.parametrize("text", ["", "handlers", "handlers:", ":handle", "handlers.handle"])
def test_the_form(text: str) -> None:
    """A text of another form is refused, with the form that is needed."""
    with pytest.raises(InvalidArgumentError, match=r"Write it as package\.module:name") as refusal:
        resolve("handler", text)
    assert (refusal.value.argument, refusal.value.value) == ("handler", text)


@pytest.mark.parametrize(
    ("text", "missing"), [("shop:f", "shop"), ("tests.worker.shop:f", "tests.worker.shop")]
)
def test_a_module_that_does_not_exist(text: str, missing: str) -> None:
    """The error names what is missing, and where it was sought."""
    with pytest.raises(InvalidArgumentError, match=f"there is no module '{missing}' in /"):
        resolve("handler", text)


def test_a_module_that_needs_another(modules: Path) -> None:
    """A module that exists, and imports one that does not, is not said to be missing."""
    (modules / "shop.py").write_text("import warehouse_that_is_not_there\n")
    message = "importing 'shop' failed with ModuleNotFoundError: No module named 'warehouse_that"
    with pytest.raises(InvalidArgumentError, match=message) as refusal:
        resolve("handler", "shop:f")
    assert isinstance(refusal.value.__cause__, ModuleNotFoundError)


def test_a_module_that_fails(modules: Path) -> None:
    """Whatever a module raises while it is imported is told, and kept as the cause."""
    (modules / "shop.py").write_text("1 / 0\n")
    with pytest.raises(InvalidArgumentError, match="failed with ZeroDivisionError") as refusal:
        resolve("payload", "shop:Order")
    assert isinstance(refusal.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("code", ["", "0", "3", "'no licence'"])
def test_a_module_that_ends_the_program(modules: Path, code: str) -> None:
    """A module that calls ``sys.exit()`` can't be used, whatever status it asks for."""
    (modules / "shop.py").write_text(f"import sys\nsys.exit({code})\n")
    message = f"importing 'shop' ends the program, with sys.exit({code or None})"
    with pytest.raises(InvalidArgumentError, match=re.escape(message)) as refusal:
        resolve("handler", "shop:f")
    assert "if __name__ ==" in refusal.value.remedy
    assert isinstance(refusal.value.__cause__, SystemExit)


def test_a_name_that_is_not_there() -> None:
    """The error names the module's file, and what is there that looks alike."""
    with pytest.raises(InvalidArgumentError, match="has no 'handel'") as refusal:
        resolve("handler", "tests.worker.handlers:handel")
    assert str(handlers.__file__) in refusal.value.message
    assert "handle" in refusal.value.remedy
    with pytest.raises(InvalidArgumentError, match=r"17 has no 'f'\. It has .*real"):
        resolve("handler", "tests.worker.handlers:NUMBER.f")


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("NUMBER", "it is 17, which can't be called"),
        ("Path", "it is a class"),
        ("handle_async", "it is an async function"),
    ],
)
def test_what_is_no_handler(name: str, what: str) -> None:
    """A handler is a plain function, or an object that can be called."""
    text = f"tests.worker.handlers:{name}"
    with pytest.raises(InvalidArgumentError, match=what):
        check_handler(text, resolve("handler", text))


def test_the_program_itself() -> None:
    """A function of the program that calls ``run`` can't be found by other processes."""
    with pytest.raises(InvalidArgumentError, match="Put it into a module"):
        resolve("handler", "__main__:handle")


def test_the_current_directory_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes first on the path, and only once."""
    monkeypatch.setattr(sys, "path", ["/elsewhere"])
    monkeypatch.chdir(tmp_path)
    add_current_directory()
    add_current_directory()
    assert sys.path == [str(tmp_path), "/elsewhere"]
