# SPDX-License-Identifier: MIT
"""Where things are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = Path(os.environ.get("CACHE") or os.environ.get("HVNET_CACHE") or ROOT / ".cache").resolve()
BUILD = ROOT / "build" / "release"

QEMU = CACHE / "bin" / "qemu-system-x86_64"
AGENT = BUILD / "bin" / "guest-agent"
HVNETD = BUILD / "bin" / "hvnetd"
HVNETCTL = BUILD / "bin" / "hvnetctl"
HVNET_QEMU = BUILD / "bin" / "hvnet-qemu"


class Missing(Exception):
    """Something that set-up or the build should have made is not there."""


def require(path: Path, maker: str) -> Path:
    if not path.exists():
        raise Missing(f"{path} is missing; it is made by: {maker}")
    return path


@dataclass(frozen=True)
class Kernel:
    """A kernel that scripts/setup has unpacked."""

    version: str  # "6.1.0-50-amd64"
    series: str  # "6.1"
    folder: Path

    @property
    def image(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def modules(self) -> Path:
        return self.folder / "lib" / "modules" / self.version

    @property
    def our_modules(self) -> Path:
        return ROOT / "build" / "modules" / self.version


def kernels() -> dict[str, Kernel]:
    """The kernels by series, oldest first."""
    found = {}
    for mark in (CACHE / "kernels").glob("*/series"):
        series = mark.read_text().strip()
        found[series] = Kernel(mark.parent.name, series, mark.parent)
    if not found:
        raise Missing(f"no kernel in {CACHE / 'kernels'}; run: scripts/setup guests")
    key = lambda series: [int(part) for part in series.split(".")]
    return {series: found[series] for series in sorted(found, key=key)}
