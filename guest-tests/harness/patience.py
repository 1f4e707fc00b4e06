# SPDX-License-Identifier: MIT
"""How much longer than usual things may take on this machine at this time.

Limits in the tests are for an idle machine with two cores and TCG. A machine that is busy otherwise
stretches everything, the boot of a guest as well, which is the first thing that happens: so its
duration says by how much to stretch the limits. What must not happen stays a failure; only waiting
for what must happen takes longer.
"""

from __future__ import annotations

USUAL_BOOT = 12.0  # seconds, two guests at once
MOST = 6.0

_factor = 1.0


def learn(boot_seconds: float) -> None:
    global _factor
    _factor = min(MOST, max(1.0, boot_seconds / USUAL_BOOT))


def stretch(seconds: float) -> float:
    return seconds * _factor
