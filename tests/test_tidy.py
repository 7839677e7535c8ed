"""The rules of this code base that neither the type checker nor the linter knows."""

import ast
import importlib
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.inferences import inferences
from tests.support.source import PACKAGE, ROOT, SourceFile, documents, python_files

# Inside the package, imports point only upwards in this list.
LAYERS = (
    "portable",
    "errors",
    "timestamps",
    "values",
    "paths",
    "expressions",
    "effects",
    "attributes",
    "rules",
    "validity",
    "machine",
    "reserved",
    "checks",
    "payload",
    "message",
    "table",
    "requests",
    "operations",
    "drivers",
    "capacity",
    "queue",
    "testing",
    "consumer",
    "worker",
    "planning",
    "bench",
    "cli",
)
# Programs: they use the library as a user does, measure time, and need not be imported by anyone.
PROGRAMS = ("worker", "planning", "bench", "cli")
# Where users come in, by importing it or by naming it to pytest.
FRONT_DOORS = (PACKAGE, f"{PACKAGE}.testing.plugin")
# What each engine's driver must do without.
FOREIGN = {"dynamodb": ("sqlite3",), "local": ("boto3", "botocore")}

# Where machines are defined; the last one has an index of its own, too.
MACHINES = ("rules", "machine", "reserved", "testing.index")

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60

# What the repository has beside the package; none of it is installed.
BESIDE = ("tests", "model_tests", "spec", "docs", "conftest")

LIBRARY = python_files(PACKAGE)
TESTS = python_files("tests", "model_tests")
EVERYTHING = [SourceFile(ROOT / "conftest.py"), *LIBRARY, *TESTS, *python_files("spec", "docs")]


def layer_of(module: str) -> str:
    """``operations`` for ``dynamomq.operations.receive``; empty for the package itself."""
    return [*module.split("."), ""][1]


def library_imports(source: SourceFile) -> list[str]:
    """What ``source`` imports from the package, as modules where it names modules."""
    return [name for name, _ in source.imports if name.split(".")[0] == PACKAGE]


def modules_imported(source: SourceFile) -> set[str]:
    """The modules of the package that ``source`` imports, directly or by importing a name."""
    known = {other.module for other in LIBRARY}
    names = library_imports(source)
    names += [str(string.value) for string in source.strings()]  # importlib, in a lazy import
    # Importing a.b.c runs a/__init__.py and a/b/__init__.py as well.
    with_parents = {name[: end.start()] for name in names for end in re.finditer(r"\.|$", name)}
    return with_parents & known


def report(problems: Iterable[str]) -> None:
    """Fail with all of ``problems``, a line each."""
    found = list(problems)
    assert not found, "\n" + "\n".join(found)


def test_every_module_has_its_place() -> None:
    """Each module of the package stands in LAYERS: a new one is put there deliberately."""
    report(
        f"{source}: not in LAYERS"
        for source in LIBRARY
        if layer_of(source.module) not in (*LAYERS, "", "__main__")
    )


def test_imports_point_upwards() -> None:
    """A module imports only from layers above its own, or from its own package."""
    order = {name: place for place, name in enumerate(LAYERS)}
    problems = []
    for source in LIBRARY:
        own = layer_of(source.module)
        if own not in order:
            continue
        for name in library_imports(source):
            # What comes from the package's top is as low as the facade.
            place = order.get(layer_of(name), order["queue"])
            if own != layer_of(name) and place >= order[own]:
                problems.append(f"{source} imports {name}")
    report(problems)


def reachable(start: str) -> set[str]:
    """The modules of the package that importing ``start`` may bring in, the front door apart."""
    sources = {source.module: source for source in LIBRARY}
    reached: set[str] = set()
    ahead = {start} & sources.keys()
    while ahead:
        module = ahead.pop()
        reached.add(module)
        ahead |= modules_imported(sources[module]) - reached - {PACKAGE}
    return reached


@pytest.mark.parametrize("driver", FOREIGN)
def test_engines_do_not_know_each_other(driver: str) -> None:
    """The local driver works without boto3, and that for DynamoDB without SQLite."""
    reached = reachable(f"{PACKAGE}.drivers.{driver}")
    assert reached, f"no module drivers.{driver}"
    report(
        f"{source}, used by drivers.{driver}, imports {name}"
        for source in LIBRARY
        if source.module in reached
        for name, _ in source.imports
        if name.split(".")[0] in FOREIGN[driver]
    )


def test_only_drivers_know_the_services() -> None:
    """Operations are pure: boto3 and SQLite are imported by drivers and programs only."""
    services = {service for foreign in FOREIGN.values() for service in foreign}
    report(
        f"{source} imports {name}"
        for source in LIBRARY
        if layer_of(source.module) not in ("drivers", *PROGRAMS)
        for name, _ in source.imports
        if name.split(".")[0] in services
    )


def test_the_package_needs_nothing_beside_it() -> None:
    """The package neither imports nor names a module of the tests, the spec or the docs."""
    strings = [(s, str(string.value)) for s in LIBRARY for string in s.strings()]
    named = [(s, name) for s, name in strings if re.fullmatch(r"[a-z_]+(\.\w+)+", name)]
    named += [(s, name) for s in LIBRARY for name, _ in s.imports]
    report(f"{s} needs {name}" for s, name in named if name.split(".")[0] in BESIDE)


def test_only_the_package_is_installed() -> None:
    """A wheel holds the package and nothing else: modules, and the mark that they are typed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": [PACKAGE]}
    others = {
        str(path.relative_to(ROOT))
        for path in (ROOT / PACKAGE).rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert others == {f"{PACKAGE}/py.typed"}


def test_modules_are_one_idea() -> None:
    """No module has more code lines than MAX_MODULE_LINES: what grows past that holds two ideas."""
    report(
        f"{source}: {len(source.code_lines)} code lines"
        for source in EVERYTHING
        if len(source.code_lines) > MAX_MODULE_LINES
    )


def test_functions_fit_a_screen() -> None:
    """No function has more code lines than MAX_FUNCTION_LINES."""
    report(
        f"{source}:{function.lineno}: {function.name} has {source.length(function)} code lines"
        for source in EVERYTHING
        for function in source.functions()
        if source.length(function) > MAX_FUNCTION_LINES
    )


def test_the_machine_alone_tells_of_states() -> None:
    """No status, state, queue or place in a list is told from what stands for it elsewhere."""
    report(
        f"{source}:{line} {what}"
        for source in LIBRARY
        if source.module.removeprefix(f"{PACKAGE}.") not in MACHINES
        for line, what in inferences(source)
    )


@pytest.mark.parametrize(
    "line",
    [
        "if item.get(STATUS.name) == 'READY': pass",
        "if message.state == one.name: pass",
        "if step.destination != other: pass",
        "HELD = {one.source for one in MESSAGE.transitions if one.trigger == 'expire'}",
        "LISTED = {state.name for state, _ in MESSAGE.rule('link').alternatives}",
        "(DELETED,) = MESSAGE.rule('cancel').destinations",
        "is_head = QUEUE_TYPE.name in item",
        "is_waiting = 'queue_type' not in item",
        "is_waiting = item.get(QUEUE_TYPE.name) is None",
        "is_dead = str(partition).partition('.')[0] == QueueType.DLQ",
        "is_dead = str(item.get('queue')).startswith('DLQ')",
        "own = [one for one in states if one.state.startswith(f'{source}.')]",
        "is_damaged = rule is not _QUARANTINE",
        "if request.rule.trigger != 'extend': pass",
        "matters = trigger not in ('delete', 'extend')",
    ],
)
def test_what_tells_of_states_is_found(line: str, tmp_path: Path) -> None:
    """The check above knows each way in which that has been done."""
    path = tmp_path / "module.py"
    path.write_text(f"{line}\n", encoding="utf-8")
    assert [number for number, _ in inferences(SourceFile(path))][:1] == [1]


def test_time_and_chance_come_from_drivers() -> None:
    """Clocks and randomness are read in drivers and programs only, so that runs can be replayed."""
    forbidden = re.compile(
        r"time\.(time|monotonic|perf_counter)(_ns)?|time\.sleep|(random|secrets)\.\w+"
        r"|uuid\.uuid\d|os\.urandom|datetime\.(datetime|date)\.(now|utcnow|today)"
    )
    sources = [s for s in LIBRARY if layer_of(s.module) not in ("drivers", *PROGRAMS)]
    read = [
        f"{source}:{line}: {name}"
        for source in sources
        for line, name in source.references()
        if forbidden.fullmatch(name)
    ]
    asked = [
        f"{source}:{line}: .now()"
        for source in sources
        for line, name in source.method_calls()
        if name == "now"
    ]
    report(read + asked)


def documented_modules() -> set[str]:
    """The modules that the documentation names, to import from or as where something is."""
    text = "\n".join(document.read_text(encoding="utf-8") for document in documents())
    names = set(re.findall(rf"\b{PACKAGE}(?:\.\w+)+", text))
    return {source.module for source in LIBRARY} & {
        module for name in names for module in (name, name.rpartition(".")[0])
    }


def test_all_lists_the_public_names() -> None:
    """A module that the documentation names has an ``__all__``: what it defines, but ``_names``.

    Other modules have none, since no user imports from them.
    """
    documented = documented_modules()
    problems = []
    for source in EVERYTHING:
        if source.path.name == "__init__.py":
            continue
        if source.module not in documented:
            problems += [f"{source}: __all__, but users don't meet it"] * bool(source.exported)
            continue
        exported = set(source.exported or ())
        problems += [f"{source}: {n} is not in __all__" for n in source.public_names - exported]
        problems += [f"{source}: __all__ has {n}" for n in exported - source.public_names]
    report(problems)


def test_packages_export_what_exists() -> None:
    """A package's ``__all__`` holds what it imports from its modules, and all of it exists."""
    problems = []
    for source in LIBRARY:
        if source.path.name != "__init__.py":
            continue
        exported, module = source.exported or [], importlib.import_module(source.module)
        problems += [f"{source}: no {name}" for name in exported if not hasattr(module, name)]
        problems += [
            f"{source}: imports {name}, which is not in __all__"
            for name in library_imports(source)
            if name.rpartition(".")[2] not in exported
        ]
    report(problems)


def test_no_module_is_dead() -> None:
    """Every module is reached from one of the package's front doors or from a program."""
    programs = [source.module for source in LIBRARY if layer_of(source.module) in PROGRAMS]
    reached = {name for start in (*FRONT_DOORS, *programs) for name in reachable(start)}
    report(str(source) for source in LIBRARY if source.module not in reached)


def test_no_public_name_is_unused() -> None:
    """Every public name is used by the library, its documentation or its tests."""
    used = {word for source in EVERYTHING for word in source.words_used}
    for document in documents():
        used |= set(re.findall(r"\w+", document.read_text(encoding="utf-8")))
    report(
        f"{source}: {name}"
        for source in LIBRARY
        for name in source.public_names | set(source.exported or ())
        if name not in used
    )


def test_every_test_says_what_it_claims() -> None:
    """Each test function has a docstring."""
    report(
        f"{source}:{function.lineno}: {function.name}"
        for source in TESTS
        for function in source.functions()
        if function.name.startswith("test_") and ast.get_docstring(function) is None
    )


def test_every_suppression_has_a_reason() -> None:
    """A linter or type checker is overruled with a reason on the same line."""
    suppression = re.compile(
        r"# (?:noqa|type: ignore)(?P<codes>:? ?[\w, \[\]-]*?)?(?P<rest> [-#] \S.*)?$"
    )
    report(
        f"{source}:{number}: {line.strip()}"
        for source in EVERYTHING
        for number, line in enumerate(source.text.splitlines(), start=1)
        if (match := suppression.search(line)) and not match["rest"]
    )


def test_make_help_lists_every_target() -> None:
    """A target that `make help` hides does not exist for anyone."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z][\w-]*):(?!=)", makefile, flags=re.MULTILINE)
    make = shutil.which("make")
    assert make is not None
    shown = subprocess.run(
        [make, "--no-print-directory", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = [line.split()[0] for line in shown.stdout.splitlines()]
    assert sorted(listed) == sorted(targets)
    phony = re.findall(r"^\.PHONY: ([\w-]+)$", makefile, flags=re.MULTILINE)
    assert sorted(phony) == sorted(targets)
