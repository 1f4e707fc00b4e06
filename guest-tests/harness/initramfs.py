# SPDX-License-Identifier: MIT
"""A guest's root file system: a cpio archive (the "newc" format of the kernel's initramfs).

It holds busybox, the agent as process 1's program, ethtool, and below /modules the kernel modules
that the tests load, each with a file NAME.deps that lists what must be loaded before it.
"""

from __future__ import annotations

import lzma
import re
import stat
import subprocess
from pathlib import Path
from typing import Sequence

from .paths import AGENT, Kernel, Missing, require

BUSYBOX = Path("/usr/bin/busybox")
ETHTOOL = [Path("/usr/sbin/ethtool"), Path("/sbin/ethtool")]

# Loaded at boot, for the agent's port.
BOOT_MODULES = ["virtio_pci", "virtio_console"]
# Available to `load`; a module that a kernel does not have (or has built in) is left out.
STOCK_MODULES = ["e1000", "hv_netvsc", "virtio_net", "8021q", "bonding", "bridge", "veth"]
# What provides a stock module's symbols instead of the stock provider.
REPLACED = {"hv_vmbus"}

INIT = """#!/bin/sh
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs run /run
mkdir -p /dev/pts && mount -t devpts pts /dev/pts
for name in %(boot)s; do load $name; done
ip link set lo up
hostname "$(sed -n 's/.*hvnet.name=\\([^ ]*\\).*/\\1/p' /proc/cmdline)"
if grep -q hvnet.shell /proc/cmdline; then
\t(cd /; while sleep 0.2; do setsid cttyhack sh -l; done) &
fi
exec /agent
"""

LOAD = """#!/bin/sh
# load NAME [PARAMETER=VALUE...]: a module after all that it needs; already there is fine.
name=$1; shift
for dep in $(cat /modules/$name.deps 2>/dev/null); do
\t[ -d /sys/module/$dep ] || insmod /modules/$dep.ko || exit
done
[ -d /sys/module/$name ] || [ ! -e /modules/$name.deps ] || insmod /modules/$name.ko "$@"
"""

# What DHCP said, for the tests to read; and the configuration itself.
DHCP = """#!/bin/sh
case $1 in
bound|renew)
\tip -4 addr flush dev $interface
\tip -4 addr add $ip/$mask dev $interface
\tip -4 route replace default via ${router%% *} dev $interface
\tprintf 'ip=%s\\nmask=%s\\nrouter=%s\\ndns=%s\\nserver=%s\\n' "$ip" "$mask" "${router%% *}" \\
\t\t"${dns%% *}" "$serverid" >/run/lease.$interface
\t;;
esac
"""

PROFILE = """export PS1='\\h# ' PATH=/bin
echo; echo "hvnet guest $(hostname), Linux $(uname -r). The host's end leaves with Ctrl-]."
"""


class Cpio:
    """Writes a newc archive into memory."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.names: set[str] = set()

    def _entry(self, name: str, mode: int, data: bytes, device: tuple[int, int] = (0, 0)) -> None:
        ino = len(self.parts) + 1
        path = name.encode() + b"\0"
        fields = (ino, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
        self.parts.append(head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4))

    def folder(self, name: str) -> None:
        parent = name.rpartition("/")[0]
        if parent:
            self.folder(parent)
        if name not in self.names:
            self.names.add(name)
            self._entry(name, stat.S_IFDIR | 0o755, b"")

    def file(self, name: str, data: bytes | str, mode: int = 0o755) -> None:
        if name in self.names:
            return
        if "/" in name:
            self.folder(name.rpartition("/")[0])
        self.names.add(name)
        self._entry(name, stat.S_IFREG | mode, data.encode() if isinstance(data, str) else data)

    def link(self, name: str, target: str) -> None:
        self.folder(name.rpartition("/")[0])
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name: str, major: int, minor: int) -> None:
        self.folder(name.rpartition("/")[0])
        self._entry(name, stat.S_IFCHR | 0o600, b"", (major, minor))

    def bytes(self) -> bytes:
        self._entry("TRAILER!!!", 0, b"")
        return b"".join(self.parts)


class ModuleTree:
    """modules.dep of a kernel, by module name."""

    def __init__(self, kernel: Kernel):
        self.kernel = kernel
        self.path: dict[str, Path] = {}
        self.needs: dict[str, list[str]] = {}
        for line in (kernel.modules / "modules.dep").read_text().splitlines():
            module, _, needs = line.partition(":")
            name = self._name(module)
            self.path[name] = kernel.modules / module
            # modules.dep lists the nearest first; loading goes the other way.
            self.needs[name] = [self._name(n) for n in reversed(needs.split())]

    @staticmethod
    def _name(path: str) -> str:
        return re.sub(r"\.ko(\.\w+)?$", "", path.rsplit("/", 1)[-1]).replace("-", "_")

    def read(self, name: str) -> bytes:
        data = self.path[name].read_bytes()
        return lzma.decompress(data) if self.path[name].suffix == ".xz" else data


def _add_module(cpio: Cpio, tree: ModuleTree, name: str) -> None:
    if name not in tree.path:
        return  # built into this kernel, or absent: load will tell
    needs = [n for n in tree.needs[name] if n not in REPLACED]
    for one in [*needs, name]:
        cpio.file(f"modules/{one}.ko", tree.read(one), 0o644)
    cpio.file(f"modules/{name}.deps", "\n".join(needs) + "\n", 0o644)


def _add_our_modules(cpio: Cpio, tree: ModuleTree) -> None:
    for path in sorted(tree.kernel.our_modules.glob("*.ko")):
        name = path.stem
        info = subprocess.run(["/sbin/modinfo", "-F", "depends", path], text=True, check=True,
                              capture_output=True).stdout.strip()
        cpio.file(f"modules/{name}.ko", path.read_bytes(), 0o644)
        needs: list[str] = []
        for dep in filter(None, info.split(",")):
            if dep in REPLACED or (tree.kernel.our_modules / f"{dep}.ko").exists():
                continue  # the tests load buses and drivers themselves, in the order they want
            _add_module(cpio, tree, dep)
            needs += [n for n in [*tree.needs.get(dep, []), dep] if n in tree.path]
        cpio.file(f"modules/{name}.deps", "\n".join(needs) + "\n", 0o644)


def _add_dynamic(cpio: Cpio, program: Path, name: str) -> None:
    """A program of this system with the shared libraries it needs, at their own places."""
    cpio.file(name, program.read_bytes())
    said = subprocess.run(["ldd", program], text=True, check=True, capture_output=True).stdout
    for library in re.findall(r"(/\S+) \(0x", said):
        cpio.file(library.lstrip("/"), Path(library).read_bytes())


def build(kernel: Kernel, out: Path, programs: Sequence[Path] = ()) -> Path:
    """Writes the initramfs of a kernel, with programs of this system at their own places; `out` again."""
    cpio = Cpio()
    tree = ModuleTree(kernel)
    for folder in ("dev", "proc", "sys", "run", "tmp", "etc", "bin", "modules"):
        cpio.folder(folder)
    cpio.device("dev/console", 5, 1)
    cpio.file("bin/busybox", require(BUSYBOX, "scripts/setup guests").read_bytes())
    applets = subprocess.run([BUSYBOX, "--list"], text=True, check=True, capture_output=True).stdout
    for applet in sorted(set(applets.split()) - {"busybox"}):
        cpio.link(f"bin/{applet}", "busybox")
    cpio.file("agent", require(AGENT, "make").read_bytes())
    cpio.link("bin/agent", "/agent")
    ethtool = next((path for path in ETHTOOL if path.exists()), None)
    if not ethtool:
        raise Missing("no ethtool here; it is installed by: scripts/setup guests")
    _add_dynamic(cpio, ethtool, "bin/ethtool")
    for program in programs:
        _add_dynamic(cpio, require(program, "scripts/setup test"), str(program).lstrip("/"))
    for name in [*BOOT_MODULES, *STOCK_MODULES]:
        _add_module(cpio, tree, name)
    _add_our_modules(cpio, tree)
    cpio.file("init", INIT % {"boot": " ".join(BOOT_MODULES)})
    cpio.file("bin/load", LOAD)
    cpio.file("etc/udhcpc", DHCP)
    cpio.file("etc/profile", PROFILE)
    temporary = out.with_suffix(".new")
    temporary.write_bytes(cpio.bytes())
    temporary.rename(out)
    return out
