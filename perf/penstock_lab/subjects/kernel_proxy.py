"""A proxy that is a process of the kernel's network: clients on the left, the generator's server on the right.
`config: {protocol: http | tcp, port: 80, server: 8080}`. It has one process with one thread, on the subject's core."""
import pathlib
import shutil
import subprocess
import tempfile

import rig

from ..fields import Reader
from .base import Missing, silent
from .kernel import InKernel
from .penstock_objects import read_proxy


class KernelProxy(InKernel):
    """A subclass has `program`, `package`, and words(directory, listen, server, protocol) that write its configuration and start it."""
    program, package = "", ""
    changes = ("stall",)

    def check(self, config, wiring):
        found = super().check(config, wiring)
        read_proxy(Reader(config, "config", found))
        if not shutil.which(self.program):
            found.append(Missing(f"{self.program}: not installed: install the package {self.package}"))
        return found

    def version(self):
        done = subprocess.run([self.program, "-v"], capture_output=True, text=True, check=False)
        return (done.stdout or done.stderr).splitlines()[0].strip()

    def start(self, place):
        self.join(place)
        proxy = read_proxy(Reader(self.config, "config", []))
        left, right = (end.side for end in self.joint.ends)
        directory = pathlib.Path(tempfile.mkdtemp(prefix=self.program + "-", dir=place.lab.dir))
        words = self.words(directory, f"{left.subject}:{proxy['port']}", f"{right.generator}:{proxy['server']}", proxy["protocol"])
        self.process = self.joint.namespace.start(self.program, "taskset", "-c", place.cores["subject"][0], *words)
        rig.wait_until(lambda: self._listening(proxy["port"]), 10, 0.05, f"{self.program}: listen on port {proxy['port']}")
        return self.joint.ports

    @property
    def pid(self):
        return self.process.pid

    def words(self, directory, listen, server, protocol):
        raise NotImplementedError

    def _listening(self, port):
        self._alive()
        return f":{port} " in self.joint.namespace.run("ss", "-Hltn").stdout

    def _alive(self):
        if not self.process.running():
            raise silent(self.program, self.process, "")

    def sample(self):
        self._alive()
        return super().sample()

    def stop(self):
        if hasattr(self, "process"):
            self.process.stop()
        super().stop()
