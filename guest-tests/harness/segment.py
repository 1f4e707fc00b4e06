# SPDX-License-Identifier: MIT
"""A small learning switch between QEMUs, for the reference network.

QEMU's own hub will not do: it also shows each guest's frames for its neighbours to the NAT, which
answers for any IP address whatever the destination MAC is, so connections between guests are reset.

Each port is a QEMU "-netdev stream" connection: a frame is 4 bytes of length, big-endian, and its
bytes. A port whose reader is slow loses frames, as on a real switch.
"""

from __future__ import annotations

import queue
import socket
import struct
import threading
from pathlib import Path


QUEUE_FRAMES = 1000


class Segment:
    def __init__(self, path: Path):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(8)
        self.ports: dict[socket.socket, queue.Queue[bytes]] = {}
        self.where: dict[bytes, socket.socket] = {}
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                port, _ = self.listener.accept()
            except OSError:
                return
            port.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
            self.ports[port] = queue.Queue(QUEUE_FRAMES)
            for part in (self._reader, self._writer):
                threading.Thread(target=part, args=(port,), daemon=True).start()

    def _writer(self, port: socket.socket) -> None:
        """Each port has its own: a guest that boots does not read, and its neighbours go on."""
        frames = self.ports[port]
        try:
            while framed := frames.get():
                port.sendall(framed)
        except OSError:
            pass

    def _reader(self, port: socket.socket) -> None:
        data = b""
        try:
            while more := port.recv(1 << 17):
                data += more
                at = 0
                while len(data) - at >= 4:
                    (length,) = struct.unpack_from(">I", data, at)
                    if len(data) - at - 4 < length:
                        break
                    self._frame(port, data[at:at + 4 + length])
                    at += 4 + length
                data = data[at:]
        except OSError:
            pass
        frames = self.ports.pop(port)
        if not frames.full():
            frames.put(b"")  # ends the writer; a full queue's writer meets the closed socket
        port.close()

    def _frame(self, source: socket.socket, framed: bytes) -> None:
        to, sender = framed[4:10], framed[10:16]
        self.where[sender] = source
        known = self.where.get(to)
        if known in self.ports:
            targets = [known]
        else:
            targets = [port for port in list(self.ports) if port is not source]
        for port in targets:
            frames = self.ports.get(port)
            if frames is not None and not frames.full():
                frames.put(framed)

    def close(self) -> None:
        self.listener.close()
