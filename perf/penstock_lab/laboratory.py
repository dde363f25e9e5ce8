"""The rig of the system tests: namespaces, links and processes that are gone when the run is (tests/system/rig/lab.py)."""
import sys

from .generators import ROOT

sys.path.insert(0, str(ROOT / "tests" / "system"))
from rig.lab import Lab, LabError  # noqa: E402

__all__ = ["Lab", "LabError"]
