"""Why a run ends without a result. Each error carries the exit code of the command (perf/LAB.md, Result)."""
import os
import sys
import traceback


class LabFault(Exception):
    """Told to the user as it is, a line for each of its sentences."""
    code = 4

    def __init__(self, *sentences):
        super().__init__("\n".join(map(str, sentences)))
        self.sentences = sentences


class WrongInput(LabFault):
    """The scenario, a result file or the command line: nothing was started."""
    code = 2


class NotThere(LabFault):
    """A program, a device, a privilege: found before the first trial."""
    code = 3


class Broken(LabFault):
    """Something ended or fell silent while it was measured."""
    code = 4


class Interrupted(BaseException):
    """Ctrl-C, SIGTERM or SIGHUP. Not an Exception, so that nobody who handles those goes on."""
    code = 130


def unforeseen(error):
    """The Broken of an exception that nobody thought of; with PENSTOCK_LAB_DEBUG in the environment it says where it came from."""
    if os.environ.get("PENSTOCK_LAB_DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
    text = " ".join(str(error).split())[:500]
    return Broken(f"{type(error).__name__}: {text} (PENSTOCK_LAB_DEBUG=1 shows where)")
