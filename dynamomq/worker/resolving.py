"""What a text such as ``package.module:function`` names, or an error that says why it does not."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from dynamomq.errors import InvalidArgumentError, shorten


def add_current_directory() -> None:
    """Have modules of the current directory found first, as ``python -m`` does."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def resolve(argument: str, text: str) -> Any:
    """Import a module and return one of its attributes.

    Args:
        argument: the option's name, for the error.
        text: ``package.module:name``; the name may have dots.

    Raises:
        InvalidArgumentError: there is no such thing, or the module can't be imported.
    """
    module_name, colon, path = text.partition(":")
    if not (colon and module_name and path):
        raise InvalidArgumentError(
            argument,
            text,
            "a module and a name in it are needed",
            remedy="Write it as package.module:name.",
        )
    found: Any = _import(argument, text, module_name)
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise _missing(argument, text, found, name) from None
    return found


def check_handler(text: str, found: object) -> Callable[[Any], Any]:
    """Return what a text names, if a consumer can call it.

    Raises:
        InvalidArgumentError: it is no function, nor anything like it.
    """
    if isinstance(found, type) or not callable(found):
        what = "a class" if isinstance(found, type) else f"{shorten(found)}, which can't be called"
        raise InvalidArgumentError(
            "handler", text, f"it is {what}", remedy="Name a function that takes a message."
        )
    if inspect.iscoroutinefunction(found):
        raise InvalidArgumentError(
            "handler",
            text,
            "it is an async function, and handlers run in threads",
            remedy="Name a plain function; it may call asyncio.run().",
        )
    return found


def _import(argument: str, text: str, name: str) -> ModuleType:
    if name == "__main__":
        raise InvalidArgumentError(
            argument,
            text,
            "the worker's processes can't import the program that starts them",
            remedy="Put it into a module.",
        )
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _broken(argument, text, name, error) from error
        raise InvalidArgumentError(
            argument,
            text,
            f"there is no module {error.name!r} in {os.getcwd()} or elsewhere on Python's path",
            remedy="Start the worker where the module is, or install it.",
        ) from None
    except SystemExit as error:  # it would end this process, and each that takes its place
        raise InvalidArgumentError(
            argument,
            text,
            f"importing {name!r} ends the program, with sys.exit({error.code!r})",
            remedy="Put what the module does as a program under: if __name__ == '__main__'.",
        ) from error
    except Exception as error:
        raise _broken(argument, text, name, error) from error


def _broken(argument: str, text: str, name: str, error: Exception) -> InvalidArgumentError:
    return InvalidArgumentError(
        argument,
        text,
        f"importing {name!r} failed with {type(error).__name__}: {error}",
        remedy=f"Try: python -c 'import {name}'",
    )


def _missing(argument: str, text: str, owner: object, name: str) -> InvalidArgumentError:
    what = shorten(owner)
    if isinstance(owner, ModuleType):
        what = f"module {owner.__name__!r} ({getattr(owner, '__file__', None) or 'built in'})"
    names = [one for one in dir(owner) if not one.startswith("_")]
    alike = difflib.get_close_matches(name, names, n=3) or names[:10]
    remedy = f"It has {', '.join(alike)}." if alike else ""
    return InvalidArgumentError(argument, text, f"{what} has no {name!r}", remedy=remedy)
