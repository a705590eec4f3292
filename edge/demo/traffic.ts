/**
 * Walks the flows of the shop (flows.ts) and writes the spans and log records that a visit leaves, each into the
 * buffer of the pod that it happened on.
 *
 * opentelemetry-proto 1.11: logs.v1.LogRecord and trace.v1.Span. Invariants: every parent is written in the same
 * visit; a child lies within its parent's time; a log record lies within its span's.
 */
import { type Random, randomBelow, randomUnit } from "../../core/env/random.ts";
import type { Signal } from "../../core/model/columns.ts";
import { ProtobufWriter, wireBytes, wireFixed32 } from "./encode.ts";
import { flows } from "./flows.ts";
import { type Incident, mix } from "./incidents.ts";
import { Scene } from "./scene.ts";
import {
  compileOperation,
  type FailureTemplate,
  type LogTemplate,
  type Operation,
  type SpanTemplate,
} from "./operation.ts";
import type { OperationSpec } from "./operation-spec.ts";
import { compileAttributes, writeAttributes, writeText } from "./template.ts";

/** Where the records of a signal gather until they are sent. */
export interface SignalBuffer {
  /** One for each pod: the repeated field of its ScopeLogs, ScopeSpans or ScopeMetrics. */
  readonly pods: readonly ProtobufWriter[];
  records: number;
}

/** A signal that is not wanted has none. */
export type TrafficTargets = { readonly [signal in Signal]?: SignalBuffer };

/** What is written of a visit on average when nothing fails. */
export const recordsPerVisit: { readonly logs: number; readonly spans: number } = averageRecords();

/** Ids and time of a trace, as numbers. */
interface Trace {
  readonly words: Uint32Array;
  spans: number;
  /** The span that a message came from, in another trace. */
  link: { readonly words: Uint32Array; readonly span: number } | undefined;
}

export class Traffic {
  readonly #scene: Scene;
  readonly #flows: readonly { readonly flow: Operation; readonly until: number }[] = compiledFlows();
  #random: Random;
  #second = 0;
  #incident: Incident | undefined;
  #trace: Trace = { words: new Uint32Array(4), spans: 0, link: undefined };
  #failed = false;
  #published: { operation: Operation; startNs: number; words: Uint32Array; span: number }[] = [];

  constructor(
    private readonly seed: number,
    private readonly podsPerService: number,
    private readonly targets: TrafficTargets,
    random: Random,
  ) {
    this.#random = random;
    this.#scene = new Scene(random);
  }

  /** Starts a second of Unix time: its randomness, and what is going wrong in it. */
  beginSecond(second: number, random: Random, incident: Incident | undefined): void {
    this.#second = second;
    this.#random = random;
    this.#scene.random = random;
    this.#incident = incident;
  }

  /** One visit, which begins `offsetNs` into the second; `index` names it within the second. */
  visit(index: number, offsetNs: number): void {
    this.#scene.newVisit();
    this.#beginTrace(index * 2, undefined);
    const draw = randomUnit(this.#random);
    let flow = 0;
    while (draw >= this.#flows[flow].until) flow++;
    this.#run(this.#flows[flow].flow, -1, -1, offsetNs);
    for (const { operation, startNs, words, span } of this.#published) {
      this.#beginTrace(index * 2 + 1, { words, span });
      this.#run(operation, -1, -1, startNs);
    }
    this.#published.length = 0;
  }

  #beginTrace(index: number, link: Trace["link"]): void {
    const trace = this.#trace;
    writeTraceWords(trace.words, this.seed, this.#second, index);
    trace.spans = 0;
    trace.link = link;
  }

  /** Runs an operation that begins at `startNs`; returns when it ended. What it says of failure is in #failed. */
  #run(operation: Operation, parent: number, caller: number, startNs: number): number {
    const random = this.#random;
    const isRemote = caller >= 0 && caller !== operation.service && operation.client !== undefined;
    let client = -1, at = startNs;
    if (isRemote) {
      client = this.#trace.spans++;
      at += 120_000 + randomBelow(random, 400_000);
    }
    const span = this.#trace.spans++;
    const beganNs = at;
    const incident = this.#incident?.serviceIndex === operation.service ? this.#incident : undefined;
    const ownNs = Math.floor(operation.ownNs * spread(random) * (incident?.slowdown ?? 1));
    at += ownNs >>> 1;
    if (operation.starts.length > 0) {
      this.#scene.setOutcome(at - beganNs, 0);
      this.#log(operation.starts, operation.service, span, beganNs, ownNs >>> 2);
    }

    this.#failed = false;
    for (const { operation: call, chance } of operation.calls) {
      if (chance < 1 && randomUnit(random) >= chance) continue;
      at = this.#run(call, span, operation.service, at) + 20_000;
      if (this.#failed) break;
    }
    at += ownNs - (ownNs >>> 1);
    const isOwnFailure = !this.#failed && operation.failure !== undefined && operation.isProne &&
      randomUnit(random) < (incident?.errorRate ?? usualErrorRate);
    if (isOwnFailure) this.#failed = true;
    const failed = this.#failed;

    this.#scene.setOutcome(at - beganNs, failed ? 503 : 200);
    this.#log(
      failed ? operation.failures : operation.successes,
      operation.service,
      span,
      at - (ownNs >>> 2),
      ownNs >>> 3,
    );
    if (this.targets.spans !== undefined) {
      this.#writeSpan(
        operation,
        operation.span,
        operation.service,
        span,
        isRemote ? client : parent,
        beganNs,
        at,
        isOwnFailure,
        isRemote,
      );
    }
    if (operation.publishes !== undefined && !failed) this.#publish(operation.publishes, span, at);
    if (!isRemote) return at;
    const clientEndNs = at + 100_000 + randomBelow(random, 300_000);
    if (this.targets.spans !== undefined) {
      this.#writeSpan(
        operation,
        operation.client!,
        caller,
        client,
        parent,
        startNs,
        clientEndNs,
        false,
        false,
      );
    }
    return clientEndNs;
  }

  #publish(operation: Operation, span: number, at: number): void {
    const startNs = at + 4_000_000 + randomBelow(this.#random, 60_000_000);
    this.#published.push({ operation, startNs, words: this.#trace.words.slice(), span });
  }

  #log(logs: readonly LogTemplate[], service: number, span: number, fromNs: number, withinNs: number): void {
    const random = this.#random, scene = this.#scene;
    for (let index = 0; index < logs.length; index++) {
      const log = logs[index];
      if (log.chance < 1 && randomUnit(random) >= log.chance) continue;
      if (this.targets.logs === undefined) continue;
      scene.newRecord(log.recordSlots);
      const at = fromNs + Math.floor(withinNs * (index + 1) / (logs.length + 1));
      this.#writeLog(this.targets.logs, service, log, span, at);
    }
  }

  #writeLog(target: SignalBuffer, service: number, log: LogTemplate, span: number, at: number): void {
    const scene = this.#scene, writer = target.pods[this.#podOf(service)], words = this.#trace.words;
    const message = writer.open(2);
    writer.timeField(1, this.#second, at);
    writer.raw(log.severity);
    const body = writer.open(5);
    const content = writer.open(log.bodyText === undefined ? 6 : 1);
    if (log.bodyText === undefined) writeAttributes(writer, 1, log.bodyMap!, scene);
    else writeText(writer, log.bodyText, scene);
    writer.close(content);
    writer.close(body);
    writeAttributes(writer, 6, log.attributes, scene);
    writer.tag(8, wireFixed32);
    writer.fixed32(1);
    writer.tag(9, wireBytes);
    writer.varint(16);
    for (let word = 0; word < 4; word++) writer.fixed32(words[word]);
    writer.tag(10, wireBytes);
    writer.varint(8);
    this.#writeSpanId(writer, words, span);
    writer.timeField(11, this.#second, at + 150_000);
    writer.raw(log.eventName);
    writer.close(message);
    target.records++;
  }

  #writeSpan(
    operation: Operation,
    template: SpanTemplate,
    service: number,
    span: number,
    parent: number,
    startNs: number,
    endNs: number,
    isOwnFailure: boolean,
    hasRemoteParent: boolean,
  ): void {
    const target = this.targets.spans!;
    const scene = this.#scene, writer = target.pods[this.#podOf(service)], { words, link } = this.#trace;
    scene.newRecord(template.recordSlots);
    const message = writer.open(2);
    writer.tag(1, wireBytes);
    writer.varint(16);
    for (let word = 0; word < 4; word++) writer.fixed32(words[word]);
    writer.tag(2, wireBytes);
    writer.varint(8);
    this.#writeSpanId(writer, words, span);
    if (template.isEdge) writer.stringField(3, "shop=edge:1");
    if (parent >= 0) {
      writer.tag(4, wireBytes);
      writer.varint(8);
      this.#writeSpanId(writer, words, parent);
    }
    writer.raw(template.nameAndKind);
    writer.timeField(7, this.#second, startNs);
    writer.timeField(8, this.#second, endNs);
    writeAttributes(writer, 9, template.attributes, scene);
    if (isOwnFailure) this.#writeException(writer, operation.failure!, endNs - 1_000);
    if (link !== undefined && parent < 0) this.#writeLink(writer, link);
    if (this.#failed) {
      const status = writer.open(15);
      if (isOwnFailure) {
        writer.tag(2, wireBytes);
        const text = writer.begin(1);
        writeText(writer, operation.failure!.message, scene);
        writer.end(text, 1);
      }
      writer.varintField(3, 2);
      writer.close(status);
    }
    writer.tag(16, wireFixed32);
    writer.fixed32(hasRemoteParent ? 0x301 : 0x101); // sampled, and known whether the parent is in another process
    writer.close(message);
    target.records++;
  }

  #writeException(writer: ProtobufWriter, failure: FailureTemplate, at: number): void {
    const event = writer.open(11);
    writer.timeField(1, this.#second, at);
    writer.stringField(2, "exception");
    writeAttributes(writer, 3, failure.attributes, this.#scene);
    writer.close(event);
  }

  #writeLink(writer: ProtobufWriter, link: { readonly words: Uint32Array; readonly span: number }): void {
    const message = writer.open(13);
    writer.tag(1, wireBytes);
    writer.varint(16);
    for (let word = 0; word < 4; word++) writer.fixed32(link.words[word]);
    writer.tag(2, wireBytes);
    writer.varint(8);
    this.#writeSpanId(writer, link.words, link.span);
    writer.raw(linkAttributes);
    writer.close(message);
  }

  #writeSpanId(writer: ProtobufWriter, words: Uint32Array, span: number): void {
    writer.fixed32(mix(words[0], span));
    writer.fixed32(mix(words[1], span) | 1); // never all zero, which OTLP takes for no id
  }

  #podOf(service: number): number {
    return service * this.podsPerService + mix(this.#trace.words[2], service) % this.podsPerService;
  }
}

/** The trace id of visit `index / 2` of a second (even: the visit itself; odd: what it published). */
export function writeTraceWords(words: Uint32Array, seed: number, second: number, index: number): void {
  const base = mix(mix(seed, second), index);
  words[0] = mix(base, 1);
  words[1] = mix(base ^ index, 2);
  words[2] = mix(base ^ second, 3);
  words[3] = mix(base ^ seed, 4) | 1;
}

/** The span id of a trace's span, by its place in the visit, as the two words of its bytes. */
export function spanWords(words: Uint32Array, span: number): readonly [number, number] {
  return [mix(words[0], span), (mix(words[1], span) | 1) >>> 0];
}

const usualErrorRate = 0.008;
const linkAttributes = compileAttributes(4, { "messaging.operation.type": "process" }).fixed;

/** Log-normal factors at even quantiles: real durations have a long tail, and exp() in the loop costs. */
const spreads = Float64Array.from({ length: 1024 }, (_, index) => {
  const p = (index + 0.5) / 1024;
  // inverse normal by the logistic approximation, sigma 0.6
  return Math.min(8, Math.exp(0.6 * Math.log(p / (1 - p)) / 1.702));
});

function spread(random: Random): number {
  return spreads[random.uint32() & 1023];
}

function compiledFlows(): { flow: Operation; until: number }[] {
  const total = flows.reduce((sum, { weight }) => sum + weight, 0);
  let until = 0;
  return flows.map(({ weight, root }, index) => {
    until += weight / total;
    return { flow: compileOperation(root), until: index === flows.length - 1 ? 2 : until };
  });
}

function averageRecords(): { logs: number; spans: number } {
  const total = flows.reduce((sum, { weight }) => sum + weight, 0);
  const sum = { logs: 0, spans: 0 };
  const count = (spec: OperationSpec, caller: string | undefined, share: number) => {
    const isRemote = caller !== undefined && caller !== spec.service && spec.kind === "server";
    sum.spans += share * (isRemote ? 2 : 1);
    for (const log of spec.logs ?? []) if (log.at !== "failure") sum.logs += share * (log.chance ?? 1);
    for (const call of spec.calls ?? []) count(call, spec.service, share * (call.chance ?? 1));
    if (spec.publishes !== undefined) count(spec.publishes, undefined, share);
  };
  for (const flow of flows) count(flow.root, undefined, flow.weight / total);
  return sum;
}
