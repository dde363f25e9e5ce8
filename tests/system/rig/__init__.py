"""The rig: everything a system test needs to tell a story about the running gateway in a few lines."""
from . import mesh, objects, traffic, uml
from .gateway import CliError, Gateway, cli_path, settle
from .lab import Lab, LabError, run, wait_until
from .packets import Wire, listening, udp_frame, write_pcap
from .story import LAN4, LAN6, VIP4, VIP6, WAN4, WAN6, Story, main

__all__ = ["CliError", "Gateway", "LAN4", "LAN6", "Lab", "LabError", "Story", "VIP4", "VIP6", "WAN4", "WAN6", "Wire",
           "cli_path", "listening", "main", "objects", "run", "settle", "traffic", "udp_frame", "wait_until", "write_pcap"]
