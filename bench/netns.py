# SPDX-License-Identifier: MIT
"""A network namespace of the program's own, with tap interfaces in it: nothing of the host's network
is touched, and all of it goes with the program."""

from __future__ import annotations

import os
import subprocess
import sys

from harness.paths import Missing

INSIDE = "HVNET_IN_NETNS"


def enter() -> None:
    """Starts the program again in a new network namespace; returns in there."""
    if os.environ.pop(INSIDE, ""):
        _ip("link", "set", "lo", "up")
        return
    # Whoever is not root is in a user namespace, where the taps are its own.
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    os.execvpe("unshare", ["unshare", "--net", *user, "--", sys.executable, *sys.argv],
               {**os.environ, INSIDE: "1"})


def _ip(*words: str) -> None:
    said = subprocess.run(["ip", *words], text=True, capture_output=True)
    if said.returncode:
        raise Missing(f"ip {' '.join(words)}: {said.stderr.strip()}")


def make_tap(name: str, address: str) -> None:
    """A persistent tap with an address ("198.18.1.1/24"), up."""
    _ip("tuntap", "add", "name", name, "mode", "tap", "vnet_hdr")
    _ip("addr", "add", address, "dev", name)
    _ip("link", "set", name, "up")
