/**
 * Loads parquet-wasm (arrow-rs compiled to WebAssembly) once a thread. Its bytes are embedded in the executable.
 *
 * A WebAssembly memory never shrinks: what one large batch took stays taken until the thread ends.
 */
import { readFileSync } from "node:fs";
import { initSync, wasmMemory } from "parquet-wasm/esm";
// @ts-expect-error -- the import gives a path: of the embedded file in an executable, in node_modules otherwise
import wasmPath from "parquet-wasm/esm/parquet_wasm_bg.wasm" with { type: "file" };

/** Makes the module ready; cheap when it is. */
export function loadParquetWasm(): void {
  initSync({ module: readFileSync(wasmPath) });
}

/** Bytes that its memory has grown to; 0 before it was loaded. */
export function parquetWasmBytes(): number {
  return wasmMemory().buffer.byteLength;
}
