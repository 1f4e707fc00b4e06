# SPDX-License-Identifier: MIT
"""One guest: a QEMU, what runs in it, and how it ends."""

from __future__ import annotations

import fcntl
import functools
import os
import platform
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from . import procs
from .agentlink import AgentLink, GuestGone, Job, Result
from .paths import Kernel
from .patience import stretch

BOOT_LIMIT = 180.0  # 5 s is usual under TCG; on a machine that is busy otherwise it takes much longer
KVM_GET_API_VERSION = 0xAE00
KVM_CREATE_VM = 0xAE01


@functools.cache
def accelerator() -> list[str]:
    """QEMU's -accel: KVM where it can really make a virtual machine, else TCG.

    The device alone proves nothing: containers and nested machines have one that fails. Without
    virtualisation in the CPU it is not even opened. HVNET_ACCEL=tcg or kvm overrides.
    """
    wanted = os.environ.get("HVNET_ACCEL", "")
    tcg, kvm = ["-accel", "tcg,thread=multi", "-cpu", "max,la57=off"], ["-accel", "kvm", "-cpu", "host"]
    if wanted in ("tcg", "kvm"):
        return kvm if wanted == "kvm" else tcg
    flags = Path("/proc/cpuinfo").read_text().split()
    if platform.machine() != "x86_64" or not {"vmx", "svm"} & set(flags):
        return tcg
    try:
        with open("/dev/kvm", "rb+", buffering=0) as device:
            if fcntl.ioctl(device, KVM_GET_API_VERSION, 0) != 12:
                return tcg
            os.close(fcntl.ioctl(device, KVM_CREATE_VM, 0))
    except OSError:
        return tcg
    return kvm


class CommandFailed(Exception):
    def __init__(self, guest: "Guest", result: Result):
        super().__init__(f"{guest.name}: {result}")
        self.result = result


class Nic(Protocol):
    """How a guest's NIC comes to QEMU and, inside, to life; see nics.py."""

    driver: str

    def command(self, guest: "Guest", qemu_arguments: list[str]) -> list[str | Path]:
        """The command line that runs QEMU with these arguments and the NIC."""
        ...

    def load(self, guest: "Guest") -> None:
        """Loads the NIC's drivers in the guest."""
        ...

    def unload(self, guest: "Guest") -> None:
        ...

    def versions(self, guest: "Guest") -> str:
        """The protocol versions that guest and host agreed on."""
        ...


@dataclass
class Guest:
    name: str
    kernel: Kernel
    initramfs: Path
    nic: Nic
    mac: str
    folder: Path  # this guest's sockets and logs; exists and is empty
    vcpus: int = 1
    memory_mib: int = 512
    shell: bool = False  # a shell on its console, for people
    qemu: procs.Child | None = field(default=None, init=False)
    link: AgentLink | None = field(default=None, init=False)
    interface: str = field(default="", init=False)
    boots: int = field(default=0, init=False)

    @property
    def console_log(self) -> Path:
        return self.folder / "console.log"

    @property
    def pid_file(self) -> Path:
        return self.folder / "qemu.pid"

    def start(self) -> None:
        """Starts QEMU; wait_boot() tells when the guest is there."""
        self.link = AgentLink(self.name, self.folder / "agent.sock")
        self.boots = 0
        self.qemu = procs.Child(self.name, self.nic.command(self, self._arguments()),
                                self.folder / "qemu.log")

    def _arguments(self) -> list[str]:
        # On a busy host an emulated timer may miss the kernel's check of it, which then panics.
        kernel_line = (f"console=ttyS0 panic=1 loglevel=5 mitigations=off net.ifnames=0 "
                       f"no_timer_check hvnet.name={self.name}" + (" hvnet.shell" if self.shell else ""))
        console = f"socket,id=console,path={self.folder / 'console.sock'},server=on,wait=off," \
            if self.shell else "null,id=console,"
        return [
            "-name", self.name, "-machine", "q35", *accelerator(), "-smp", str(self.vcpus),
            "-m", str(self.memory_mib), "-nodefaults", "-no-user-config", "-display", "none",
            "-kernel", str(self.kernel.image), "-initrd", str(self.initramfs),
            "-append", kernel_line,
            "-chardev", f"{console}logfile={self.console_log}", "-serial", "chardev:console",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={self.folder / 'agent.sock'}",
            "-device", "virtserialport,chardev=agent,name=hvnet.agent",
            "-qmp", f"unix:{self.folder / 'qmp.sock'},server=on,wait=off",
            "-pidfile", str(self.pid_file),
        ]

    def wait_boot(self, limit: float = BOOT_LIMIT) -> None:
        """Waits for the next boot that was not waited for yet."""
        assert self.link and self.qemu
        self.boots += 1
        step = 0.5
        while limit > 0 and not self.link.wait_boot(self.boots, step):
            limit -= step
            if not self.qemu.alive():
                break
        if self.link.boots < self.boots:
            how = "is not up in time" if self.qemu.alive() else \
                f"has no QEMU any more (status {self.qemu.process.returncode})"
            raise GuestGone(f"guest {self.name} {how}\n{self.qemu.last_words()}\n"
                            f"console, last lines ({self.console_log}):\n{self.console(12)}")

    def spawn(self, command: str, limit: float = 60.0) -> Job:
        """Starts a shell command in the guest."""
        assert self.link
        return self.link.start(command, stretch(limit))

    def try_run(self, command: str, limit: float = 30.0) -> Result:
        return self.spawn(command, limit).wait()

    def run(self, command: str, limit: float = 30.0) -> Result:
        """As try_run(), but a failing command is an error."""
        result = self.try_run(command, limit)
        if not result.ok:
            raise CommandFailed(self, result)
        return result

    def console(self, lines: int = 40) -> str:
        if not self.console_log.exists():
            return "(nothing)"
        text = self.console_log.read_text(errors="replace").replace("\r", "")
        return "\n".join(text.splitlines()[-lines:])

    def kill_qemu(self) -> None:
        """SIGKILL to QEMU itself, not to what launched it."""
        procs.kill_by_pid_file(self.pid_file)

    def stop(self) -> None:
        if self.qemu:
            self.qemu.kill(signal.SIGTERM)
            self.qemu.stop()
        if self.link:
            self.link.close()
        self.qemu = self.link = None
