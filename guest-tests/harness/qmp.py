# SPDX-License-Identifier: MIT
"""What QEMU is told while a guest runs."""

from __future__ import annotations

import json
import socket

from . import judge
from .guest import Guest


def set_link(guest: Guest, name: str, up: bool) -> None:
    """The guest's NIC of this id loses its carrier, or gets it back."""
    with socket.socket(socket.AF_UNIX) as qmp:
        qmp.settimeout(10)
        qmp.connect(str(guest.folder / "qmp.sock"))
        with qmp.makefile("rw") as lines:
            lines.readline()
            for request in ({"execute": "qmp_capabilities"},
                            {"execute": "set_link", "arguments": {"name": name, "up": up}}):
                lines.write(json.dumps(request) + "\n")
                lines.flush()
                while "return" not in (answer := json.loads(lines.readline())):
                    if "error" in answer:
                        raise judge.Failure(f"set_link {name}", "done", answer)
