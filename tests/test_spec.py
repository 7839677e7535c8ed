"""The specification: generated files, test vectors, and that its clauses are what is cited."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from dynamomq.expressions import (
    AllOf,
    AnyOf,
    Arg,
    Attr,
    Comparison,
    Condition,
    Constant,
    Exists,
    Given,
    HasType,
    Not,
    Operand,
    Same,
)
from dynamomq.rules import Rule, StateMachine
from dynamomq.table import TableDefinition
from dynamomq.values import Item, Value, item_from_wire
from spec.examples import MACHINES, clock
from spec.generate import MarkerError, main, outputs, with_sections
from spec.layout import json_text
from spec.trees import item_json
from tests.support.source import ROOT

SPEC = ROOT / "spec"
VECTOR_FILES = sorted((SPEC / "vectors").glob("*.json"))
LEAST_VECTORS = 3


def load(path: Path) -> Any:
    """A JSON file's document."""
    return json.loads(path.read_text(encoding="utf-8"))


def validator(schema: str) -> Draft202012Validator:
    """A validator for one of the schemas, which may refer to each other by file name."""
    documents = {path.name: load(path) for path in SPEC.glob("*.schema.json")}
    resources = [(name, Resource.from_contents(one)) for name, one in documents.items()]
    return Draft202012Validator(
        documents[schema], registry=Registry[Any]().with_resources(resources)
    )


MACHINE = load(SPEC / "machine.json")

# --- schemas and generated files -------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(SPEC.glob("*.schema.json")), ids=lambda path: path.name)
def test_schemas_are_schemas(path: Path) -> None:
    """Each schema is itself valid JSON Schema 2020-12."""
    Draft202012Validator.check_schema(load(path))


def test_the_machine_has_its_schema() -> None:
    """machine.json is as machine.schema.json says."""
    validator("machine.schema.json").validate(MACHINE)


@pytest.mark.parametrize("path", VECTOR_FILES, ids=lambda path: path.stem)
def test_vectors_have_their_schema(path: Path) -> None:
    """Each file of vectors is as vectors.schema.json says."""
    validator("vectors.schema.json").validate(load(path))


@pytest.mark.parametrize("place", ["states", "transitions", "rules"])
def test_the_schema_refuses_what_it_does_not_know(place: str) -> None:
    """The schema is closed: a machine with a node that it does not name is invalid."""
    document = load(SPEC / "machine.json")
    part = document["machines"]["message"][place]
    one = part[0] if isinstance(part, list) else part["DELETED"]
    one["surprise"] = True
    assert not validator("machine.schema.json").is_valid(document)


def test_generated_files_are_up_to_date() -> None:
    """`make generate` would change nothing."""
    assert outputs(ROOT).differing(ROOT) == []


def test_check_names_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check writes nothing, names the files and the remedy, and fails; generating mends it."""
    assert main(["--check"], tmp_path) == 1
    shown = capsys.readouterr().out
    assert "spec/machine.json" in shown
    assert "make generate" in shown
    assert list(tmp_path.iterdir()) == []

    obsolete = tmp_path / "spec/vectors/obsolete.json"
    obsolete.parent.mkdir(parents=True)
    obsolete.write_text("{}", encoding="utf-8")
    assert main([], tmp_path) == 0
    assert not obsolete.exists()
    assert main(["--check"], tmp_path) == 0


def test_check_demands_markers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A document that exists without the markers of its sections fails the check."""
    (tmp_path / "README.md").write_text("# No diagram\n", encoding="utf-8")
    assert main(["--check"], tmp_path) == 1
    assert "README.md" in capsys.readouterr().err


def test_sections_are_replaced_between_markers() -> None:
    """What stands around a section is left alone; doing it twice is doing it once."""
    text = "before\n\n<!-- generated: one -->\nold\n<!-- end -->\n\nafter\n"
    new = with_sections("page.md", text, {"one": "new\n"})
    assert new == "before\n\n<!-- generated: one -->\n\nnew\n\n<!-- end -->\n\nafter\n"
    assert with_sections("page.md", new, {"one": "new\n"}) == new
    with pytest.raises(MarkerError, match="two"):
        with_sections("page.md", text, {"two": "new\n"})


def test_json_is_laid_out_for_readers() -> None:
    """What fits stands on one line; what does not, has a line for each part; no line is lost."""
    document = {"short": [1, 2], "long": ["x" * 60, "y" * 60], "empty": {}, "text": "é"}
    text = json_text(document)
    assert json.loads(text) == document
    assert '"short": [1, 2],' in text
    assert f'"long": [\n    "{"x" * 60}",\n' in text


def test_the_table_is_the_definition() -> None:
    """TABLE-1, TABLE-4: table.json is the input of CreateTable, and its names the defaults."""
    table = load(SPEC / "table.json")
    assert table == TableDefinition().create_table_input()
    assert table["KeySchema"] == [{"AttributeName": "id", "KeyType": "HASH"}]
    (index,) = table["GlobalSecondaryIndexes"]
    assert [key["AttributeName"] for key in index["KeySchema"]] == [
        "queue_type",
        "queue_add_timestamp",
    ]
    assert index["Projection"]["NonKeyAttributes"] == ["receive_count", "status"]


def test_every_rule_has_a_condition() -> None:
    """WRITE-1: no write is unconditional, in either of DynamoDB's languages."""
    for machine in MACHINE["machines"].values():
        for rule in machine["rules"]:
            assert rule["dynamodb"]["ConditionExpression"]
            statement = rule["dynamodb"].get("Statement", "INSERT")
            assert statement.startswith("INSERT") or " AND " in statement


# --- a second reading of machine.json --------------------------------------------------------


def condition_of(tree: dict[str, Any]) -> Condition:
    """Read an expression tree back, as a port does."""
    match tree:
        case {"all": parts}:
            return AllOf(tuple(map(condition_of, parts)))
        case {"any": parts}:
            return AnyOf(tuple(map(condition_of, parts)))
        case {"not": part}:
            return Not(condition_of(part))
        case {"compare": operator, "left": left, "right": right}:
            return Comparison(operator, operand_of(left), operand_of(right))
        case {"exists": name}:
            return Exists(Attr(name))
        case {"has_type": name, "type": letter}:
            return HasType(Attr(name), letter)
        case {"given": name}:
            return Given(name)
        case {"same": name, "argument": argument}:
            return Same(Attr(name), argument)
    raise ValueError(tree)


def operand_of(tree: dict[str, Any]) -> Operand:
    """Read an operand of a comparison back."""
    match tree:
        case {"attribute": name}:
            return Attr(name)
        case {"argument": name}:
            return Arg(name)
        case {"constant": typed}:
            return Constant(item_from_wire({"it": typed})["it"])
    raise ValueError(tree)


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_the_document_says_what_the_machine_is(machine: StateMachine) -> None:
    """MACHINE-1: predicates and guards read back from machine.json are the machine's own."""
    document = MACHINE["machines"][machine.name]
    states = {name: condition_of(one["predicate"]) for name, one in document["states"].items()}
    assert states == {state.name: state.predicate for state in machine.states}
    assert [
        (one["trigger"], one["source"], one["destination"], condition_of(one["guard"]))
        for one in document["transitions"]
    ] == [(one.trigger, one.source, one.destination, one.guard) for one in machine.transitions]


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_roles_follow_from_the_documents_facts(machine: StateMachine) -> None:
    """GROUP-11: a port that derives roles from machine.json's facts gets those that it states."""
    document = MACHINE["machines"][machine.name]
    facts = {name: set(one["facts"]) for name, one in document["states"].items()}
    assert facts == {state.name: state.facts for state in machine.states}
    assert {n: s.get("queue") for n, s in document["states"].items()} == {
        state.name: state.queue for state in machine.states
    }
    for one in document["transitions"]:
        leaves = {"listed", "damaged"} & facts[one["source"]]
        if "listed" in facts[one["destination"]]:
            assert one["role"] == ("stays" if leaves else "joins")
        else:
            assert one["role"] == ("leaves" if leaves else "none")


# --- vectors ---------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_each_transition_has_vectors(machine: StateMachine) -> None:
    """Each transition has at least three vectors, among them a success and (writes) a refusal."""
    counts: Counter[tuple[str, str, str]] = Counter()
    outcomes: dict[tuple[str, str, str], set[str]] = {}
    for path in VECTOR_FILES:
        file = load(path)
        for vector in file["vectors"]:
            if file["machine"] == machine.name and "source" in vector:
                key = (file["trigger"], vector["source"], vector["destination"])
                counts[key] += 1
                outcomes.setdefault(key, set()).add(vector["outcome"].split()[0])
    for one in machine.transitions:
        key = (one.trigger, one.source, one.destination)
        assert counts[key] >= LEAST_VECTORS, key
        wanted = {"no"} if one.by == "time" else {"written"}
        assert wanted <= outcomes[key], key
    assert counts.keys() == {(o.trigger, o.source, o.destination) for o in machine.transitions}


@pytest.mark.parametrize("path", VECTOR_FILES, ids=lambda path: path.stem)
def test_vectors_have_names_of_their_own(path: Path) -> None:
    """A failing vector can be found by its name."""
    names = Counter(vector["name"] for vector in load(path)["vectors"])
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("path", VECTOR_FILES, ids=lambda path: path.stem)
def test_vectors_replay(path: Path) -> None:
    """The machine does with each vector what the vector says, step by step as README.md has it."""
    file = load(path)
    machine = MACHINES[file["machine"]]
    failed = [
        f"{vector['name']}: {problem}"
        for vector in file["vectors"]
        if (problem := replay(machine, file["trigger"], vector))
    ]
    assert failed == []


def replay(machine: StateMachine, trigger: str, vector: dict[str, Any]) -> str | None:
    """Carry out one vector; return what is wrong."""
    before, now = item_of(vector["before"]), clock(vector["now"])
    if machine.state_of(before, now).name != vector["before"]["state"]:
        return "another state before"
    if vector["outcome"] == "no write":
        later = machine.state_of(before, clock(vector["later"])).name
        return None if later == vector["after"]["state"] else f"later it is {later}"
    arguments = item_from_wire(vector["arguments"])
    rule = machine.rule(trigger, queue=vector.get("queue"))
    try:
        write = rule.specialised(arguments)
    except ValueError:
        return None if vector["outcome"] == "refused by the arguments" else "no such arguments"
    if not write.applies_to(before, arguments):
        by = "item" if write.admits(arguments) else "arguments"
        if by == "item" and recognised(rule, before, arguments) != vector["recognised"]:
            return f"recognised: {recognised(rule, before, arguments)}"
        return None if vector["outcome"] == f"refused by the {by}" else f"refused by the {by}"
    if vector["outcome"] != "written":
        return "written"
    after = write.apply(before, arguments)
    if machine.state_of(after, now).name != vector["after"]["state"]:
        return "another state after"
    shown = None if after is None else item_json(after)
    return None if shown == vector["after"]["item"] else f"it is {shown} after"


def recognised(rule: Rule, item: Item | None, arguments: dict[str, Value]) -> dict[str, bool]:
    """What the item that refused a write tells whoever has sent it before."""
    return {
        "trace": rule.trace.evaluate(item or {}, arguments),
        "done": rule.done.evaluate(item or {}, arguments),
    }


def item_of(snapshot: dict[str, Any]) -> Item | None:
    """The item of a snapshot in plain values."""
    return None if snapshot["item"] is None else item_from_wire(snapshot["item"])


def test_each_vector_has_its_request() -> None:
    """machine.json holds the strings of every write that a vector makes."""
    rules = {
        (rule["trigger"], rule.get("queue"), tuple(rule["given"]))
        for machine in MACHINE["machines"].values()
        for rule in machine["rules"]
    }
    for path in VECTOR_FILES:
        file = load(path)
        for vector in file["vectors"]:
            if vector["outcome"] in ("written", "refused by the item"):
                key = (file["trigger"], vector.get("queue"), tuple(sorted(vector["arguments"])))
                assert key in rules, vector["name"]


# --- clauses ---------------------------------------------------------------------------------

AREAS = (
    *("TABLE", "EXPR", "MACHINE", "TIME", "WRITE", "ERROR", "SEND", "READ", "RECEIVE", "HOLD"),
    *("OPERATOR", "LEGACY", "GROUP", "DEDUP", "BATCH", "TRANSACT", "AGREE", "SHARD", "CONSUMER"),
)
PROPERTIES = (
    *("NO-LOSS", "NO-DOUBLE", "FENCED", "FIFO", "HEAD", "MAX-RECEIVES", "NOT-EARLY"),
    *("REPEATABLE", "DEDUP", "VERSION", "INDEX-FREE", "PROGRESS"),
    *("HEARTBEAT", "SURRENDER", "REST", "DRAIN", "LEASE", "APART", "REPORT"),
)
CLAUSE = re.compile(r"^- \*\*(?P<id>[A-Z-]+\d*)\*\*(?P<text>.*?)(?=^- \*\*|^## |\Z)", re.M | re.S)
CITATION = re.compile(rf"\b(?:{'|'.join(AREAS)})-\d+\b")
RANGE = re.compile(rf"\b({'|'.join(AREAS)})-(\d+) to (?:\1-)?(\d+)\b")
README = (SPEC / "README.md").read_text(encoding="utf-8")
CLAUSES = {match["id"]: " ".join(match["text"].split()) for match in CLAUSE.finditer(README)}


def test_clauses_have_ids_of_their_own() -> None:
    """No id is given twice, those of an area have no gaps, and all properties are there."""
    ids = [match["id"] for match in CLAUSE.finditer(README)]
    assert len(ids) == len(set(ids))
    expected = [
        f"{area}-{number + 1}"
        for area in AREAS
        for number in range(sum(bool(re.fullmatch(rf"{area}-\d+", one)) for one in ids))
    ]
    assert ids == [*expected, *PROPERTIES]


@pytest.mark.parametrize("clause", CLAUSES)
def test_each_clause_says_how_it_is_verified(clause: str) -> None:
    """A clause names a check or says that there is none yet; every file that it names exists."""
    _, _, verified = CLAUSES[clause].partition("*Verified:* ")
    assert verified, clause
    named = re.findall(r"`([\w/]+\.py)`", verified)
    assert named or re.search(r"vectors|generated check|verified later|not verifiable", verified)
    for name in named:
        assert (ROOT / name).is_file(), name
    for name in re.findall(r"`(\w+\.json)`", verified):
        assert (SPEC / "vectors" / name).is_file(), name


def citations() -> Iterator[tuple[str, str]]:
    """Every clause that code or a document cites, with where it does."""
    folders = ("dynamomq", "tests", "model_tests", "docs", "spec")
    paths = [
        path for one in folders for kind in ("py", "md") for path in (ROOT / one).rglob(f"*.{kind}")
    ]
    for path in [*paths, *ROOT.glob("*.md")]:
        text = path.read_text(encoding="utf-8")
        for match in CITATION.finditer(text):
            yield str(path.relative_to(ROOT)), match[0]
        for area, first, last in RANGE.findall(text):
            for number in range(int(first), int(last) + 1):
                yield str(path.relative_to(ROOT)), f"{area}-{number}"


def test_cited_clauses_exist() -> None:
    """A comment, docstring or page never cites a clause that the specification does not have."""
    assert [f"{path}: {clause}" for path, clause in citations() if clause not in CLAUSES] == []
