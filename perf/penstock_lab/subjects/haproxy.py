"""HAProxy as a subject (kernel_proxy.py): one thread, connections to the server kept and shared."""
from .kernel_proxy import KernelProxy

CONFIGURATION = """
global
  nbthread 1
  maxconn 8000
defaults
  mode {protocol}
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  {reuse}
frontend in
  bind {listen}
  default_backend out
backend out
  server s1 {server}
"""


class Haproxy(KernelProxy):
    program, package = "haproxy", "haproxy"

    def words(self, directory, listen, server, protocol):
        path = directory / "haproxy.cfg"
        reuse = "http-reuse always" if protocol == "http" else ""
        path.write_text(CONFIGURATION.format(protocol=protocol, listen=listen, server=server, reuse=reuse))
        return ["haproxy", "-db", "-f", path]
