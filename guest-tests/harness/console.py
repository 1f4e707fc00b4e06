# SPDX-License-Identifier: MIT
"""The user's terminal on a guest's console."""

from __future__ import annotations

import os
import select
import socket
import sys
import termios
import tty
from pathlib import Path

LEAVE = b"\x1d"  # Ctrl-], as telnet


def attach(path: Path) -> None:
    """Returns when the user leaves, or when the guest's QEMU ends."""
    saved = termios.tcgetattr(0) if sys.stdin.isatty() else None
    with socket.socket(socket.AF_UNIX) as guest:
        guest.connect(str(path))
        try:
            if saved:
                tty.setraw(0)
            guest.sendall(b"\n")
            _copy(guest)
        finally:
            if saved:
                termios.tcsetattr(0, termios.TCSADRAIN, saved)
                print()


def _copy(guest: socket.socket) -> None:
    sources: list[int | socket.socket] = [guest, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if guest in ready:
            data = guest.recv(4096)
            if not data:
                return
            os.write(1, data)
        if 0 in ready:
            typed = os.read(0, 4096)
            if not typed or LEAVE in typed:
                return
            guest.sendall(typed)
