"""The process itself: what it says when it cannot start, its signals, its socket, its watchdog, its configuration file."""
import os
import re
import socket
import stat
import time

import rig
from rig import LAN4, VIP4, objects, traffic


class Daemon(rig.Story):
    servers = 1
    start_gateway = False

    def tearDown(self):
        if self.gateway.process is not None and self.gateway.process.running():
            self.gateway.process.kill()

    def says(self, *more, pattern):
        """It leaves with a status that is not 0 and one line that says what to do."""
        process = self.gateway.launch(*more)
        status = process.wait(20)
        self.assertNotEqual(status, 0)
        lines = [line for line in process.output().splitlines() if re.search(pattern, line, re.IGNORECASE)]
        self.assertTrue(lines, process.output())

    def test_a_store_that_cannot_be_written(self):
        self.gateway.store = self.lab.dir / "no-such-directory" / "store.db"
        try:
            self.says(pattern="store|no-such-directory")
        finally:
            self.gateway.store = self.lab.dir / "gateway.db"

    def test_a_corrupt_store_is_left_alone(self):
        corrupt = self.lab.dir / "corrupt.db"
        corrupt.write_bytes(b"this is not a database, not at all" * 1000)
        kept = corrupt.read_bytes()
        self.gateway.store = corrupt
        try:
            self.says(pattern="corrupt|not a database|damaged")
        finally:
            self.gateway.store = self.lab.dir / "gateway.db"
        self.assertEqual(corrupt.read_bytes(), kept, "the only copy of the configuration was changed")

    def test_a_socket_that_is_in_use(self):
        first = rig.Gateway(self.gateway_host, "first")
        first.start()
        self.gateway.socket = first.socket
        self.gateway.metrics_address = "127.0.0.1:9465"
        try:
            self.says(pattern="another gateway")
            self.assertEqual(first.cli("node", "info").returncode, 0, "the first gateway lost its socket")
        finally:
            self.gateway.socket = self.lab.dir / "gateway.sock"
            self.gateway.metrics_address = "127.0.0.1:9464"
            first.stop()

    def test_a_metrics_port_that_is_in_use(self):
        with self.gateway_host.entered():
            taken = socket.create_server(("127.0.0.1", 9464))
        try:
            self.says(pattern="9464|metrics")
        finally:
            taken.close()

    def test_a_bad_configuration_file_names_the_field(self):
        path = self.gateway.file_of(objects.rate_limit("r", {"interface": "nowhere"}, {"packetsPerSecond": 5}), name="start.yaml")
        self.says("--config", path, pattern="nowhere")

    def test_socket_mode_and_removal(self):
        self.gateway.start()
        mode = stat.S_IMODE(os.stat(self.gateway.socket).st_mode)
        self.assertEqual(oct(mode), oct(0o660))
        self.gateway.stop()
        self.assertFalse(self.gateway.socket.exists())

    def test_a_socket_left_by_a_killed_gateway_is_no_obstacle(self):
        self.gateway.start()
        self.gateway.kill()
        self.assertTrue(self.gateway.socket.exists())
        self.gateway.start()

    def test_config_file_and_hang_up(self):
        path = self.gateway.file_of(self.node(), self.web_service(address=[VIP4]), name="start.yaml")
        self.start_web()
        self.gateway.start("--config", path)
        self.assertIsNotNone(traffic.fetch(self.client, f"http://{VIP4}/"))
        self.gateway.file_of(self.node(), self.web_service(address=["203.0.113.77"]), name="start.yaml")
        self.gateway.hang_up()
        rig.wait_until(lambda: traffic.fetch(self.client, "http://203.0.113.77/", timeout=1), 10, what="new configuration")
        self.assertIsNone(traffic.fetch(self.client, f"http://{VIP4}/", timeout=1), "what left the file is still served")
        path.write_text("kind: nonsense")
        self.gateway.hang_up()
        time.sleep(1)
        self.assertTrue(self.gateway.process.running())
        self.assertIsNotNone(traffic.fetch(self.client, "http://203.0.113.77/"), "a bad file changed something")
        self.assertRegex(self.gateway.process.output(), "nonsense|start.yaml")

    def test_it_tells_systemd_when_it_is_ready_and_that_it_lives(self):
        path = self.lab.dir / "notify.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(str(path))
            notify.settimeout(15)
            os.environ.update({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "1000000"})
            try:
                self.gateway.launch()
            finally:
                del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
            said = b""
            while b"WATCHDOG=1" not in said:
                said += notify.recv(4096) + b"\n"
            self.assertIn(b"READY=1", said)
            self.gateway.process.send_signal(15)
            while b"STOPPING=1" not in said:
                said += notify.recv(4096) + b"\n"
        path.unlink()

    def test_plaintext_on_the_network_needs_the_flag_named_for_it(self):
        self.says("--listen", "198.51.100.1:7777", pattern="insecure|tls")

    def test_log_lines_are_structured(self):
        self.gateway.start()
        self.gateway.apply(self.node())
        lines = [line for line in self.gateway.process.output().splitlines() if line.strip() and not line.startswith("EAL")]
        self.assertTrue(lines)
        unstructured = [line for line in lines if not (line.startswith("{") or re.search(r"\blevel=\w+", line))]
        self.assertEqual(unstructured, [])

    def test_nothing_configured_is_fine(self):
        for file in self.lab.dir.glob("gateway.db*"):
            file.unlink()
        self.gateway.start()
        self.assertEqual(int(self.gateway.json("node", "info").get("revision", 0)), 0)
        self.gateway.apply(self.node())
        self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3)

    def test_hugepages_or_none(self):
        """Both ways to get memory; where no hugepages are reserved the gateway must say so and go on."""
        for options in (["--no-huge"], []):
            gateway = rig.Gateway(self.gateway_host, "memory" + str(len(options)), options=options)
            gateway.metrics_address = "127.0.0.1:9466"
            gateway.start()
            gateway.apply(self.node())
            self.assertEqual(traffic.ping(self.client, LAN4.format(11)), 3, options)
            self.assertEqual(gateway.stop(), 0)


if __name__ == "__main__":
    rig.main()
