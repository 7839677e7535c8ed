"""The command line of a worker; each option can be set in the environment instead."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from dynamomq.errors import InvalidArgumentError
from dynamomq.worker.settings import LOG_LEVELS, Settings

_PREFIX = "DYNAMOMQ_"
_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")

_EPILOG = """\
Each option may be set in the environment instead: --max-receives as DYNAMOMQ_MAX_RECEIVES, and so
on; HANDLER as DYNAMOMQ_HANDLER, --no-cooperate as DYNAMOMQ_COOPERATE=no. boto3 itself reads
AWS_ENDPOINT_URL_DYNAMODB, AWS_DEFAULT_REGION and AWS_PROFILE.

exit status:
  0  told to stop by SIGTERM or SIGINT, and all that was begun is finished
  1  table, permissions, credentials or file are not as they must be
  2  the command line, the handler, the payload type or the queue can't be used
  3  handlers were still running when the grace was over, or a process died meanwhile
  4  a second signal ended it at once
"""


def parse(arguments: Sequence[str] | None = None) -> Settings:
    """Return the settings; argparse exits with status 2 where they are wrong."""
    parser = _parser(os.environ)
    options = vars(parser.parse_args(arguments))
    if options["handler"] is None:
        parser.error("the handler is missing: package.module:function")
    try:
        return Settings(**options)
    except InvalidArgumentError as error:
        parser.error(str(error))


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dynamomq.worker",
        description="Handle a queue's messages in several processes with several threads each.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "handler",
        nargs="?",
        metavar="HANDLER",
        default=environment.get(f"{_PREFIX}HANDLER"),
        help="package.module:function, which takes a message, or package.module:name of a "
        "Consumer; modules in the current directory are found",
    )
    add = _adder(parser, environment)
    _add_queue(add)
    _add_consumer(add)
    cooperate = environment.get(f"{_PREFIX}COOPERATE", "").lower()
    if cooperate not in (*_YES, *_NO, ""):
        parser.error(f"{_PREFIX}COOPERATE={cooperate!r} is neither yes nor no")
    parser.add_argument(
        "--cooperate",
        action=argparse.BooleanOptionalAction,
        default=cooperate in _YES if cooperate else None,
        help="whether consumers agree on who claims what (default: yes)",
    )
    return parser


_Add = Callable[..., None]


def _adder(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> _Add:
    """Return what adds an option whose default is a variable's value, which is checked like it."""

    def add(option: str, *, default: object = None, **how: Any) -> None:
        variable = _PREFIX + option.lstrip("-").replace("-", "_").upper()
        parser.add_argument(option, default=environment.get(variable, default), **how)

    return add


def _add_queue(add: _Add) -> None:
    add(
        "--queue",
        metavar="NAME",
        help="package.module:name of a Queue, or of a function that returns one, instead of the "
        "options up to --max-receives",
    )
    add("--table", metavar="NAME", help="the queue's table")
    add("--index", metavar="NAME", help="the table's index by queue and due time")
    add("--file", metavar="PATH", help="the embedded engine's file, instead of DynamoDB")
    add("--endpoint-url", metavar="URL", help="DynamoDB's endpoint, if not the region's")
    add("--region", metavar="NAME", help="the AWS region")
    add("--profile", metavar="NAME", help="a profile of the AWS configuration files")
    add("--payload", metavar="NAME", help="package.module:Type of the payloads")
    add("--max-receives", type=_count, metavar="N", help="deliveries before the dead-letter queue")


def _add_consumer(add: _Add) -> None:
    add("--processes", type=_count, default=1, metavar="N", help="processes (default: 1)")
    add("--concurrency", type=_count, metavar="N", help="handlers at a time in each process")
    add(
        "--visibility-timeout",
        type=_seconds,
        metavar="S",
        help="seconds that a delivery lasts without a heartbeat",
    )
    add("--source", type=str.upper, metavar="QUEUE", help="STANDARD, or DLQ for dead letters")
    add("--batch-size", type=_count, metavar="N", help="hand over so many messages at once")
    add(
        "--grace",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="seconds that handlers have to finish once told to stop (default: 30)",
    )
    add(
        "--log-level",
        type=str.upper,
        default="INFO",
        metavar="LEVEL",
        help=f"one of {', '.join(LOG_LEVELS)} (default: INFO)",
    )


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
