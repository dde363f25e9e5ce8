"""The messages of smp.py in protobuf's binary form: a file for each, as the parsers of Service Mesh Performance read them.

Names, numbers and kinds of fields are those of that project's protos/service_mesh_performance.proto (package smp). What smp.py says in
JSON is read by these messages, so that both forms are one: a field that the specification does not have cannot be written.
"""
import pathlib

from .errors import NotThere, WrongInput
from .result import write_whole
from .smp import document

try:
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, timestamp_pb2
except ImportError:
    descriptor_pb2 = None

# {message: [(number, name, kind)]}; a kind is protobuf's, or [kind] for repeated fields, {} for a map of texts, or another message.
FIELDS = {
    "PerformanceTestConfig.Client": [(1, "internal", "bool"), (2, "load_generator", "string"), (3, "protocol", ".Protocol"),
                                     (4, "connections", "int32"), (5, "rps", "int64"), (6, "headers", {}), (7, "cookies", {}),
                                     (8, "body", "string"), (9, "content_type", "string"), (10, "endpoint_url", ["string"])],
    "PerformanceTestConfig": [(1, "smp_version", "string"), (2, "id", "string"), (3, "name", "string"), (4, "labels", {}),
                              (5, "clients", [".smp.PerformanceTestConfig.Client"]), (6, "duration", "string")],
    "PerformanceTestResult.Latency": [(1, "min", "double"), (2, "average", "double"), (3, "p50", "double"), (4, "p90", "double"),
                                      (5, "p99", "double"), (6, "max", "double")],
    "PerformanceTestResult": [(1, "smp_version", "string"), (2, "id", "string"), (3, "labels", {}),
                              (4, "start_time", ".google.protobuf.Timestamp"), (5, "end_time", ".google.protobuf.Timestamp"),
                              (6, "latencies_ms", ".smp.PerformanceTestResult.Latency"), (7, "actual_QPS", "double"),
                              (8, "details_uri", "string"), (9, "testId", "string"), (10, "meshConfigId", "string"),
                              (11, "envId", "string")],
}
PROTOCOLS = ("http", "tcp", "udp", "grpc")      # the enum Protocol of Client, from 0


def missing():
    """Why nothing can be written here; empty when it can."""
    return "" if descriptor_pb2 else "report --smp-binary: no module google.protobuf: install the package python3-protobuf"


def messages(result):
    """[(config | result-N, bytes)] of a result."""
    told, classes = document(result), _classes()
    made = [("config", classes["PerformanceTestConfig"], told["config"])]
    made += [(f"result-{n}", classes["PerformanceTestResult"], one) for n, one in enumerate(told["results"], 1)]
    try:
        # The same bytes for the same result: maps have no order of their own.
        return [(name, json_format.ParseDict(one, kind()).SerializeToString(deterministic=True)) for name, kind, one in made]
    except (json_format.ParseError, ValueError) as error:
        raise WrongInput(f"{result['name']}: is no message of Service Mesh Performance: {error}") from None


def write(results, directory):
    """01-NAME-config.pb, 01-NAME-result-1.pb, … of each result, in its turn."""
    if missing():
        raise NotThere(missing())
    directory = pathlib.Path(directory)
    made = [(f"{n:02}-{result['name']}-{name}.pb", data) for n, result in enumerate(results, 1) for name, data in messages(result)]
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in made:
        write_whole(directory / name, data)


def _classes():
    """{name: class} of the messages, from a description made of FIELDS."""
    file = descriptor_pb2.FileDescriptorProto(name="protos/service_mesh_performance.proto", package="smp", syntax="proto3",
                                              dependency=["google/protobuf/timestamp.proto"])
    made = {}
    for name in sorted(FIELDS, key=lambda name: name.count(".")):       # the outer one first
        outer, _, inner = name.rpartition(".")
        made[name] = (made[outer].nested_type if outer else file.message_type).add(name=inner)
        for field in FIELDS[name]:
            _add(made[name], f".smp.{name}", *field)
    protocol = made["PerformanceTestConfig.Client"].enum_type.add(name="Protocol")
    for number, word in enumerate(PROTOCOLS):
        protocol.value.add(name=word, number=number)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return {name: factory.GetPrototype(pool.FindMessageTypeByName(f"smp.{name}")) for name in FIELDS}


def _add(message, full_name, number, name, kind):
    of = descriptor_pb2.FieldDescriptorProto
    repeated = isinstance(kind, (list, dict))
    field = message.field.add(name=name, number=number, label=of.LABEL_REPEATED if repeated else of.LABEL_OPTIONAL)
    if kind == {}:      # a map is a repeated message of a name that protoc would give it
        entry = message.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        _add(entry, "", 1, "key", "string")
        _add(entry, "", 2, "value", "string")
        kind = f"{full_name}.{entry.name}"
    elif repeated:
        kind = kind[0]
    if kind == ".Protocol":
        field.type, field.type_name = of.TYPE_ENUM, f"{full_name}.Protocol"
    elif kind.startswith("."):
        field.type, field.type_name = of.TYPE_MESSAGE, kind
    else:
        field.type = of.Type.Value(f"TYPE_{kind.upper()}")
