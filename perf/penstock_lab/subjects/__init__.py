"""The devices under test, by the name of their driver in a scenario."""
import importlib
import pathlib
import sys

# Namespaces, processes and the gateway's CLI are those of the system tests.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tests" / "system"))

DRIVERS = {"loop": "Loop", "forwarder": "Forwarder", "penstock": "Penstock", "testpmd": "Testpmd", "l3fwd": "L3fwd", "ipsec-secgw": "IpsecSecgw",
           "crypto-perf": "CryptoPerf", "haproxy": "Haproxy", "nginx": "Nginx", "kernel": "Kernel", "external": "External"}


def driver(name):
    """The class of a driver; KeyError when there is none of that name."""
    return getattr(importlib.import_module("." + name.replace("-", "_"), __name__), DRIVERS[name])
