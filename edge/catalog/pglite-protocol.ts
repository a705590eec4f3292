/**
 * What the catalog's PGlite and its worker say to each other; one thing at a time.
 *
 *   database ─open─▶ worker ◀─done─ (it may have made the folder)      ─run─▶ ◀─done─     ─maintain─▶ ◀─done─
 *            ─close─▶       ◀─done─ and nothing more                   ◀─failed─ instead of any done
 */
import type { CatalogStatement } from "../../core/catalog/database.ts";

export type ToWorker =
  | { readonly kind: "open"; readonly folder: string }
  | { readonly kind: "run"; readonly statements: readonly CatalogStatement[] }
  | { readonly kind: "maintain" }
  | { readonly kind: "close" };

export type FromWorker =
  | { readonly kind: "done"; readonly values: readonly (string | undefined)[] }
  | {
    readonly kind: "failed";
    /** What PostgreSQL or the runtime said, its log included. */
    readonly message: string;
    /** SQLSTATE of a statement that failed; then the database goes on. Without it, it does not. */
    readonly state?: string;
  };
