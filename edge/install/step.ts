/** One thing that an installation does or undoes: planned (plan.ts), shown (describe.ts), carried out (carry-out.ts). */

export type Step =
  | { readonly kind: "folder"; readonly path: string; readonly mode: number; readonly owner?: Owner }
  | {
    readonly kind: "write";
    readonly path: string;
    readonly mode: number;
    readonly owner?: Owner;
    readonly text: string;
    /** Said beside it. */
    readonly note?: string;
  }
  /** Whole files of an executable into a folder of their own, which appears whole or not at all. */
  | { readonly kind: "version"; readonly from: readonly string[]; readonly to: string }
  /** A symbolic link, in place of the one that was there. */
  | { readonly kind: "link"; readonly path: string; readonly target: string }
  | { readonly kind: "run"; readonly command: readonly string[] }
  | { readonly kind: "remove"; readonly path: string; readonly note?: string }
  /** Nothing is done, and that is worth a line. */
  | { readonly kind: "leave"; readonly path: string; readonly why: string };

/** `user:group`, by names that an earlier step may have made. */
export type Owner = string;

/** What is there before anything is done. */
export interface Found {
  /** Text of a file; `undefined` when there is none. */
  text(path: string): string | undefined;
  /** Target of a symbolic link; `undefined` when there is none. */
  link(path: string): string | undefined;
  exists(path: string): boolean;
  /** Names in a folder; empty when there is none. */
  names(path: string): readonly string[];
}
