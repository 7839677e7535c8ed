"""Run a command for as long as this process' standard input stays open.

A server that is started by a test run must not outlive it, and a test run can be killed in ways
that run no clean-up. What always happens when a process dies is that its pipes are closed. So the
server is started through this keeper, whose standard input is a pipe held by the owner:

    python keeper.py java -jar …
"""

import os
import subprocess
import sys
import threading


def main(command: list[str]) -> int:
    """Run ``command`` until it ends or standard input does; return its exit status."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    threading.Thread(target=_stop_at_end_of_input, args=(process,), daemon=True).start()
    return process.wait()


def _stop_at_end_of_input(process: "subprocess.Popen[bytes]") -> None:
    # Not sys.stdin: its lock, held by a thread that reads, aborts the interpreter when it ends.
    while os.read(0, 1024):
        pass
    process.terminate()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
