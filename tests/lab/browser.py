"""A page as a real browser shows it: headless Chromium, without network, with a profile of its own that is gone afterwards."""
import html
import json
import pathlib
import re
import shutil
import subprocess
import tempfile

PROGRAM = shutil.which("chromium")
DARK, LIGHT = 0, 1
PROBE = pathlib.Path(__file__).resolve().parent / "probe.js"


def missing():
    """Why no page can be looked at here; empty when it can."""
    return "" if PROGRAM else "needs the program chromium (Debian package chromium)"


def run(page, theme, width, *options):
    """(document after rendering, lines of the console)"""
    with tempfile.TemporaryDirectory(prefix="penstock-lab-browser-", ignore_cleanup_errors=True) as directory:
        path = pathlib.Path(directory) / "page.html"
        path.write_text(page, encoding="utf-8")
        done = subprocess.run(
            [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             "--host-resolver-rules=MAP * ~NOTFOUND", f"--user-data-dir={directory}/profile", f"--window-size={width},2000",
             f"--blink-settings=preferredColorScheme={theme}", "--enable-logging=stderr", *options, "--dump-dom", path.as_uri()],
            capture_output=True, text=True, check=True, timeout=120)
    return done.stdout, re.findall(r"CONSOLE[^\]]*\] (.*)", done.stderr)


def probe(page, theme, width=1200):
    """What probe.js finds. The page's own policy lets no script run: for the probe, this one may."""
    script = f"<script>{PROBE.read_text(encoding='utf-8')}</script></body>"
    opened = page.replace("default-src 'none'; style-src", "default-src 'none'; script-src 'unsafe-inline'; style-src").replace("</body>", script)
    document, console = run(opened, theme, width)
    if console:
        raise AssertionError(f"the console says {console}")
    found = re.search(r'<pre id="probe">(.*?)</pre>', document, re.DOTALL)
    return json.loads(html.unescape(found.group(1)))
