"""A low-level DynamoDB client that answers from a script, for what no server does on demand."""

from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from dynamomq.drivers.base import Driver
from dynamomq.drivers.dynamodb import DynamoDBEngine
from dynamomq.table import TableDefinition

ENDPOINT = "https://dynamodb.test"
TABLE = TableDefinition(name="orders", index="by-due")


class ScriptedClient:
    """Gives one answer after the other, whatever is called, and remembers the calls.

    Attributes:
        calls: (method, parameters) of each call.
        closed: whether it was closed.
    """

    def __init__(self, answers: Iterable[Mapping[str, Any] | Exception] = ()) -> None:
        """Take the answers in order; an exception is raised."""
        self.meta = SimpleNamespace(endpoint_url=ENDPOINT)
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.closed = False
        self._answers = list(answers)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            self.calls.append((method, parameters))
            answer = self._answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return {"ResponseMetadata": {"RetryAttempts": 0}} | dict(answer)

        return call

    def close(self) -> None:
        """Remember it."""
        self.closed = True

    @property
    def methods(self) -> list[str]:
        """The names of the methods that were called."""
        return [method for method, _ in self.calls]


def refusal(code: str, message: str = "", *, retries: int = 0, **more: Any) -> ClientError:
    """What boto3 raises for an error of DynamoDB's; ``more`` goes into the response."""
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RetryAttempts": retries},
    }
    return ClientError(response | more, "SomeOperation")


def lost(**more: Any) -> Exception:
    """What boto3 raises where a single write's condition does not hold."""
    code = "ConditionalCheckFailedException"
    error: Exception = refusal(code, "The conditional request failed", **more)
    return error


def opened(
    *answers: Mapping[str, Any] | Exception, **options: Any
) -> tuple[Driver, ScriptedClient]:
    """A driver on ``TABLE`` whose client gives these answers; ``options`` are the engine's."""
    client = ScriptedClient(answers)
    return DynamoDBEngine(client=client, **options).open(TABLE), client
