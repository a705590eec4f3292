/**
 * PGlite's file layer with the one thing that it lacks: what PostgreSQL asks to be synced, is.
 *
 * The layer (Emscripten's NODEFS) writes through to files, and answers every fsync with success without doing
 * anything: the library looks for a hook of this name and finds none. `fdatasync` has not even a hook, which is why
 * the start parameters choose `wal_sync_method=fsync`.
 */
import { NodeFS } from "@electric-sql/pglite/nodefs";
import { fsyncSync } from "node:fs";

/** What is used of Emscripten's module and file system. */
interface Stream {
  /** Descriptor of the real file or folder. */
  readonly nfd: number;
}

interface EmscriptenModule {
  readonly NODEFS: { readonly stream_ops: { fsync?: (stream: Stream) => number } };
  readonly ERRNO_CODES: Readonly<Record<string, number>>;
}

export type Sync = (fd: number) => void;

/** EIO in the numbering of WASI, which Emscripten's C library uses. */
const eio = 29;

export class DurableFS extends NodeFS {
  /**
   * @param onFailure told of a sync that failed: PostgreSQL ends itself then, and PGlite with it, without a word
   * @param sync for tests that count or fail
   */
  constructor(folder: string, readonly onFailure: (error: Error) => void, readonly sync: Sync = fsyncSync) {
    super(folder);
  }

  override async init(...[pg, options]: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const { emscriptenOpts } = await super.init(pg, options);
    const hook = (module: unknown) => {
      (module as EmscriptenModule).NODEFS.stream_ops.fsync = ({ nfd }) => {
        try {
          this.sync(nfd);
          return 0;
        } catch (error) {
          this.onFailure(error as Error);
          return eio;
        }
      };
    };
    return { emscriptenOpts: { ...emscriptenOpts, preRun: [...emscriptenOpts.preRun ?? [], hook] } };
  }
}
