"""Results: the files that `penstock-lab run` writes, and everything else reads.

`load(path)` and `write(path, document)` take and give plain dictionaries of the shape that schema/result-1.json says. Neither lets a
document through that breaks the schema or contradicts itself: ResultError has all faults, each `field: what would be valid`.
A write is all or nothing: the file is there whole, or as it was before.
"""
import errno
import functools
import json
import os
import pathlib

import jsonschema

from .fields import plain
from .histogram import Histogram, HistogramError

SCHEMA = pathlib.Path(__file__).resolve().parent / "schema" / "result-1.json"
LARGEST_FILE = 1 << 28   # bytes
LARGEST_NUMBER = 1 << 63
BOUNDS = {"subject": "", "generator": "generator-bound", "device": "device-bound", "unknown": "limit not found"}   # in words, of a figure
MOST_FAULTS = 50         # told of one document


class ResultError(ValueError):
    """What is no result; `faults` has a line for each reason."""

    def __init__(self, place, faults):
        self.faults = [f"{place}: {fault}" for fault in faults]
        super().__init__("\n".join(self.faults))


@functools.cache
def _validator():
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def _path(parts):
    """figures[0].value"""
    words = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return words.lstrip(".") or "the document"


def _schema_faults(document):
    errors = sorted(_validator().iter_errors(document), key=lambda error: [str(part) for part in error.absolute_path])
    return [f"{_path(error.absolute_path)}: {error.message[:300]}" for error in errors[:MOST_FAULTS]]


def _unknown_subjects(document):
    known = [subject["name"] for subject in document["subjects"]]
    for name in sorted({name for name in known if known.count(name) > 1}):
        yield f"subjects: {name!r} is there twice"
    for part in ("figures", "curves", "latencies", "series", "stages"):
        for place, item in enumerate(document[part]):
            if item["subject"] not in known:
                yield f"{part}[{place}].subject: {item['subject']!r} is none of subjects"
    for place, item in enumerate(document["comparisons"]):
        for role in ("device", "peer"):
            if item[role] not in known:
                yield f"comparisons[{place}].{role}: {item[role]!r} is none of subjects"


def _told_twice(document):
    """What has the same name under the same conditions would stand for each other wherever it is looked up."""
    names = {"figures": ("subject", "metric"), "comparisons": ("device", "peer", "metric"), "stages": ("subject",),
             "latencies": ("subject", "load")}
    for part, fields in names.items():
        seen = {}
        for place, item in enumerate(document[part]):
            key = (*(item[field] for field in fields), *sorted((name, plain(value)) for name, value in item["conditions"].items()))
            if key in seen:
                yield f"{part}[{place}]: has the {', '.join(fields)} and conditions of {part}[{seen[key]}]"
            seen.setdefault(key, place)


def _false_figures(document):
    for place, figure in enumerate(document["figures"]):
        low, high = figure["interval"] or (figure["value"],) * 2
        if not low <= figure["value"] <= high:
            yield f"figures[{place}].interval: must be [low, high] around the value {figure['value']}"
    for place, comparison in enumerate(document["comparisons"]):
        if comparison["ratio"] is None:
            if comparison["interval"] is not None:
                yield f"comparisons[{place}].interval: must be null where there is no ratio"
            continue
        low, high = comparison["interval"] or (comparison["ratio"],) * 2
        if not 0 <= low <= comparison["ratio"] <= high:
            yield f"comparisons[{place}].interval: must be [low, high] around the ratio {comparison['ratio']}, none below 0"


def _false_courses(document):
    for place, latency in enumerate(document["latencies"]):
        try:
            Histogram.from_json(latency["histogram"])
        except HistogramError as error:
            yield f"latencies[{place}].histogram.{error}"
    for place, series in enumerate(document["series"]):
        times = [point["t"] for point in series["points"]]
        if any(after <= before for before, after in zip(times, times[1:])):
            yield f"series[{place}].points: t must rise from point to point"


def _false_trust(document):
    stability = document["stability"]
    failed = [check["name"] for check in stability["checks"] if not check["ok"]]
    if stability["trusted"] and (failed or stability["reasons"]):
        yield f"stability.trusted: cannot be true with reasons against it or failed checks ({', '.join(failed) or 'none'})"
    if not stability["trusted"] and not stability["reasons"]:
        yield "stability.reasons: must say why the result is not to be trusted"


def faults(document):
    """What is wrong with a document, a line each; nothing when it is a result."""
    found = _schema_faults(document)
    if not found:   # the rest reads fields that are there
        for part in (_unknown_subjects, _told_twice, _false_figures, _false_courses, _false_trust):
            found += part(document)
    return found[:MOST_FAULTS]


def _refuse(word):
    raise ValueError(f"{word} is no number of JSON")


def _number(kind):
    """Numbers that arithmetic can be done with: 1e999 would be infinite."""
    def read(text):
        value = kind(text)
        if abs(value) > LARGEST_NUMBER:
            raise ValueError(f"{text[:20]} is beyond 2^63")
        return value
    return read


def _read(place, data):
    """The document that the bytes tell."""
    try:
        document = json.loads(data.decode("utf-8"), parse_constant=_refuse, parse_int=_number(int), parse_float=_number(float))
    except (ValueError, RecursionError) as error:
        raise ResultError(place, [f"no JSON: {error}"]) from None
    found = faults(document)
    if found:
        raise ResultError(place, found)
    return document


def load(path):
    """The result in the file. ResultError when it has none, OSError when it cannot be read."""
    with pathlib.Path(path).open("rb") as file:
        data = file.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise ResultError(path, [f"more than {LARGEST_FILE >> 20} MiB"])
    return _read(path, data)


def write(path, document):
    """The document into the file, a line for each of its fields. What could not be loaded again is not written."""
    try:
        lines = [f"{json.dumps(field)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}" for field, value in document.items()]
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultError(path, [f"cannot be told in JSON: {error}"]) from None
    data = ("{\n" + ",\n".join(lines) + "\n}\n").encode("utf-8")
    _read(path, data)
    write_whole(path, data)


def writable(path):
    """OSError when write() could not write there now; leaves nothing and changes nothing."""
    path = pathlib.Path(path)
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is a directory" if path.is_dir() else "is no file", str(path))
    unfinished = _unfinished(path)
    unfinished.open("xb").close()
    unfinished.unlink()


def _unfinished(path):
    return path.with_name(f".{path.name}.{os.getpid()}")


def write_whole(path, data):
    """Bytes into a file: whole, or not at all."""
    path = pathlib.Path(path)
    unfinished = _unfinished(path)
    try:
        with unfinished.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
