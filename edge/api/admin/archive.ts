/**
 * Archives over HTTP (docs/archive.md).
 *
 * `GET /api/v1/admin/export?tenant=&signal=&since=&until=` answers an archive as it is made. `POST
 * /api/v1/admin/import?dry_run=true` takes one as its body, and answers what was done with it when all is done.
 */
import { type Context, Hono } from "hono";
import type { ImportReport } from "../../../core/archive/import.ts";
import type { ArchiveFilter } from "../../../core/archive/format.ts";
import { type EvictionPolicy, planEviction } from "../../../core/budget/eviction.ts";
import { systemClock } from "../../../core/env/clock.ts";
import { exportArchive } from "../../../core/archive/writer.ts";
import { OpenWitError } from "../../../core/error.ts";
import { parseTenant } from "../../../core/tenant.ts";
import type { Scratch } from "../../../core/store/open.ts";
import type { Store } from "../../../core/store/store.ts";
import type { SegmentMeta } from "../../../core/manifest/manifest.ts";
import type { ArchiveImporter } from "../../server/importer.ts";
import { version } from "../../version.ts";
import { type Parameters, type ParameterTable, readQuery } from "../parameters.ts";
import { nodeRefusals, type RouteDoc } from "../route.ts";
import { boolean, integer, listOf, objectOf, shared, text } from "../schema.ts";
import { parseSignal } from "../signal.ts";

export interface ExportHost {
  /** @throws OpenWitError `unavailable` while it is not ready */
  store(): Store;
  /** Of a store that only reads its folder. */
  readonly scratch?: Scratch;
}

export interface ImportHost {
  importer(): ArchiveImporter;
  /** What keeps segments, and for how long. */
  readonly budget: { readonly options: EvictionPolicy } | undefined;
  /** Aborted when the host begins to stop. */
  readonly stopping: AbortSignal;
}

export const exportPath = "/api/v1/admin/export";
export const importPath = "/api/v1/admin/import";

const filterTable = {
  tenant: { type: "text", doc: "Only this tenant; all without it." },
  signal: { type: "text", doc: "Only `logs`, `spans` (or `traces`) or `metrics`; all without it." },
  since: {
    type: "time",
    doc: "Only segments with rows from then on: a time, or a duration back such as `7d`.",
  },
  until: { type: "time", doc: "Only segments with rows from before then." },
} as const satisfies ParameterTable;

const importTable = {
  dry_run: {
    type: "boolean",
    default: "false",
    doc: "Whether to check everything, say what would be done, and add nothing.",
  },
} as const satisfies ParameterTable;

export const archiveDocs: readonly RouteDoc[] = [
  {
    group: "admin",
    methods: ["GET"],
    path: exportPath,
    summary:
      "An [archive](archive.md) of all data, or of some, as it is made: what only the WAL has included.",
    parameters: filterTable,
    ofTenant: false,
    answers: { "application/x-tar": { type: "string", format: "binary" } },
    headers: ["Content-Disposition", "X-OpenWit-Partial"],
    refusals: nodeRefusals,
    answer: "(a tar file)",
    notes:
      "Segments are whole, so other rows of their hour are in the archive too. `X-OpenWit-Partial` names " +
      "damaged segments that are left out.",
    example: "curl -s 'http://127.0.0.1:6318/api/v1/admin/export?since=7d' -o box.tar",
  },
  {
    group: "admin",
    methods: ["POST"],
    path: importPath,
    summary: "Checks an [archive](archive.md) and adds what is in it: all of it at once, or nothing.",
    parameters: importTable,
    takes: "query",
    body: {
      type: "application/octet-stream",
      schema: { type: "string", format: "binary" },
      doc: "The archive; its media type is not looked at.",
    },
    ofTenant: false,
    answers: {
      "application/json": objectOf({
        archive: objectOf({
          node_id: text,
          created_at: text,
          created_by: text,
          segments: integer,
          rows: integer,
          bytes: integer,
        }),
        dry_run: boolean,
        added: shared("Totals"),
        beyond_retention: shared("Totals"),
        replaced: shared("Totals"),
        already_here: shared("Totals"),
        left_out: listOf(objectOf({ path: text, rows: integer, why: text })),
      }),
    },
    refusals: [...nodeRefusals, "malformed", "unsupported", "conflict", "too_large", "overloaded"],
    answer:
      '{"archive":{"node_id":"…","segments":3,…},"dry_run":false,"added":{"segments":3,"rows":120,"bytes":9000},…}',
    notes:
      "What is here already is not added again, and nothing is evicted to make room. `beyond_retention` " +
      "counts what of `added` is older than retention keeps: it goes at the next look, within a minute.",
    example: "curl -s 'http://127.0.0.1:6318/api/v1/admin/import?dry_run=true' --data-binary @box.tar",
  },
];

export function exportRoutes(host: ExportHost): Hono {
  const app = new Hono();
  app.get(exportPath, async (context) => {
    const filter = parseFilter(readQuery(context, filterTable));
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
    const isDryRun = readQuery(context, importTable).isOn("dry_run");
    const { body, signal } = context.req.raw;
    if (body === null) {
      throw new OpenWitError("invalid_argument", "the request has no body; expected an archive", {
        hint: "openwit export writes one",
      });
    }
    withoutTimeout(context);
    const report = await host.importer().run(body as unknown as AsyncIterable<Uint8Array>, {
      dryRun: isDryRun,
      signal: AbortSignal.any([signal, host.stopping]),
    }).catch((thrown) => {
      throw host.stopping.aborted
        ? stopped(thrown)
        : signal.aborted
        ? interrupted(thrown)
        : ofTheArchive(thrown);
    });
    return context.json(asDocument(report, expiredOf(report.added, host.budget?.options)));
  });
  return app;
}

function stopped(cause: unknown): OpenWitError {
  return new OpenWitError("unavailable", "this node is shutting down: nothing was imported", {
    hint: "import again when it runs",
    cause,
  });
}

/** What is damaged came with the request: nothing of ours is. */
function ofTheArchive(thrown: unknown): unknown {
  if (!(thrown instanceof OpenWitError) || thrown.code !== "corrupt") return thrown;
  return new OpenWitError("malformed", thrown.message, { hint: thrown.hint, cause: thrown });
}

function interrupted(cause: unknown): OpenWitError {
  return new OpenWitError("cancelled", "the client went away: nothing was imported", { cause });
}

/** @throws OpenWitError `invalid_argument` */
function parseFilter(parameters: Parameters<typeof filterTable>): ArchiveFilter {
  const tenant = parameters.text("tenant");
  const signal = parameters.text("signal");
  const sinceNs = parameters.timeNs("since");
  const untilNs = parameters.timeNs("until");
  return {
    ...(tenant === undefined ? {} : { tenant: parseTenant(tenant) }),
    ...(signal === undefined ? {} : { signal: parseSignal(signal) }),
    ...(sinceNs === undefined ? {} : { sinceNs }),
    ...(untilNs === undefined ? {} : { untilNs }),
  };
}

/** An archive takes as long as it takes; Bun's time-out counts from the headers on, whatever moves. */
export function withoutTimeout(context: Context): void {
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

/** What retention would take at once of segments that were added. */
function expiredOf(added: readonly SegmentMeta[], policy: EvictionPolicy | undefined): SegmentMeta[] {
  if (policy === undefined) return [];
  const now = { ns: systemClock.nowNs(), isSynced: true };
  return planEviction(added, 0, policy, now).flatMap(({ segment, reason }) =>
    reason === "age" ? [segment] : []
  );
}

function asDocument(
  { archive, dryRun, added, replaced, alreadyHere, leftOut }: ImportReport,
  expired: readonly SegmentMeta[],
) {
  return {
    archive: {
      node_id: archive.nodeId,
      created_at: archive.createdAt,
      created_by: archive.createdBy,
      ...totals(archive.segments),
    },
    dry_run: dryRun,
    added: totals(added),
    beyond_retention: totals(expired),
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
