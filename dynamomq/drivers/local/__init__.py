"""The embedded engine: DynamoMQ on one machine, in an SQLite file or in memory."""

from dynamomq.drivers.local.engine import LocalEngine
from dynamomq.drivers.local.feed import Change

__all__ = ["Change", "LocalEngine"]
