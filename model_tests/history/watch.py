"""What the logs tell while processes still write them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from model_tests.history.log import Event, log_files, read_log
from model_tests.history.records import GIVING_UP

_GIVING_UP = {f"{operation} begun" for operation in GIVING_UP}


class Watch:
    """A reader that follows all logs of a folder.

    Attributes:
        delivered: the messages that were delivered so far.
        first_holders: who noted a message's first delivery.
        faults_over: the messages whose fault a process has got over.
        open: for each process, the messages in its hands with their versions; what it has begun to
            give up is not among them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._offsets: dict[Path, int] = {}
        self.delivered: set[str] = set()
        self.first_holders: dict[str, str] = {}
        self.faults_over: set[str] = set()
        self.open: dict[str, dict[str, int]] = defaultdict(dict)

    def look(self) -> int:
        """Read what is new; return how many events that were."""
        count = 0
        for path in log_files(self._folder):
            events, self._offsets[path] = read_log(path, offset=self._offsets.get(path, 0))
            for event in events:
                self._take_in(event)
            count += len(events)
        return count

    def _take_in(self, event: Event) -> None:
        id = str(event.details.get("id", ""))
        if event.name == "delivered":
            self.delivered.add(id)
            self.open[event.process][id] = int(event.details["version"])
            if event.details["receive_count"] == 1:
                self.first_holders[id] = event.process
        elif event.name in _GIVING_UP:
            self.open[event.process].pop(id, None)
        elif event.name == "fault over":
            self.faults_over.add(id)
