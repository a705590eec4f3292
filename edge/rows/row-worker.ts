/**
 * The thread that reads rows from pages: an entry point of its own. Files are read synchronously, for each read is of
 * some kilobytes that the system mostly has in memory; a disk that is slow holds up nobody but who asked.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { OpenWitError } from "../../core/error.ts";
import { SegmentRows } from "../../core/parquet/read/segment_rows.ts";
import { packBatch } from "../../core/parquet/slice.ts";
import type { FromRows, ToRows } from "./protocol.ts";

// deno-lint-ignore no-explicit-any -- the global of a worker; the checker knows that of a window
const thread = globalThis as any;

/**
 * What one question may take. With the engine's two threads 64 MiB of pages are decompressed in less time than here, and
 * more memory than these would count.
 */
const limits = {
  pageBytesMax: 16 * 1024 * 1024,
  inflatedBytesMax: 64 * 1024 * 1024,
  batchBytesMax: 16 * 1024 * 1024,
};

let dataDir = "";
const segments = new SegmentRows((path) => {
  const handle = openSync(resolve(dataDir, path), "r");
  const { size, mtimeMs, ino } = fstatSync(handle);
  return {
    bytes: size,
    version: `${ino} ${size} ${mtimeMs}`,
    read(into, offset) {
      for (let filled = 0; filled < into.length;) {
        const read = readSync(handle, into, filled, into.length - filled, offset + filled);
        if (read === 0) throw new OpenWitError("malformed", `${path} ends at byte ${offset + filled}`);
        filled += read;
      }
    },
    close: () => closeSync(handle),
  };
});

/** The first message is the data folder's absolute path. */
thread.onmessage = ({ data }: MessageEvent<string | ToRows>) => {
  if (typeof data === "string") dataDir = data;
  else answer(data);
};

function answer(question: ToRows): void {
  const { ask } = question;
  try {
    if (question.kind === "read") {
      const { signal, files, columns } = question;
      const { batch, inflatedBytes } = segments.read(signal, files, new Set(columns), limits);
      const packed = packBatch(batch);
      send({ ask, read: { batch: packed.batch, inflatedBytes } }, [packed.buffer]);
    } else {
      const { signal, ...request } = question.request;
      const found = segments.find(signal, request, limits);
      send({ ask, found }, [found.files.buffer, found.rows.buffer, found.times.buffer]);
    }
  } catch {
    send({ ask }, []); // whatever it is, the engine meets it too, and says it to who asked
  }
}

function send(message: FromRows, buffers: readonly unknown[]): void {
  thread.postMessage(message, buffers);
}
