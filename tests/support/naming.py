"""Names of parametrised tests that are the same in every process.

The text of a set depends on the process's hash seed, and workers must agree on the names.
"""


def stable(value: object) -> str | None:
    """Name a parameter by its text; by its number (``None``) where a set may be in it."""
    text = str(value)
    return None if "{" in text or "set(" in text else text[:60]
