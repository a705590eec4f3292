/** How statements name the tables of schema `system`, and what the engine calls them. */
import { isSystemTable, type SystemTableName } from "../system/tables.ts";

export const systemSchema = "system";

const prefix = "openwit_system_";

/** The name that the engine knows; no statement may write it itself. */
export function systemViewName(name: SystemTableName): string {
  return prefix + name;
}

/** `undefined` for any other name. */
export function parseSystemViewName(name: string): SystemTableName | undefined {
  const table = name.startsWith(prefix) ? name.slice(prefix.length) : "";
  return isSystemTable(table) ? table : undefined;
}

/** The table that a statement names as `system.x`; `undefined` when it is none. */
export function systemTableOf(catalog: string, schema: string, name: string): SystemTableName | undefined {
  const table = name.toLowerCase();
  return catalog === "" && schema.toLowerCase() === systemSchema && isSystemTable(table) ? table : undefined;
}
