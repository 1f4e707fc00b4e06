# SPDX-License-Identifier: MIT
"""What people see: steps with progress, tables."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import Iterator, Sequence

_start = time.monotonic()


def elapsed() -> float:
    return time.monotonic() - _start


def say(text: str = "") -> None:
    print(text, flush=True)


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """One line: what is done, then how it ended and how long it took."""
    begin = time.monotonic()
    tty = sys.stdout.isatty()
    if tty:
        print(f"  {what} ...", end="", flush=True)
    how = "FAILED"
    try:
        yield
        how = "ok"
    finally:
        took = time.monotonic() - begin
        print(("\r\033[K" if tty else "") + f"  {what:<52} {how:<6} {took:5.1f} s", flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> None:
    """right: one letter per column, r for numbers."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    sides = [right[i:i + 1] == "r" for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return "  " + "  ".join(cell.rjust(width) if side else cell.ljust(width)
                                for cell, width, side in zip(row, widths, sides)).rstrip()

    say(line(head))
    say("  " + "  ".join("-" * width for width in widths))
    for row in rows:
        say(line(row))
