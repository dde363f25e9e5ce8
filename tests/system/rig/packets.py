"""Frames by hand: raw sockets on a device of a namespace, for what kernel peers do not speak here (VLAN, IP-in-IP, GRE,
broken headers). Frames are built and read with scapy."""
import contextlib
import logging
import select
import socket
import struct
import threading
import time

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers.l2 import Ether  # noqa: E402  (scapy complains about the host's routes when it is imported)

SO_RCVBUFFORCE = 33
ETH_P_ALL, SOL_PACKET, PACKET_IGNORE_OUTGOING, PACKET_AUXDATA = 3, 263, 23, 8


class Wire:
    """One end of a link: sends frames into it and sees what arrives."""

    def __init__(self, namespace, device):
        self.namespace, self.device, self.mac = namespace, device, namespace.mac(device)
        with namespace.entered():
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self._socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self._socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 32 << 20)
        self._socket.bind((device, 0))
        self._socket.setblocking(False)

    def send(self, *frames):
        for frame in frames:
            self._send(bytes(frame))

    def _send(self, data):
        while True:
            try:
                self._socket.send(data)
                return
            except BlockingIOError:
                select.select([], [self._socket], [], 0.1)

    def send_many(self, frames, packets_per_second=0, seconds=0.0):
        """The frames round and round, evenly spaced; the number sent. Without a rate: as fast as Python can."""
        raw = [bytes(f) for f in frames]
        if not seconds and not packets_per_second:
            for data in raw:
                self._send(data)
            return len(raw)
        sent, start = 0, time.monotonic()
        while True:
            now = time.monotonic() - start
            if now >= seconds:
                return sent
            due = int(now * packets_per_second) if packets_per_second else sent + 64
            while sent < due:
                self._send(raw[sent % len(raw)])
                sent += 1
            if packets_per_second:
                time.sleep(0.0005)

    def receive(self, wanted=lambda frame: True, seconds=2.0):
        """The first frame that `wanted` accepts, or None. Anything before it is dropped."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([self._socket], [], [], left)[0]:
                break
            frame = self._read()
            if frame is not None and wanted(frame):
                return frame
        return None

    def receive_all(self, wanted=lambda frame: True, seconds=0.5, count=0):
        """What arrives within `seconds` and is wanted; ends early with `count` frames."""
        frames, deadline = [], time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and (not count or len(frames) < count):
            frame = self.receive(wanted, left)
            if frame is not None:
                frames.append(frame)
        return frames

    def clear(self):
        """Forgets what already arrived."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(65536)

    def _read(self):
        with contextlib.suppress(BlockingIOError):
            data, ancillary, _, _ = self._socket.recvmsg(65536, 256)
            for level, kind, value in ancillary:
                if level == SOL_PACKET and kind == PACKET_AUXDATA:
                    status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", value[:20])
                    if status & 0x10:   # the kernel took the VLAN tag off: put it back
                        data = data[:12] + struct.pack("!HH", tpid if status & 0x40 else 0x8100, tci) + data[12:]
            return Ether(data)
        return None

    def close(self):
        self._socket.close()


def udp_frame(source_mac, destination_mac, source, source_port, destination, port, size):
    """What scapy would build, a hundred times faster: an IPv4 UDP frame of `size` IP bytes without UDP checksum."""
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, size, 0, 0, 64, 17, 0, socket.inet_aton(source), socket.inet_aton(destination))
    total = sum(struct.unpack("!10H", head))
    total = (total & 0xffff) + (total >> 16)
    head = head[:10] + struct.pack("!H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + head[12:]
    macs = bytes.fromhex((destination_mac + source_mac).replace(":", ""))
    return macs + b"\x08\x00" + head + struct.pack("!HHHH", source_port, port, size - 20, 0) + bytes(size - 28)


def write_pcap(path, frames):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            data = bytes(frame)
            out.write(struct.pack("<IIII", 0, 0, len(data), len(data)) + data)
    return path


class Listening:
    """Collects wanted frames on a thread while something else happens: `with wire_listening(...) as seen`."""

    def __init__(self, wire, wanted):
        self.frames, self._wire, self._wanted, self._stop = [], wire, wanted, threading.Event()
        self._thread = threading.Thread(target=self._collect, daemon=True)

    def _collect(self):
        while not self._stop.is_set():
            frame = self._wire.receive(self._wanted, 0.05)
            if frame is not None:
                self.frames.append(frame)

    def __enter__(self):
        self._wire.clear()
        self._thread.start()
        return self.frames

    def __exit__(self, *_):
        time.sleep(0.1)   # what is still on its way
        self._stop.set()
        self._thread.join()


def listening(wire, wanted=lambda frame: True):
    return Listening(wire, wanted)
