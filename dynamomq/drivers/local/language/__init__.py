"""DynamoDB's expression language, as far as writes use it: conditions and updates.

What it means is said by the same nodes as the machine's own guards and effects
(:mod:`dynamomq.expressions`), and by a few more for what only users' expressions have: paths into
documents, ``size``, ``contains`` and ``begins_with``. DynamoDB's grammar is public but not formal;
where its documentation is silent, this goes by what DynamoDB Local does, and a differential test
holds the two together.
"""

from dynamomq.drivers.local.language.conditions import parse_condition
from dynamomq.drivers.local.language.placeholders import ExpressionError, Placeholders
from dynamomq.drivers.local.language.updates import Update, parse_update

__all__ = ["ExpressionError", "Placeholders", "Update", "parse_condition", "parse_update"]
