/** Python's gRPC client, with the generated messages of opentelemetry-proto, against the executable. */
import { expect, test } from "bun:test";
import { Box } from "./box.ts";
import { findPython } from "./python.ts";

const script = `
import sys, time, grpc
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs, logs_service_pb2_grpc as logs_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as trace, trace_service_pb2_grpc as trace_grpc
channel = grpc.insecure_channel(sys.argv[1])
now = time.time_ns()
for batch in range(20):
    request = logs.ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    attribute = resource.resource.attributes.add(); attribute.key = "service.name"; attribute.value.string_value = "python"
    scope = resource.scope_logs.add()
    for index in range(500):
        record = scope.log_records.add(time_unix_nano=now + index, severity_number=9)
        record.body.string_value = f"batch {batch} record {index} \\u00e9\\U0001f600"
        big = record.attributes.add(); big.key = "big"; big.value.int_value = 2**63 - 1 - index
    compression = [grpc.Compression.NoCompression, grpc.Compression.Gzip, grpc.Compression.Deflate][batch % 3]
    answer = logs_grpc.LogsServiceStub(channel).Export(
        request, compression=compression, metadata=[("x-scope-orgid", "snakes")], timeout=20)
    assert not answer.HasField("partial_success"), answer
request = trace.ExportTraceServiceRequest()
span = request.resource_spans.add().scope_spans.add().spans.add(
    trace_id=bytes(range(16)), span_id=bytes(range(8)), name="GET /", start_time_unix_nano=now, end_time_unix_nano=now + 5)
trace_grpc.TraceServiceStub(channel).Export(request, timeout=20)
try:
    channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export")(b"\\x0a\\xff\\xff\\x01", timeout=20)
except grpc.RpcError as error:
    print(error.code().name, error.details())
`;

test(
  "Python's client sends by gRPC, gzip and deflate included, and is told precisely of a malformed message",
  async () => {
    const python = findPython("grpc, opentelemetry.proto.collector.logs.v1.logs_service_pb2_grpc");
    if (python === undefined) {
      return console.log(
        "skipped: no Python with grpcio and opentelemetry-proto is here",
      );
    }
    await using box = new Box();
    await box.start();
    const client = Bun.spawn([python, "-c", script, box.endpoints.otlp_grpc.replace("http://", "")], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr] = await Promise.all([
      new Response(client.stdout).text(),
      new Response(client.stderr).text(),
    ]);
    expect(stderr).toBe("");
    expect(stdout).toContain("INVALID_ARGUMENT");
    expect(stdout).toContain("byte");
    const ofSnakes = { "X-Scope-OrgID": "snakes" };
    expect(
      await box.rows(
        "SELECT count(*), count(DISTINCT body), max(attributes['big']), max(service_name) FROM logs",
        ofSnakes,
      ),
    ).toEqual([["10000", "10000", "9223372036854775807", "python"]]);
    expect(await box.rows("SELECT trace_id, duration_ns FROM traces")).toEqual([[
      "000102030405060708090a0b0c0d0e0f",
      "5",
    ]]);
  },
  60_000,
);
