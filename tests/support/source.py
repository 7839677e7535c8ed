"""The project's own source, parsed, for the tidy tests."""

import ast
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from attrs import define, field

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "dynamomq"

Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@define(eq=False, slots=False)
class SourceFile:
    """A Python file of this repository."""

    path: Path
    text: str = field(init=False, repr=False)
    tree: ast.Module = field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self.text = self.path.read_text(encoding="utf-8")
        self.tree = ast.parse(self.text, filename=str(self.path))

    def __str__(self) -> str:
        return str(self.path.relative_to(ROOT))

    @cached_property
    def module(self) -> str:
        """The dotted name; that of the package for an ``__init__.py``."""
        parts = self.path.relative_to(ROOT).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def imports(self) -> list[tuple[str, str]]:
        """Each imported dotted name with the name it has here, wherever the import stands."""
        found: list[tuple[str, str]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(a.name, a.asname or a.name) for a in node.names]
            elif isinstance(node, ast.ImportFrom):
                found += [(f"{node.module}.{a.name}", a.asname or a.name) for a in node.names]
        return found

    @cached_property
    def docstrings(self) -> set[ast.Constant]:
        """The nodes of all docstrings, those of assignments included."""
        return {
            statement.value
            for node in ast.walk(self.tree)
            if isinstance(node, Documented)
            for statement in node.body
            if isinstance(statement, ast.Expr)
            and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str)
        }

    @cached_property
    def code_lines(self) -> list[int]:
        """The numbers of the lines that are neither blank, nor comments, nor docstrings."""
        prose = {
            number
            for docstring in self.docstrings
            for number in range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1)
        }
        return [
            number
            for number, line in enumerate(self.text.splitlines(), start=1)
            if line.strip() and not line.lstrip().startswith("#") and number not in prose
        ]

    def length(self, function: Function) -> int:
        """The number of code lines of ``function``."""
        last = function.end_lineno or function.lineno
        return sum(function.lineno <= number <= last for number in self.code_lines)

    def functions(self) -> Iterator[Function]:
        """Every function and method, nested ones included."""
        for node in ast.walk(self.tree):
            if isinstance(node, Function):
                yield node

    def strings(self) -> Iterator[ast.Constant]:
        """Every string literal that is not a docstring."""
        for node in ast.walk(self.tree):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and node not in self.docstrings
            ):
                yield node

    def references(self) -> Iterator[tuple[int, str]]:
        """Each name or attribute used, with its line, spelled out by this file's imports.

        With ``from datetime import datetime as dt``, ``dt.now`` is ``datetime.datetime.now``.
        """
        origin = {local: name for name, local in self.imports}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute | ast.Name) and isinstance(node.ctx, ast.Load):
                head, _, rest = ast.unparse(node).partition(".")
                yield node.lineno, f"{origin.get(head, head)}.{rest}".rstrip(".")

    def method_calls(self) -> Iterator[tuple[int, str]]:
        """The name of each method called, with its line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                yield node.lineno, node.func.attr

    @cached_property
    def exported(self) -> list[str] | None:
        """The names in ``__all__``, or None where there is none."""
        for statement in self.tree.body:
            if _assigned_names(statement) == ["__all__"]:
                value = getattr(statement, "value", None)
                if isinstance(value, ast.List | ast.Tuple):
                    return [str(ast.literal_eval(element)) for element in value.elts]
        return None

    @cached_property
    def public_names(self) -> set[str]:
        """What the module itself defines at its top level, without a leading underscore."""
        names = {
            name
            for statement in self.tree.body
            if not _is_type_variable(statement)
            for name in _assigned_names(statement)
        }
        return {name for name in names if not name.startswith("_")}

    @cached_property
    def words_used(self) -> set[str]:
        """Each identifier this file reads, imports or has in a string, ``__all__`` apart."""
        words = {local for _, local in self.imports}
        words |= {name.rpartition(".")[2] for name, _ in self.imports}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                words.add(node.id)
            elif isinstance(node, ast.Attribute):
                words.add(node.attr)
        exported = set(self.exported or ())
        for string in self.strings():
            if string.value not in exported:
                words.update(re.findall(r"\w+", str(string.value)))
        return words


def _assigned_names(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return [statement.name]
        case ast.Assign():
            targets = statement.targets
        case ast.AnnAssign():
            targets = [statement.target]
        case _:
            return []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _is_type_variable(statement: ast.stmt) -> bool:
    """Whether it is ``T = TypeVar("T")``: a means of notation, of no use to others."""
    match statement:
        case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec"))):
            return True
    return False


def python_files(*folders: str) -> list[SourceFile]:
    """Every Python file in ``folders`` of the repository, in order."""
    return [
        SourceFile(path)
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "_build" not in path.parts
    ]


def documents() -> list[Path]:
    """README and every page of the documentation and the specification."""
    pages = [page for folder in ("docs", "spec") for page in sorted((ROOT / folder).rglob("*.md"))]
    pages = [page for page in pages if "_build" not in page.parts]
    return [
        path for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md") if path.exists()
    ] + pages
