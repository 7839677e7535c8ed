"""``python -m dynamomq.worker package.module:function``."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from dynamomq.worker import child
from dynamomq.worker.options import parse
from dynamomq.worker.resolving import add_current_directory
from dynamomq.worker.running import Worker


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a worker, or one of its children, and return the exit status; see ``--help``."""
    given = sys.argv[1:] if arguments is None else arguments
    if list(given) == ["--child"]:
        return child.main()
    settings = parse(given)
    child.configure_logging(settings.log_level, "worker")
    add_current_directory()
    return Worker(settings).run()


if __name__ == "__main__":
    # Until the worker handles it, it ends us as SIGTERM does, and without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main())
