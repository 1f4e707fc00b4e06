# SPDX-License-Identifier: MIT
"""The host's end of the guest agent's port; agent_service.c tells the protocol."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

TIMED_OUT = -1000  # the agent's word for a command that was over its time
LOST = -1001  # the guest went away (reboot, crash, killed) with the command under way


class GuestGone(Exception):
    """The guest did not answer in time."""


@dataclass(frozen=True)
class Result:
    command: str
    status: int
    output: str

    @property
    def ok(self) -> bool:
        return self.status == 0

    def words(self) -> dict[str, str]:
        """The key=value words of the last line."""
        lines = self.output.strip().splitlines() or [""]
        return dict(word.partition("=")[::2] for word in lines[-1].split() if "=" in word)

    def __str__(self) -> str:
        how = {TIMED_OUT: "ran out of time", LOST: "was lost with its guest"}
        said = self.output.strip() or "(no output)"
        return f"{self.command}\n{said}\n-> {how.get(self.status, f'status {self.status}')}"


class Job:
    """A command under way in a guest."""

    def __init__(self, link: "AgentLink", number: int, command: str, limit: float):
        self.link, self.number, self.command = link, number, command
        self.end = time.monotonic() + limit
        self.done = threading.Event()
        self.result: Result | None = None

    def finish(self, status: int, output: str) -> None:
        self.result = Result(self.command, status, output)
        self.done.set()

    def wait(self) -> Result:
        """The guest ends a command whose time is over; the slack here is for a guest that hangs."""
        if not self.done.wait(max(0.0, self.end - time.monotonic()) + 15):
            self.link.forget(self)
            raise GuestGone(f"{self.link.name}: no answer to: {self.command}")
        assert self.result
        return self.result

    def stop(self) -> Result:
        """Ends the command early."""
        self.link.send(f"stop {self.number}\n".encode())
        return self.wait()


class AgentLink:
    """Listens where QEMU will connect; survives the guest's reboots."""

    def __init__(self, name: str, path: Path):
        self.name = name
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(1)
        self.numbers = itertools.count(1)
        self.jobs: dict[int, Job] = {}
        self.state = threading.Condition()
        self.boots = 0
        self.connection: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def wait_boot(self, boots: int, limit: float) -> bool:
        """Waits until the guest has said hello for the boots-th time."""
        with self.state:
            return self.state.wait_for(lambda: self.boots >= boots, limit)

    def send(self, data: bytes) -> None:
        if not self.connection:
            raise GuestGone(f"{self.name}: its QEMU is not connected")
        try:
            self.connection.sendall(data)
        except OSError as error:
            raise GuestGone(f"{self.name}: its QEMU has gone ({error})") from None

    def start(self, command: str, limit: float) -> Job:
        job = Job(self, next(self.numbers), command, limit)
        data = command.encode()
        with self.state:
            self.jobs[job.number] = job
        self.send(b"run %d %d %d\n%s" % (job.number, int(limit * 1000), len(data), data))
        return job

    def forget(self, job: Job) -> None:
        with self.state:
            self.jobs.pop(job.number, None)

    def close(self) -> None:
        self.listener.close()
        if self.connection:
            self.connection.close()

    def _lose_jobs(self) -> None:
        lost, self.jobs = self.jobs, {}
        for job in lost.values():
            job.finish(LOST, "")

    def _serve(self) -> None:
        try:
            self.connection, _ = self.listener.accept()
            with self.connection.makefile("rb") as stream:
                while line := stream.readline():
                    self._message(line.decode(errors="replace").split(), stream)
        except OSError:
            pass
        with self.state:
            self._lose_jobs()
            self.state.notify_all()

    def _message(self, words: list[str], stream) -> None:
        if words[:1] == ["hello"]:
            with self.state:
                self._lose_jobs()
                self.boots += 1
                self.state.notify_all()
        elif words[:1] == ["done"] and len(words) == 4:
            output = stream.read(int(words[3])).decode(errors="replace")
            with self.state:
                job = self.jobs.pop(int(words[1]), None)
            if job:
                job.finish(int(words[2]), output)
