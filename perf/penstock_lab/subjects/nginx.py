"""nginx as a subject (kernel_proxy.py): one process, connections to the server kept, large answers in memory and never in a file."""
import pathlib

from .base import Missing
from .kernel_proxy import KernelProxy

STREAM = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
COMMON = """
daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
events {{ worker_connections 16000; }}
"""
HTTP = COMMON + """
http {{ access_log off; keepalive_requests 1000000000;
  client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/fcgi;
  uwsgi_temp_path {directory}/uwsgi; scgi_temp_path {directory}/scgi;
  upstream out {{ server {server}; keepalive 128; keepalive_requests 1000000000; }}
  server {{ listen {listen};
    location / {{ proxy_pass http://out; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_max_temp_file_size 0; proxy_buffers 16 64k; }} }} }}
"""
TCP = "load_module {module};" + COMMON + """
stream {{ access_log off; server {{ listen {listen}; proxy_pass {server}; }} }}
"""


class Nginx(KernelProxy):
    program, package = "nginx", "nginx-light"

    def check(self, config, wiring):
        found = super().check(config, wiring)
        if isinstance(config, dict) and config.get("protocol") == "tcp" and not STREAM.exists():
            found.append(Missing("nginx: cannot proxy TCP: install the package libnginx-mod-stream"))
        return found

    def words(self, directory, listen, server, protocol):
        path = directory / "nginx.conf"
        text = HTTP if protocol == "http" else TCP
        path.write_text(text.format(directory=directory, listen=listen, server=server, module=STREAM))
        return ["nginx", "-p", directory, "-c", path]
