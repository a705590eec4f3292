/**
 * Archives over HTTP (docs/archive.md).
 *
 * `GET /api/v1/admin/export?tenant=&signal=&since=&until=` answers an archive as it is made. `POST
 * /api/v1/admin/import?dry_run=true` takes one as its body, and answers what was done with it when all is done.
 */
import { type Context, Hono } from "hono";
import type { ImportReport } from "../../core/archive/import.ts";
import type { ArchiveFilter } from "../../core/archive/format.ts";
import { exportArchive } from "../../core/archive/writer.ts";
import { systemClock } from "../../core/env/clock.ts";
import { OpenWitError } from "../../core/error.ts";
import { parseTenant } from "../../core/tenant.ts";
import type { Scratch } from "../../core/store/open.ts";
import type { Store } from "../../core/store/store.ts";
import type { SegmentMeta } from "../../core/manifest/manifest.ts";
import { parseInstant } from "../config/instant.ts";
import type { ArchiveImporter } from "../server/importer.ts";
import { version } from "../version.ts";
import { parseSignal } from "./signal.ts";

export interface ExportHost {
  /** @throws OpenWitError `unavailable` while it is not ready */
  store(): Store;
  /** Of a store that only reads its folder. */
  readonly scratch?: Scratch;
}

export interface ImportHost {
  importer(): ArchiveImporter;
  /** Aborted when the host begins to stop. */
  readonly stopping: AbortSignal;
}

export const exportPath = "/api/v1/admin/export";
export const importPath = "/api/v1/admin/import";

export function exportRoutes(host: ExportHost): Hono {
  const app = new Hono();
  app.get(exportPath, async (context) => {
    const filter = parseFilter(context);
    withoutTimeout(context);
    const { bytes, damaged, release } = await exportArchive(host.store(), {
      filter,
      createdBy: `openwit ${version}`,
      scratch: host.scratch,
    });
    const left = [...damaged].map(([path, why]) => `${path} is left out: ${why}`).join("; ");
    return new Response(streamOf(bytes, release), {
      headers: {
        "Content-Type": "application/x-tar",
        "Cache-Control": "no-store",
        "Content-Disposition": 'attachment; filename="openwit-export.tar"',
        ...(left === "" ? {} : { "X-OpenWit-Partial": left.slice(0, 1_000) }),
      },
    });
  });
  return app;
}

export function importRoutes(host: ImportHost): Hono {
  const app = new Hono();
  app.post(importPath, async (context) => {
    const dryRun = context.req.query("dry_run") ?? "false";
    if (dryRun !== "true" && dryRun !== "false") {
      throw new OpenWitError(
        "invalid_argument",
        `dry_run is ${JSON.stringify(dryRun)}; expected true or false`,
      );
    }
    const { body, signal } = context.req.raw;
    if (body === null) {
      throw new OpenWitError("invalid_argument", "the request has no body; expected an archive", {
        hint: "openwit export writes one",
      });
    }
    withoutTimeout(context);
    const report = await host.importer().run(body as unknown as AsyncIterable<Uint8Array>, {
      dryRun: dryRun === "true",
      signal: AbortSignal.any([signal, host.stopping]),
    }).catch((thrown) => {
      throw host.stopping.aborted ? stopped(thrown) : signal.aborted ? interrupted(thrown) : thrown;
    });
    return context.json(asDocument(report));
  });
  return app;
}

function stopped(cause: unknown): OpenWitError {
  return new OpenWitError("unavailable", "this node is shutting down: nothing was imported", {
    hint: "import again when it runs",
    cause,
  });
}

function interrupted(cause: unknown): OpenWitError {
  return new OpenWitError("cancelled", "the client went away: nothing was imported", { cause });
}

/** @throws OpenWitError `invalid_argument` */
function parseFilter(context: Context): ArchiveFilter {
  const { tenant, signal, since, until, ...rest } = context.req.query();
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) {
    throw new OpenWitError("invalid_argument", `export has no parameter ${JSON.stringify(unknown)}`, {
      hint: "there are tenant, signal, since and until",
    });
  }
  const nowNs = systemClock.nowNs();
  return {
    ...(tenant === undefined ? {} : { tenant: parseTenant(tenant) }),
    ...(signal === undefined ? {} : { signal: parseSignal(signal) }),
    ...(since === undefined ? {} : { sinceNs: parseInstant(since, "since", nowNs) }),
    ...(until === undefined ? {} : { untilNs: parseInstant(until, "until", nowNs) }),
  };
}

/** An archive takes as long as it takes; Bun's time-out counts from the headers on, whatever moves. */
function withoutTimeout(context: Context): void {
  const { server } = (context.env ?? {}) as { server?: Bun.Server<undefined> };
  server?.timeout(context.req.raw, 0);
}

function streamOf(bytes: AsyncGenerator<Uint8Array>, release: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await bytes.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      await bytes.return(undefined);
      release(); // a generator that was never asked does not run its own
    },
  });
}

function asDocument({ archive, dryRun, added, replaced, alreadyHere, leftOut }: ImportReport) {
  return {
    archive: {
      node_id: archive.nodeId,
      created_at: archive.createdAt,
      created_by: archive.createdBy,
      ...totals(archive.segments),
    },
    dry_run: dryRun,
    added: totals(added),
    replaced: totals(replaced),
    already_here: totals(alreadyHere),
    left_out: leftOut.map(({ segment, why }) => ({ path: segment.path, rows: segment.rows, why })),
  };
}

function totals(segments: readonly SegmentMeta[]) {
  return {
    segments: segments.length,
    rows: segments.reduce((sum, { rows }) => sum + rows, 0),
    bytes: segments.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}
