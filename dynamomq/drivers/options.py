"""Where an engine on DynamoDB is to connect to, checked before boto3 would stumble over it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from dynamomq.checks import check_flag
from dynamomq.drivers.meter import Meter
from dynamomq.errors import InvalidArgumentError

_MADE_BY: Final = {"client": "boto3.client('dynamodb')", "session": "boto3.Session()"}


def check_connection(
    *,
    session: object,
    client: object,
    region_name: object,
    endpoint_url: object,
    profile_name: object,
) -> None:
    """Refuse what is of the wrong type, and what contradicts itself.

    Raises:
        InvalidArgumentError: one of them is not acceptable.
    """
    if endpoint_url is not None:
        _check_url(endpoint_url)
    for name, text in (("region_name", region_name), ("profile_name", profile_name)):
        if text is not None and not (isinstance(text, str) and text):
            raise InvalidArgumentError(
                name, text, "a name is text, and not empty", remedy="Pass a str, or leave it out."
            )
    for name, made, needed in (("client", client, "put_item"), ("session", session, "client")):
        if made is not None and not hasattr(made, needed):
            what = "DynamoDB client" if name == "client" else name
            raise InvalidArgumentError(
                name,
                type(made).__name__,
                f"it is not a boto3 {what}",
                remedy=f"Pass {_MADE_BY[name]}, or leave it out.",
            )
    if client is not None:
        chosen = {
            "session": session,
            "region_name": region_name,
            "endpoint_url": endpoint_url,
            "profile_name": profile_name,
        }
        _refuse(chosen, "client")
    if session is not None:
        _refuse({"profile_name": profile_name}, "session")


def check_choices(*, batches: object, meter: object, clock_correction: object) -> None:
    """Refuse choices of the wrong type.

    Raises:
        InvalidArgumentError: one of them is.
    """
    for name, flag in (("batches", batches), ("clock_correction", clock_correction)):
        if flag is not None:
            check_flag(name, flag)
    if meter is not None and not isinstance(meter, Meter):
        raise InvalidArgumentError(
            "meter", type(meter).__name__, "it is no Meter", remedy="Pass one, or leave it out."
        )


def _check_url(url: object) -> None:
    """Refuse what boto3 would fail on later, or what would show a password in error messages."""
    remedy = "Pass a URL such as http://localhost:8000."
    if isinstance(url, str) and "@" in url:
        host = url.rpartition("@")[2]  # and not what is before it
        raise InvalidArgumentError(
            "endpoint_url", host, "it must not contain a user or a password", remedy=remedy
        )
    if not _is_http(url):
        raise InvalidArgumentError("endpoint_url", url, "it is not an HTTP URL", remedy=remedy)


def _is_http(url: object) -> bool:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        return (
            parts is not None
            and parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and parts.port != 0  # which raises where it is no port at all
        )
    except ValueError:
        return False


def _refuse(arguments: Mapping[str, object], owner: str) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise InvalidArgumentError(
                name,
                value,
                f"a {owner} is given, which has its own",
                remedy=f"Leave it out, or make the {owner} with it.",
            )
