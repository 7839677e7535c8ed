"""What the demonstration shows: progress while it runs, then figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic

from attrs import frozen

from docs.examples.installed_files.files import FileRecord
from docs.examples.installed_files.ledger import Ledger, Outcome
from dynamomq import Queue
from dynamomq.bench.report import Cell, aligned
from dynamomq.drivers.meter import Usage

try:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
except ImportError:  # it comes with the extra `examples`
    _RICH = False
else:
    _RICH = True

_STEP = 20  # per cent, between two lines where there is no terminal
_SHOWN = 5

_OnProgress = Callable[[int], None]


@frozen
class Timing:
    """How long the two halves took, in seconds."""

    sending: float
    consuming: float


@contextmanager
def progress(label: str, total: int) -> Iterator[_OnProgress]:
    """Show how far something is: as a bar in a terminal, as a few lines elsewhere.

    Yields:
        What to call with the number of steps that are done, several times a second.
    """
    if _RICH and Console().is_terminal and not Console().is_dumb_terminal:
        yield from _bar(label, total)
    else:
        yield from _lines(label, total)


def _bar(label: str, total: int) -> Iterator[_OnProgress]:
    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:>7,} of {task.total:,}"),
        TextColumn("{task.fields[rate]:>9}"),
    )
    began = monotonic()
    with Progress(*columns) as bar:
        task = bar.add_task(label, total=total, rate="")

        def show(done: int) -> None:
            if not bar.tasks[0].finished:  # the rate stands still with the bar
                rate = f"{done / (monotonic() - began):,.0f}/s"
                bar.update(task, completed=done, rate=rate)

        yield show


def _lines(label: str, total: int) -> Iterator[_OnProgress]:
    began = monotonic()
    shown = 0

    def show(done: int) -> None:
        nonlocal shown
        percent = 100 * done // max(total, 1)
        if percent >= shown + _STEP:
            shown = percent - percent % _STEP
            seconds = monotonic() - began
            print(f"{label:<9} {done:>7,} of {total:,} after {seconds:.1f} s", flush=True)

    yield show


def summary(ledger: Ledger, usage: Usage, timing: Timing) -> str:
    """Return what was done, and what it took, as a table."""
    counts = ledger.counts()
    delivered = sum(counts.values())
    done = max(ledger.settled, 1)
    requests = sum(usage.requests.values())
    rows: list[tuple[Cell, ...]] = [
        ("", "messages", "per message", "per second"),
        ("sent", ledger.sent, "", _rate(ledger.sent, timing.sending)),
        ("delivered", delivered, _each(delivered / done), _rate(delivered, timing.consuming)),
        *((outcome.value, counts[outcome], "", "") for outcome in Outcome if counts[outcome]),
        ("requests", requests, _each(requests / done), ""),
        ("conditional failures", usage.refused, _each(usage.refused / done), ""),
    ]
    return "\n".join(aligned(rows))


def _rate(count: int, seconds: float) -> int:
    return round(count / seconds) if seconds > 0 else 0


def _each(figure: float) -> str:
    return f"{figure:.4f}" if 0 < figure < 0.01 else f"{figure:.2f}"


def inspection(queue: Queue[FileRecord]) -> str:
    """Return what is in a queue: counts by state, and its dead letters."""
    stats = queue.stats(limit=1_000_000)
    rows: Sequence[Sequence[Cell]] = [
        ("", "ready", "delayed", "processing", "expired"),
        *(
            (name, part.ready, part.delayed, part.processing, part.expired)
            for name, part in (("STANDARD", stats.standard), ("DLQ", stats.dlq))
        ),
    ]
    lines = aligned(rows)
    letters = list(queue.list("DLQ"))
    reasons = Counter(f"{m.errors[-1].type}: {m.errors[-1].message}" for m in letters if m.errors)
    if reasons:
        lines += ["", "Dead letters by reason", *_counted(reasons)]
        lines += ["", f"The latest {min(_SHOWN, len(letters))}"]
        lines += [f"  {message.id}" for message in letters[-_SHOWN:]]
    return "\n".join(lines)


def _counted(reasons: Counter[str]) -> list[str]:
    shown = [f"  {count:>7,}  {reason}" for reason, count in reasons.most_common(_SHOWN)]
    more = len(reasons) - len(shown)
    return shown + ([f"           and {more:,} other reasons"] if more else [])
