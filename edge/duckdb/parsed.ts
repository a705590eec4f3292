/**
 * What the engine made of statements lately: dashboards ask the same again and again, and a parse takes half a
 * millisecond. The text of the tree is kept, for a tree is changed by those who get it.
 */

/** Longer statements are rare, and their trees large. */
const sqlLengthMax = 4_096;
const treesMax = 128;

export interface ParsedStatements {
  get(sql: string): string | undefined;
  keep(sql: string, tree: string): void;
}

/** The least lately used goes first. */
export function parsedStatements(): ParsedStatements {
  const trees = new Map<string, string>();
  return {
    get(sql) {
      const tree = trees.get(sql);
      if (tree === undefined) return undefined;
      trees.delete(sql);
      trees.set(sql, tree);
      return tree;
    },
    keep(sql, tree) {
      if (sql.length > sqlLengthMax) return;
      trees.set(sql, tree);
      if (trees.size > treesMax) trees.delete(trees.keys().next().value!);
    },
  };
}
