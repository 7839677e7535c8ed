"""What the model tests share: which seeds a run starts from, and a defect to be found."""

import pytest
from attrs import evolve

from dynamomq.expressions import TRUE
from dynamomq.operations import holding, sending
from dynamomq.rules import Rule
from model_tests import profiles


def pytest_configure() -> None:
    """Choose the first seed before there are other processes, which inherit it."""
    try:
        profiles.first_seed()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what is marked ``deep`` to `make deep`."""
    if not profiles.chosen().is_repeatable:
        return
    deep = [item for item in items if item.get_closest_marker("deep")]
    if deep:
        config.hook.pytest_deselected(items=deep)
        items[:] = [item for item in items if item not in deep]


def pytest_report_header() -> str:
    """Say how thorough the model tests are, and from which seed on."""
    return f"model tests: {profiles.NAME}, seeds from {profiles.first_seed()}"


@pytest.fixture
def careless_deletes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take from delete its guard, the receipt."""
    for queue, rule in holding.DELETE.items():
        steps = tuple((state, evolve(step, guard=TRUE)) for state, step in rule.alternatives)
        monkeypatch.setitem(holding.DELETE, queue, Rule(rule.trigger, rule.kind, steps))


@pytest.fixture
def careless_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let send overwrite what is there."""
    rule = sending._SEND
    steps = tuple((evolve(state, predicate=TRUE), step) for state, step in rule.alternatives)
    monkeypatch.setattr(sending, "_SEND", Rule(rule.trigger, rule.kind, steps))
