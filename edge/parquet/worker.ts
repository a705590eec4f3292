/** The thread in which segments are encoded: an entry point of its own. See protocol.ts for what it is told. */
import { toOpenWitError } from "../../core/error.ts";
import { ParquetWriter } from "../../core/parquet/writer.ts";
import type { FromWorker, ToWorker } from "./protocol.ts";
import { spareBytesMax } from "./spare-buffers.ts";

// deno-lint-ignore no-explicit-any -- the global of a worker; the checker knows that of a window
const thread = globalThis as any;

const inbox: ToWorker[] = [];
let wake: (() => void) | undefined;

thread.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  inbox.push(data);
  wake?.();
};

void serve(); // not awaited here: a module with a top-level await cannot be compiled to bytecode

async function serve(): Promise<never> {
  for (;;) {
    const message = await receive();
    if (message.kind === "begin") await encode(message);
  }
}

async function encode({ signal, keyValues }: ToWorker & { kind: "begin" }): Promise<void> {
  try {
    const writer = new ParquetWriter(signal, keyValues);
    let held: SentBatch[] = [];
    for await (const sent of batches()) {
      held.push(sent);
      for (const bytes of writer.write(sent.batch)) await give(bytes);
      const done = held.filter(({ batch }) => !writer.isHeld(batch));
      held = held.filter(({ batch }) => writer.isHeld(batch));
      for (const { buffer } of done) giveBack(buffer);
    }
    for (const bytes of writer.finish()) await give(bytes);
    for (const { buffer } of held) giveBack(buffer);
    send({ kind: "done" });
  } catch (thrown) {
    const { code, message, hint } = toOpenWitError(thrown);
    send({ kind: "error", code, message, hint });
  }
  Bun.gc(true); // the thread may be idle for long
}

type SentBatch = ToWorker & { kind: "batch" };

/** A buffer whose batch is encoded goes back to be filled again; those of huge rows are not worth keeping. */
function giveBack(buffer: ArrayBuffer): void {
  if (buffer.byteLength <= spareBytesMax) send({ kind: "spare", buffer }, [buffer]);
  else drop(buffer.byteLength);
}

let droppedBytes = 0;

/** Counts what has become garbage, and collects it in time. */
function drop(bytes: number): void {
  droppedBytes += bytes;
  if (droppedBytes < droppedBytesMax) return;
  Bun.gc(true);
  droppedBytes = 0;
}

/** The collector learns late of what buffers take: without this a segment took 130 to 220 MB. */
const droppedBytesMax = 24 * 1024 * 1024;

/** Goes on when the bytes were taken. */
async function give(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  drop(bytes.length); // they are a copy of what the compressor made
  send({ kind: "bytes", bytes }, [bytes.buffer]);
  await receive(({ kind }) => kind === "took");
}

/** The next is asked for when the last was encoded: one that waits is eight MiB, and the server's thread needs a third of the time. */
async function* batches(): AsyncGenerator<SentBatch> {
  for (;;) {
    const message = await receive(({ kind }) => kind === "batch" || kind === "end");
    if (message.kind !== "batch") return;
    yield message;
    send({ kind: "pull" });
  }
}

/** The oldest message that is wanted: the writer may ask for a batch while bytes are still to be taken. */
async function receive(wanted: (message: ToWorker) => boolean = () => true): Promise<ToWorker> {
  for (;;) {
    const index = inbox.findIndex(wanted);
    if (index >= 0) return inbox.splice(index, 1)[0];
    await new Promise<void>((resolve) => {
      const others = wake;
      wake = () => {
        others?.();
        resolve();
      };
    });
    wake = undefined;
  }
}

function send(message: FromWorker, transfer: Transferable[] = []): void {
  thread.postMessage(message, transfer);
}
