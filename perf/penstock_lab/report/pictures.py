"""All pictures of results, as parts of a page or as files of their own.

`write(results, directory)` writes <name>.svg (light and dark, by what its viewer prefers) and <name>.png (light, twice the natural
size) for each picture and gives their paths; PNG needs the program rsvg-convert.
"""
import pathlib
import shutil
import subprocess

from penstock_lab.result import write_whole

from . import dots, losses, percentiles, ratios, sizes, stages, timeline
from .markup import Markup, text
from .theme import Styles, style

ORDER = (ratios, sizes, dots, losses, percentiles, timeline, stages)
CONVERTER = "rsvg-convert"
ZOOM = 2
MARGIN = 16   # around a picture that stands alone


class PictureError(RuntimeError):
    """A picture that cannot be made; says what is missing."""


def of(result, styles):
    """Every picture that the result has numbers for."""
    return [picture for plot in ORDER for picture in plot.pictures(result, styles)]


def alone(picture):
    """The picture as a file that needs nothing else."""
    width, height = picture.width + 2 * MARGIN, picture.height + 2 * MARGIN
    inner = picture.svg.replace("<svg ", f'<svg x="{MARGIN}" y="{MARGIN}" ', 1)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}">'
    paper = '<rect width="100%" height="100%" class="p-paper"/>'
    return Markup(f"{head}<title>{text(picture.title)}</title><style>{style()}</style>{paper}{inner}</svg>\n")


def _names(pictures):
    """A name for each that no other one has."""
    taken = set()
    for picture in pictures:
        name, n = picture.name, 1
        while name in taken:
            name, n = f"{picture.name}-{n}", n + 1
        taken.add(name)
        yield name, picture


def _png(svg, path):
    words = [CONVERTER, "--zoom", str(ZOOM), "--format", "png"]
    done = subprocess.run(words, input=svg, capture_output=True, check=False, timeout=120)
    if done.returncode or not done.stdout.startswith(b"\x89PNG"):
        raise PictureError(f"{path.name}: {CONVERTER} failed: {done.stderr.decode(errors='replace')[:300]}")
    write_whole(path, done.stdout)


def write(results, directory):
    """Files of all pictures; the directory is made if it is not there."""
    if shutil.which(CONVERTER) is None:
        raise PictureError(f"{CONVERTER} is not installed: Debian package librsvg2-bin")
    directory, styles = pathlib.Path(directory), Styles(results)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, picture in _names([picture for result in results for picture in of(result, styles)]):
        svg = alone(picture).encode("utf-8")
        write_whole(directory / f"{name}.svg", svg)
        _png(svg, directory / f"{name}.png")
        written += [directory / f"{name}.svg", directory / f"{name}.png"]
    return written
