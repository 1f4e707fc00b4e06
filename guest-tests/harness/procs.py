# SPDX-License-Identifier: MIT
"""Child processes: started in one place, and ended whatever way the program ends."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Sequence

_running: list["Child"] = []


class Child:
    """A process that we started; its output goes to a file."""

    def __init__(self, name: str, argv: Sequence[str | Path], log: Path,
                 env: dict[str, str] | None = None, stdin: int = subprocess.DEVNULL):
        self.name = name
        self.log = log
        # setpriv execs the program, so its pid is the program's; the signal it asks for comes
        # when we are gone, even by SIGKILL.
        full = ["setpriv", "--pdeathsig", "TERM", "--", *map(str, argv)]
        with open(log, "ab") as out:
            out.write((" ".join(map(str, argv)) + "\n").encode())
            out.flush()
            self.process = subprocess.Popen(full, stdin=stdin, stdout=out, stderr=out,
                                            env={**os.environ, **(env or {})})
        _running.append(self)

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        return self.process.poll() is None

    def kill(self, sig: signal.Signals = signal.SIGKILL) -> None:
        if self.alive():
            self.process.send_signal(sig)

    def stop(self, patience: float = 5.0) -> int:
        """SIGTERM, then SIGKILL for one that does not listen; its exit status."""
        if self in _running:
            _running.remove(self)
        self.kill(signal.SIGTERM)
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def last_words(self, lines: int = 8) -> str:
        text = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(text[-lines:])


def kill_by_pid_file(path: Path) -> int:
    """SIGKILL for the process that wrote path; its pid.

    For QEMU behind a launcher: a pid file is QEMU's own word for its pid. A pidfd is taken before
    the check that the process is one of ours, so a reused number cannot be hit.
    """
    pid = int(path.read_text())
    handle = os.pidfd_open(pid)
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if str(path).encode() not in command:
            raise ProcessLookupError(f"process {pid} is not the QEMU of {path}")
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)
    return pid


@atexit.register
def stop_all() -> None:
    for child in reversed(list(_running)):
        child.stop()


def end_cleanly_on_signals() -> None:
    """SIGTERM, SIGHUP and ^C end the program through its exit handlers."""

    def leave(number: int, _frame: object) -> None:
        print(f"\nended by {signal.Signals(number).name}: stopping what was started", flush=True)
        sys.exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)
