"""The command line and the environment of a worker."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dynamomq import InvalidArgumentError, QueueType
from dynamomq.worker import run
from dynamomq.worker.options import parse
from dynamomq.worker.settings import Settings
from tests.worker.handlers import handle, make_queue

HANDLER = "shop:handle"


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What is printed when a command line is refused."""
    with pytest.raises(SystemExit) as exit_:
        parse(arguments)
    assert exit_.value.code == 2
    return capsys.readouterr().err


def test_a_handler_is_enough() -> None:
    """All other settings have defaults, most of which are left to queue and consumer."""
    assert parse([HANDLER]) == Settings(handler=HANDLER)
    assert Settings(handler=HANDLER).given("table", "concurrency", "cooperate") == {}


def test_all_options() -> None:
    """Each option arrives as a setting of its type."""
    settings = parse(
        [
            *(HANDLER, "--processes", "2", "--concurrency", "3", "--table", "orders"),
            *("--index", "due", "--endpoint-url", "http://localhost:8000"),
            *("--region", "eu-west-1", "--profile", "me", "--payload", "shop:Order"),
            *("--visibility-timeout", "2.5", "--max-receives", "5", "--source", "dlq"),
            *("--batch-size", "7", "--grace", "9", "--no-cooperate", "--log-level", "debug"),
        ]
    )
    assert settings == Settings(
        handler=HANDLER,
        processes=2,
        concurrency=3,
        table="orders",
        index="due",
        endpoint_url="http://localhost:8000",
        region="eu-west-1",
        profile="me",
        payload="shop:Order",
        visibility_timeout=2.5,
        max_receives=5,
        source="DLQ",
        batch_size=7,
        grace=9.0,
        cooperate=False,
        log_level="DEBUG",
    )
    assert Settings.from_json(settings.to_json()) == settings


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each option may come from a variable; the command line has the last word."""
    variables = {
        "HANDLER": HANDLER,
        "PROCESSES": "2",
        "FILE": "queue.db",
        "VISIBILITY_TIMEOUT": "60",
        "COOPERATE": "no",
        "LOG_LEVEL": "warning",
    }
    for name, value in variables.items():
        monkeypatch.setenv(f"DYNAMOMQ_{name}", value)
    assert parse(["--processes", "4"]) == Settings(
        handler=HANDLER,
        processes=4,
        file="queue.db",
        visibility_timeout=60.0,
        cooperate=False,
        log_level="WARNING",
    )
    assert parse(["--cooperate"]).cooperate is True


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("PROCESSES", "many", "argument --processes: 'many' is not a whole number above 0"),
        ("GRACE", "long", "argument --grace: 'long' is not a number of seconds"),
        ("COOPERATE", "maybe", "DYNAMOMQ_COOPERATE='maybe' is neither yes nor no"),
    ],
)
def test_the_environment_is_checked(
    name: str,
    value: str,
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A variable's value is refused as the option's would be."""
    monkeypatch.setenv(f"DYNAMOMQ_{name}", value)
    assert complaint in refusal(capsys, HANDLER)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "the handler is missing: package.module:function"),
        ([HANDLER, "--processes", "0"], "'0' is not a whole number above 0"),
        ([HANDLER, "--processes", "1001"], "processes=1001"),
        ([HANDLER, "--grace", "-1"], "grace=-1.0"),
        ([HANDLER, "--grace", "nan"], "grace=nan"),
        ([HANDLER, "--visibility-timeout", "0"], "visibility_timeout=0.0"),
        ([HANDLER, "--source", "letters"], "Pass 'STANDARD' or 'DLQ'"),
        ([HANDLER, "--log-level", "loud"], "It is one of DEBUG, INFO"),
        ([HANDLER, "--queue", "shop:queue", "--table", "orders"], "so table would have no effect"),
        ([HANDLER, "--file", "q.db", "--region", "eu-west-1"], "so region would have no effect"),
    ],
)
def test_what_is_refused(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be seen to be wrong at once never starts a process: usage, status 2."""
    assert complaint in refusal(capsys, *arguments)


def test_run_refuses_it_too() -> None:
    """As a function it raises, before any process is started."""
    with pytest.raises(InvalidArgumentError, match="processes=0"):
        run(HANDLER, processes=0)


@pytest.mark.parametrize(
    ("name", "value", "what_to_do"),
    [
        ("handler", handle, "pass its name as text: 'package.module:name'"),
        ("handler", None, "pass its name as text: 'package.module:name'"),
        ("payload", dict, "pass its name as text: 'package.module:name'"),
        ("queue", make_queue, "pass its name as text"),
        ("table", 17, "Pass a str"),
        ("file", b"queue.db", "Pass a str"),
        ("region", ["eu-west-1"], "Pass a str"),
        ("processes", "2", "Pass an int"),
        ("concurrency", 2.0, "Pass an int"),
        ("batch_size", True, "Pass an int"),
        ("max_receives", "5", "Pass an int"),
        ("visibility_timeout", "60", "Pass seconds, or a timedelta"),
        ("grace", None, "Pass seconds, or a timedelta"),
        ("source", ["DLQ"], "Pass 'STANDARD' or 'DLQ'"),
        ("cooperate", "no", "Pass True or False"),
        ("log_level", 10, "It is one of DEBUG"),
    ],
)
def test_types_are_checked_before_anything_starts(name: str, value: Any, what_to_do: str) -> None:
    """A value that is of another type is refused by its name, with what to pass instead."""
    with pytest.raises(InvalidArgumentError, match=what_to_do) as refusal:
        run(**{"handler": HANDLER, name: value})
    assert refusal.value.argument == name


def test_values_that_mean_the_same() -> None:
    """Durations may be a ``timedelta``, a file a path, a source an enum; children get them all."""
    settings = Settings(
        handler=HANDLER,
        visibility_timeout=timedelta(minutes=2),
        grace=timedelta(milliseconds=1500),
        file=Path("queue.db"),
        source=QueueType.DLQ,
    )
    assert settings == Settings(
        handler=HANDLER, visibility_timeout=120, grace=1.5, file="queue.db", source="DLQ"
    )
    assert Settings.from_json(settings.to_json()) == settings


def test_help_tells_the_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    """What an operator has to know of options, variables and statuses is in --help."""
    with pytest.raises(SystemExit):
        parse(["--help"])
    text = capsys.readouterr().out
    assert "DYNAMOMQ_MAX_RECEIVES" in text
    assert "  4  a second signal ended it at once" in text
