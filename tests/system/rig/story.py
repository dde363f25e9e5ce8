"""What every story starts from: an outside client, the gateway, and servers on a segment behind it.

    client 198.51.100.2 ──wan── gateway ──lan (switch)── s1 10.0.1.11, s2 10.0.1.12, s3 10.0.1.13
           2001:db8:1::2                                    2001:db8:2::11 ...

A test module sets what differs, writes methods of a few lines, and ends with `rig.main()`.
"""
import os
import sys
import unittest

from . import objects, traffic
from .gateway import Gateway, cli_path, daemon_path
from .lab import Lab, LabError, close_all
from .packets import Wire

WAN4, WAN6 = "198.51.100.{}", "2001:db8:1::{}"
LAN4, LAN6 = "10.0.1.{}", "2001:db8:2::{}"
VIP4, VIP6 = "203.0.113.10", "2001:db8:f::10"


class Story(unittest.TestCase):
    """One lab and one gateway per class; the methods apply what they need."""

    servers = 2
    cores = (1,)
    driver = os.environ.get("PENSTOCK_TEST_DEVICE", "af_packet")
    queues = 1             # of each device
    workers = {}           # more fields of spec.workers
    node_fields = {}       # more fields of spec
    start_gateway = True

    @classmethod
    def setUpClass(cls):
        reason = cls.missing()
        if reason:
            raise unittest.SkipTest(reason)
        cls.lab = Lab(cls.__name__)
        try:
            cls.build()
        except BaseException:
            cls.report()
            cls.lab.close()
            raise

    @classmethod
    def missing(cls):
        """Why this story cannot be told here; empty when it can."""
        if os.geteuid() != 0:
            return "needs root, for network namespaces"
        for path in (daemon_path(), cli_path()):
            if not path.exists():
                raise LabError(f"{path} is not there: build first, or set PENSTOCK_BUILD")
        need = max(cls.cores) + 1
        if len(os.sched_getaffinity(0)) < need:
            return f"needs {need} cores"
        return ""

    @classmethod
    def build(cls):
        cls.gateway_host = cls.lab.namespace("gw")
        cls.client = cls.lab.namespace("client")
        cls.lab.link(cls.client, "eth0", cls.gateway_host, "wan0")
        cls.client.add_address("eth0", WAN4.format(2) + "/24", WAN6.format(2) + "/64")
        cls.client.add_route("0.0.0.0/0", via=WAN4.format(1))
        cls.client.add_route("::/0", via=WAN6.format(1))
        cls.lan = cls.lab.switch("lan")
        cls.lan.plug(cls.gateway_host, "lan0")
        cls.hosts = [cls.lab.host(f"s{n}", cls.lan, LAN4.format(10 + n) + "/24", LAN6.format(10 + n) + "/64",
                                  gateway=(LAN4.format(1), LAN6.format(1))) for n in range(1, cls.servers + 1)]
        # The gateway reads its devices itself: the kernel beside it must not speak on them.
        cls.gateway_host.sysctl("net.ipv6.conf.wan0.disable_ipv6=1", "net.ipv6.conf.lan0.disable_ipv6=1")
        cls.gateway = Gateway(cls.gateway_host)
        if cls.start_gateway:
            cls.gateway.start()
            cls.gateway.apply(cls.node())

    @classmethod
    def node(cls, wan=None, lan=None, **fields):
        """The Node of the picture above; `wan` and `lan` add fields to those interfaces."""
        interfaces = [
            objects.interface("wan", objects.device(0, "wan0", cls.driver, cls.queues),
                              WAN4.format(1) + "/24", WAN6.format(1) + "/64", **(wan or {})),
            objects.interface("lan", objects.device(1, "lan0", cls.driver, cls.queues),
                              LAN4.format(1) + "/24", LAN6.format(1) + "/64", **(lan or {}))]
        return objects.node(*interfaces, cores=cls.cores, workers=cls.workers, **{**cls.node_fields, **fields})

    @classmethod
    def web_service(cls, name="web", address=(VIP4, VIP6), members=None, **policy):
        """A service on port 80 over the hosts' nginx, with its slices and, when asked for, its policy."""
        members = members or [n for n in range(1, cls.servers + 1)]
        made = objects.service(name, address, (80, 80))
        slices = objects.endpoints(made, *[p.format(10 + n) for p in (LAN4, LAN6) for n in members])
        return [made, *slices, *([objects.service_policy(name, **policy)] if policy else [])]

    @classmethod
    def start_web(cls, **options):
        for host in cls.hosts:
            traffic.nginx(host, **options)

    @classmethod
    def wire(cls, host, device="eth0"):
        return Wire(host, device)

    @classmethod
    def tearDownClass(cls):
        cls.lab.close(keep_files=bool(os.environ.get("PENSTOCK_KEEP_LAB")))

    def run(self, result=None):
        faults = len(result.failures) + len(result.errors) if result is not None else 0
        super().run(result)
        if result is not None and len(result.failures) + len(result.errors) > faults:
            self.report()

    @classmethod
    def report(cls):
        """What the gateway knows, for the reader of a failed test."""
        gateway = getattr(cls, "gateway", None)
        if gateway is None or gateway.process is None:
            return
        print("--- gateway's last lines\n" + gateway.process.tail(20), file=sys.stderr)
        if gateway.process.running():
            try:
                print(f"--- drops: {gateway.drops()}", file=sys.stderr)
            except Exception as error:   # the report must not hide the failure it is about
                print(f"--- no drops: {error}", file=sys.stderr)


def main():
    """Runs the module's stories. Exit status: 0 passed, 77 everything skipped (ctest says so), 1 failed."""
    program = unittest.main(verbosity=2, exit=False, warnings="ignore", argv=[sys.argv[0], *sys.argv[1:]])
    close_all()
    result = program.result
    reasons = sorted({reason for _, reason in result.skipped})
    for reason in reasons:
        print(f"SKIPPED: {reason}")
    sys.stdout.flush()
    if not result.wasSuccessful():
        sys.exit(1)
    told = result.testsRun - sum(isinstance(test, unittest.TestCase) for test, _ in result.skipped)   # a class that is skipped ran nothing
    sys.exit(77 if result.skipped and told <= 0 else 0)
