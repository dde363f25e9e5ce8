"""What is said to a person or to a pipe, which may be gone: a result is not lost because nobody listens any more."""
import os
import sys


def say(text, stream=None):
    """A line on standard output, or on `stream`."""
    put(f"{text}\n", stream)


def complain(text):
    """A line on standard error."""
    put(f"{text}\n", sys.stderr)


def put(text, stream=None):
    """Text as it is. After the first failure (a pipe that was closed, a terminal that went away, a full disk) the stream leads nowhere,
    for what else is said there and for the interpreter, which empties it at its end."""
    stream = sys.stdout if stream is None else stream
    if stream is None:      # the descriptor was closed before we began
        return
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
