"""Drivers of devices under test: the driver `some-device` is the one Subject of the module `some_device`."""
import importlib
import importlib.util

from .base import Subject

NAMES = ("loop", "penstock", "testpmd", "l3fwd", "ipsec-secgw", "crypto-perf", "haproxy", "nginx", "kernel", "external")


def known():
    """The names of the drivers that are here."""
    return [name for name in NAMES if importlib.util.find_spec(_module(name), __name__)]


def driver(name):
    """The class of a driver that known() has."""
    module = importlib.import_module(_module(name), __name__)
    classes = [one for one in vars(module).values()
               if isinstance(one, type) and issubclass(one, Subject) and one.__module__ == module.__name__]
    return classes[-1]


def _module(name):
    return "." + name.replace("-", "_")
