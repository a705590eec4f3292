/**
 * Loads parquet-wasm (arrow-rs compiled to WebAssembly) once a thread: a second reader of Parquet, in memory, for the
 * simulator. Nothing that the server does needs it.
 */
import { readFileSync } from "node:fs";
import { initSync } from "parquet-wasm/esm";
// @ts-expect-error -- the import gives a path: of the embedded file in an executable, in node_modules otherwise
import wasmPath from "parquet-wasm/esm/parquet_wasm_bg.wasm" with { type: "file" };

/** Makes the module ready; cheap when it is. */
export function loadParquetWasm(): void {
  initSync({ module: readFileSync(wasmPath) });
}
