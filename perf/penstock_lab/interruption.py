"""Ctrl-C, SIGTERM and SIGHUP while a run goes on: they become Interrupted, once, and never while something is cleaned up.

    with interruptible():      the run: a signal raises Interrupted, and a second one does not disturb what that begins
        with deferred():       a clean-up: a signal that comes meanwhile is raised at its end
    with ignored():            the last clean-up: no signal counts any more

Python calls handlers in the main thread only; elsewhere these do nothing.
"""
import contextlib
import signal
import threading

from .errors import Interrupted

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Held:
    """`depth`: how many clean-ups are under way, one in another; `came`: a signal during them."""
    depth, came = 0, False


@contextlib.contextmanager
def interruptible():
    _Held.came = False
    _handle(_raise)
    try:
        yield
    finally:
        _handle(signal.SIG_IGN)


@contextlib.contextmanager
def deferred():
    _Held.depth += 1
    try:
        yield
    finally:
        _Held.depth -= 1
        if _Held.came and not _Held.depth:
            _Held.came = False
            raise Interrupted()


@contextlib.contextmanager
def ignored():
    _handle(signal.SIG_IGN)
    try:
        yield
    finally:
        _handle(signal.SIG_DFL)
        if _main():
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _raise(_number, _frame):
    _handle(signal.SIG_IGN)
    if _Held.depth:
        _Held.came = True
    else:
        raise Interrupted()


def _handle(handler):
    for number in NUMBERS if _main() else ():
        signal.signal(number, handler)


def _main():
    return threading.current_thread() is threading.main_thread()
