"""Penstock's own TCP against the kernel's, both as a server and as a client: a TCP listener between a client and servers, so
that every byte passes through two of our connections. Bytes are compared by digest."""
import hashlib
import random
import socket
import struct
import threading
import time

import rig
from rig import LAN4, LAN6, WAN4, WAN6, objects

PORT, SERVED = 7000, 7100
HERE4, HERE6 = WAN4.format(1), WAN6.format(1)
BLOCK = random.Random(7).randbytes(1 << 20)


def noise(size):
    """`size` bytes that are not the same twice in a row, cheaply."""
    return b"".join(struct.pack(">Q", i) + BLOCK[8:min(len(BLOCK), size - i)] for i in range(0, size, len(BLOCK)))[:size]


def digest(data):
    return hashlib.sha256(data).hexdigest()


class Server:
    """A kernel server on a thread per connection: `answer(connection)` is what it does."""

    def __init__(self, host, answer, port=SERVED, family=socket.AF_INET6, receive_buffer=None):
        with host.entered():
            self._listener = socket.socket(family)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("::", port))
        self._listener.listen(4096)
        self._answer, self.results = answer, []
        threading.Thread(target=self._accept, daemon=True).start()
        host.lab.at_close(self.close)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        connection.settimeout(60)
        with connection:
            try:
                self.results.append(self._answer(connection))
            except OSError as error:
                self.results.append(error)

    def close(self):
        self._listener.close()


def read_all(connection):
    pieces = []
    while piece := connection.recv(1 << 18):
        pieces.append(piece)
    return b"".join(pieces)


def echo_after_end(connection):
    """Reads to the end, then sends it back: half-closed in one direction, then in the other."""
    data = read_all(connection)
    connection.sendall(data)
    return digest(data)


def echo(connection):
    total = 0
    while piece := connection.recv(1 << 16):
        connection.sendall(piece)
        total += len(piece)
    return total


class AgainstTheKernel(rig.Story):
    servers = 1
    answer = staticmethod(echo_after_end)

    @classmethod
    def build(cls):
        super().build()
        cls.server = Server(cls.hosts[0], cls.answer)
        cls.apply()

    @classmethod
    def apply(cls, wan=None, lan=None):
        made = objects.service("bytes", "203.0.113.77", (SERVED, SERVED))
        cls.gateway.replace(
            cls.node(wan=wan, lan=lan), made, objects.endpoints(made, LAN4.format(11)),
            objects.gateway("edge", [HERE4, HERE6], objects.listener("raw", PORT, "TCP")),
            objects.tcp_route("raw", "edge", objects.backend("bytes", SERVED)))

    def connect(self, address=HERE4, receive_buffer=None, timeout=60):
        with self.client.entered():
            connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(timeout)
        connection.connect((address, PORT))
        return connection

    def there_and_back(self, size, address=HERE4, **options):
        data = noise(size)
        with self.connect(address, **options) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            self.assertEqual(digest(read_all(connection)), digest(data))
        rig.wait_until(lambda: digest(data) in self.server.results, 10, what="the server's digest")

    def tearDown(self):
        rig.wait_until(lambda: self.gateway.balance() == 0, 10, what=lambda: f"packets that are nowhere: {self.gateway.stats()}")


class Bytes(AgainstTheKernel):

    def test_a_few(self):
        for size in (0, 1, 1459, 1460, 1461, 100_000):
            self.there_and_back(size)

    def test_many(self):
        self.there_and_back(64 << 20)

    def test_ipv6_in_front(self):
        self.there_and_back(4 << 20, address=HERE6)


class Ends(AgainstTheKernel):
    """How connections end: what one side does the other must see."""
    answer = staticmethod(echo)

    def test_the_client_resets(self):
        with self.connect() as connection:
            connection.sendall(b"hello")
            self.assertEqual(connection.recv(100), b"hello")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        rig.wait_until(lambda: any(isinstance(r, ConnectionResetError) for r in self.server.results), 10, what="a reset at the server")

    def test_nobody_serves(self):
        made = objects.service("bytes", "203.0.113.77", (SERVED, 7999))   # nothing listens there
        self.gateway.apply(made, objects.endpoints(made, LAN4.format(11)))
        try:
            with self.assertRaises(ConnectionResetError), self.connect() as connection:   # at once, or at the first look
                connection.recv(1)
        finally:
            self.apply()

    def test_a_port_without_a_listener_is_refused(self):
        with self.client.entered():
            connection = socket.socket()
        connection.settimeout(10)
        self.assertRaises(ConnectionRefusedError, connection.connect, (HERE4, PORT + 1))
        connection.close()

    def test_a_reader_that_stops(self):
        """The window closes at each step of the way, and nothing is lost when the reader goes on."""
        with self.connect() as connection:
            data = noise(32 << 20)
            sender = threading.Thread(target=connection.sendall, args=(data,), daemon=True)
            sender.start()
            time.sleep(3)
            self.assertTrue(sender.is_alive(), "everything was taken though nobody read")
            got = bytearray()
            while len(got) < len(data):
                got += connection.recv(1 << 16)
            sender.join()
            self.assertEqual(digest(bytes(got)), digest(data))

    def test_a_thousand_at_once(self):
        connections = [self.connect() for _ in range(1000)]
        try:
            for n, connection in enumerate(connections):
                connection.sendall(b"%d" % n)
            for n, connection in enumerate(connections):
                self.assertEqual(connection.recv(100), b"%d" % n)
        finally:
            for connection in connections:
                connection.close()


class Paths(AgainstTheKernel):
    """Networks that lose, and hosts that lack what modern TCP has."""

    def tearDown(self):
        for host in (self.client, self.hosts[0]):
            host.run("nft", "delete", "table", "netdev", "loss", check=False)
            for name in ("sack", "timestamps", "window_scaling"):
                host.sysctl(f"net.ipv4.tcp_{name}=1")
            host.run("ip", "link", "set", "eth0", "mtu", 1500)
        super().tearDown()

    def lose(self, percent):
        for host in (self.client, self.hosts[0]):
            for hook in ("ingress", "egress"):
                host.run("nft", f"add table netdev loss; add chain netdev loss {hook} {{ type filter hook {hook} device eth0 priority 0; }}; "
                         f"add rule netdev loss {hook} numgen random mod 1000 < {int(percent * 10)} drop")

    def test_loss_of_one_percent(self):
        self.lose(1)
        self.there_and_back(4 << 20)

    def test_loss_of_five_percent(self):
        self.lose(5)
        self.there_and_back(1 << 20)

    def without(self, **switches):
        for host in (self.client, self.hosts[0]):
            host.sysctl(*(f"net.ipv4.tcp_{name}={value}" for name, value in switches.items()))

    def test_without_sack(self):
        self.without(sack=0)
        self.lose(1)
        self.there_and_back(1 << 20)

    def test_without_timestamps(self):
        self.without(timestamps=0)
        self.there_and_back(8 << 20)

    def test_without_window_scaling_sack_and_timestamps(self):
        self.without(timestamps=0, sack=0, window_scaling=0)
        self.there_and_back(8 << 20)

    def test_tiny_windows(self):
        self.there_and_back(256 << 10, receive_buffer=2048)

    def test_small_mtu(self):
        for mtu in (576, 1280):
            for host in (self.client, self.hosts[0]):
                host.run("ip", "link", "set", "eth0", "mtu", mtu)
            self.there_and_back(2 << 20)


if __name__ == "__main__":
    rig.main()
