"""The worker: a handler in several processes with several threads each, kept running.

``python -m dynamomq.worker package.module:function`` is the command; :func:`run` is the same as a
function. Children that die are started again; signals to stop are passed on; the exit status says
how it ended.
"""

from __future__ import annotations

from dynamomq.worker.running import run
from dynamomq.worker.statuses import ExitStatus

__all__ = ["ExitStatus", "run"]
