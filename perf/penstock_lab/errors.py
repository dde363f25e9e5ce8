"""Why a run ends without a result. Each error carries the exit code of the command (perf/LAB.md, Result)."""


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
