"""A scenario file as a document, before its fields mean anything: read safely, `short` merged, settings made, variants made.

YAML from outside: only what JSON has (a date is a text, and so is a MAC of digits, which YAML 1.1 reads as a number to the base 60), no aliases
(a few lines of them make a document of gigabytes), no key twice, bounds on size and on the length of numbers.
"""
import copy
import itertools
import math
import pathlib
import re

import yaml

from .errors import WrongInput
from .fields import plain, shown

LARGEST_FILE = 1 << 20
DEEPEST = 32
LONGEST_NUMBER = 1000     # characters; no field allows more than 17 digits, and Python itself does not show all of 5000
PLAIN_TAGS = {"tag:yaml.org,2002:" + name for name in ("map", "seq", "str", "int", "float", "bool", "null")}
NUMBERS = {"tag:yaml.org,2002:int": re.compile(r"-?(0|[1-9][0-9]*)\Z"),      # RFC 8259, 6: YAML 1.1 takes 1e9 for a text and 010 for 8
           "tag:yaml.org,2002:float": re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?\Z")}
MOST_VARIANTS = 1000
SURROGATE = re.compile("[\ud800-\udfff]")
PLACE_HOLDER = re.compile(r"\$\{([^}]*)\}")


class _Loader(yaml.SafeLoader):
    depth = 0
    yaml_implicit_resolvers = {first: [(tag, pattern) for tag, pattern in known if tag in PLAIN_TAGS - set(NUMBERS)]
                               for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()}

    def compose_node(self, parent, index):
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not read", event.start_mark)
        self.depth += 1
        if self.depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, f"more than {DEEPEST} levels", event.start_mark)
        node = super().compose_node(parent, index)
        if node.tag not in PLAIN_TAGS:
            raise yaml.composer.ComposerError(None, None, f"the tag {shown(node.tag)} is not read", event.start_mark)
        if node.tag in NUMBERS:
            _check_number(node)
        if isinstance(node, yaml.ScalarNode) and SURROGATE.search(node.value):
            raise yaml.composer.ComposerError(None, None, "half a character cannot be written", event.start_mark)
        self.depth -= 1
        return node

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            if not key.tag.endswith(":str"):
                raise yaml.constructor.ConstructorError(None, None, "a field's name must be a text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{shown(key.value)} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _check_number(node):
    """Also of what calls itself one by its tag."""
    reason = ""
    if len(node.value) > LONGEST_NUMBER:
        reason = f"a number of more than {LONGEST_NUMBER} digits"
    elif not isinstance(node, yaml.ScalarNode) or not NUMBERS[node.tag].fullmatch(node.value):
        reason = f"{shown(node.value)} is no number of JSON"
    elif node.tag.endswith(":float") and math.isinf(float(node.value)):
        reason = f"{shown(node.value)} is beyond all numbers"
    if reason:
        raise yaml.composer.ComposerError(None, None, reason, node.start_mark)


for _tag, _pattern in NUMBERS.items():      # int first: every int also is a float of JSON
    _Loader.add_implicit_resolver(_tag, _pattern, list("-0123456789"))


def read(path):
    """The mapping in the file `path`."""
    path = pathlib.Path(path)
    try:
        with open(path, "rb") as file:
            text = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise WrongInput(f"{path}: {error.strerror}") from None
    if len(text) > LARGEST_FILE:
        raise WrongInput(f"{path}: more than {LARGEST_FILE} bytes")
    try:
        value = parse(text.decode())
    except UnicodeDecodeError:
        raise WrongInput(f"{path}: is not UTF-8") from None
    except ValueError as error:
        raise WrongInput(f"{path}: {error}") from None
    if not isinstance(value, dict):
        raise WrongInput(f"{path}: {shown(value)} is not a mapping of fields")
    return value


def parse(text):
    """A value of YAML; ValueError with place and reason on one line."""
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(place + str(getattr(error, "problem", None) or error).replace("\n", " ")) from None


def merged(base, over):
    """`over` over `base`: mappings field by field, everything else replaced."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return copy.deepcopy(over)
    return {**base, **{name: merged(base.get(name), value) for name, value in over.items()}}


def shortened(document, short):
    """The document without its field `short`, which is merged over it when asked for."""
    rest = {name: value for name, value in document.items() if name != "short"}
    over = document.get("short", {})
    if not isinstance(over, dict):
        raise WrongInput(f"short: {shown(over)} is not a mapping of fields")
    return merged(rest, over) if short else rest


def set_value(document, setting):
    """Makes one `path.of[0].fields=value`; the value is YAML."""
    path, equals, text = setting.partition("=")
    steps = [int(step[1:-1]) if step.startswith("[") else step for step in re.findall(r"\[\d{1,6}\]|[^.\[\]]+", path)]
    if not equals or not steps or isinstance(steps[0], int):
        raise WrongInput(f"--set {setting[:80]}: is not path.of.field=value")
    try:
        value = parse(text)
    except ValueError as error:
        raise WrongInput(f"--set {setting[:80]}: {error}") from None
    place = document
    for step, following in zip(steps, [*steps[1:], None]):
        inside = isinstance(place, list) and isinstance(step, int) and step < len(place) or \
            isinstance(place, dict) and isinstance(step, str)
        if not inside:
            raise WrongInput(f"--set {setting[:80]}: there is no {step} to set")
        if following is None:
            place[step] = value
        else:
            place = place.setdefault(step, {}) if isinstance(place, dict) else place[step]


def variants(document):
    """(conditions, document) for every combination of the values in `variants`; with none, the document alone."""
    named = document.get("variants", {})
    faults = _variant_faults(named)
    if faults:
        raise WrongInput(*faults)
    rest = {name: value for name, value in document.items() if name != "variants"}
    made = []
    for values in itertools.product(*named.values()):
        conditions = dict(zip(named, values))
        made.append((conditions, _filled(rest, conditions, "")))
    return made


def _variant_faults(named):
    if not isinstance(named, dict):
        return [f"variants: {shown(named)} is not a mapping from a name to a list of values"]
    faults, count = [], 1
    for name, values in named.items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z]\w{0,40}", name):
            faults.append(f"variants: {shown(name)} is not a name of letters, digits and _")
        if not isinstance(values, list) or not values:
            faults.append(f"variants.{name}: {shown(values)} is not a list of values")
            continue
        faults += [f"variants.{name}[{index}]: {shown(value)} is not a number, text, true or false"
                   for index, value in enumerate(values) if not isinstance(value, (int, float, str))]
        faults += [f"variants.{name}[{index}]: {shown(value)} is there twice" for index, value in enumerate(values)
                   if plain(value) in map(plain, values[:index])]
        count *= len(values)
    if count > MOST_VARIANTS:
        faults.append(f"variants: {count} combinations are above {MOST_VARIANTS}")
    return faults


def _filled(value, conditions, path):
    if isinstance(value, dict):
        return {name: _filled(one, conditions, f"{path}.{name}".lstrip(".")) for name, one in value.items()}
    if isinstance(value, list):
        return [_filled(one, conditions, f"{path}[{index}]") for index, one in enumerate(value)]
    if not isinstance(value, str):
        return value
    for name in PLACE_HOLDER.findall(value):
        if name not in conditions:
            raise WrongInput(f"{path}: ${{{name}}} is no variant; variants: {', '.join(conditions) or 'none'}")
    whole = PLACE_HOLDER.fullmatch(value)
    return conditions[whole[1]] if whole else PLACE_HOLDER.sub(lambda found: str(conditions[found[1]]), value)
