"""A Linux kernel of its own as a peer: Debian's user-mode-linux, which has what this host's kernel may lack (ESP, netem).
It boots in seconds over a TAP on a switch, on the host's file system read-only, and runs one script."""
import os
import pathlib
import shutil
import unittest

from .lab import LabError, wait_until

KERNEL = shutil.which("linux.uml")
MODULES = pathlib.Path("/usr/lib/uml/modules")
ALGORITHMS = {   # name in a Peer: what `ip xfrm state` calls it, without keys
    "AES-GCM-128": ("rfc4106(gcm(aes))",), "AES-GCM-256": ("rfc4106(gcm(aes))",),
    "ChaCha20-Poly1305": ("rfc7539esp(chacha20,poly1305)",),
    "AES-CBC-128-HMAC-SHA256": ("cbc(aes)", "hmac(sha256)"), "AES-CBC-256-HMAC-SHA256": ("cbc(aes)", "hmac(sha256)")}
# An init: the kernel starts it with nothing mounted. $1 is where the test and it leave words for each other.
PROLOGUE = """#!/bin/bash
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ TMPDIR=/mnt
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /mnt
echo {dir}/modprobe > /proc/sys/kernel/modprobe
{dir}/modprobe -a ipv6 xfrm_user esp4 esp6 xfrm4_tunnel sch_netem
sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
ip link set lo up
ip link set vec0 mtu 1500 up
wait_for() {{ until [ -e {dir}/$1 ]; do sleep 0.1; done; }}
"""
EPILOGUE = """
echo UML-READY
wait_for uml-stop
echo o > /proc/sysrq-trigger
sleep 10
"""


def missing():
    """Why there can be no such kernel; empty when there can."""
    if KERNEL is None or not MODULES.exists():
        return "needs the package user-mode-linux"
    return "" if os.path.exists("/dev/net/tun") else "needs /dev/net/tun"


class Kernel:
    """Runs `script` (lines of bash) as soon as the kernel is up; `tell(word)` lets `wait_for word` in it go on."""

    def __init__(self, switch, script, memory="192M"):
        self.lab, self.dir = switch.lab, switch.lab.dir
        namespace = switch.namespace
        namespace.ip("tuntap", "add", "dev", "uml0", "mode", "tap")
        namespace.ip("link", "set", "uml0", "master", "br0", "up")
        (self.dir / "lib").mkdir(exist_ok=True)
        (self.dir / "lib" / "modules").symlink_to(MODULES)
        self._write("modprobe", f"#!/bin/sh\nexec /sbin/modprobe -d {self.dir} \"$@\"\n")
        init = self._write("uml-init", PROLOGUE.format(dir=self.dir) + script + EPILOGUE)
        self.process = namespace.start(
            "uml", KERNEL, f"mem={memory}", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", f"init={init}",
            "con=null", "con0=null,fd:1", "con1=null", "quiet", "vec0:transport=tap,ifname=uml0,depth=64,gro=0")
        self.lab.at_close(self.stop)
        wait_until(lambda: "UML-READY" in self.output() or not self.process.running(), 60, 0.1, "the user-mode kernel")
        if "set fp regs failed" in self.output():
            raise unittest.SkipTest("Debian's user-mode-linux does not run on this CPU: its FPU state is larger than that kernel knows")
        if "UML-READY" not in self.output():
            raise LabError(f"the user-mode kernel ended: {self.process.tail()}")

    def _write(self, name, text):
        path = self.dir / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def output(self):
        return self.process.output()

    def tell(self, word):
        (self.dir / word).touch()

    def stop(self):
        self.tell("uml-stop")
        self.process.wait(20)


def states(keys, own, other, v4_own, v4_other, esn=True, udp=False, reqid=1):
    """Commands for both associations of `own` with `other` (numbers of a Keys) between these addresses."""
    text = ""
    for pair, src, dst in (((own, other), v4_own, v4_other), ((other, own), v4_other, v4_own)):
        spi, key, integrity = keys.lines[pair][0]
        names = ALGORITHMS[keys.cipher]
        crypto = (f"aead '{names[0]}' 0x{key.hex()} 128" if len(names) == 1 else
                  f"enc '{names[0]}' 0x{key.hex()} auth-trunc '{names[1]}' 0x{integrity.hex()} 128")
        text += (f"ip xfrm state add src {src} dst {dst} proto esp spi {spi:#x} mode tunnel reqid {reqid} {crypto} "
                 f"replay-window 128 {'flag esn' if esn else ''} {'encap espinudp 4500 4500 0.0.0.0' if udp else ''}\n")
    return text


def policies(inside_own, inside_other, v4_own, v4_other, reqid=1):
    text = ""
    for direction, src, dst, ends in (("out", inside_own, inside_other, (v4_own, v4_other)),
                                      ("in", inside_other, inside_own, (v4_other, v4_own))):
        text += (f"ip xfrm policy add src {src} dst {dst} dir {direction} tmpl src {ends[0]} dst {ends[1]} "
                 f"proto esp reqid {reqid} mode tunnel\n")
    return text



