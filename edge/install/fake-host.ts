/** A machine in memory, for tests of plans: files, links, and the commands that were run. */
import { posix } from "node:path";
import type { CommandResult, Host } from "./host.ts";

export interface FakeFile {
  readonly kind: "file" | "link" | "folder";
  readonly text: string;
  readonly mode?: number;
  readonly owner?: string;
}

export class FakeHost implements Host {
  readonly files = new Map<string, FakeFile>();
  readonly commands: string[] = [];
  /** What a command answers, by its text; success without a word otherwise. */
  answer: (command: string) => Partial<CommandResult> | undefined = () => undefined;

  text(path: string): string | undefined {
    const file = this.files.get(path);
    return file?.kind === "file" ? file.text : undefined;
  }

  link(path: string): string | undefined {
    const file = this.files.get(path);
    return file?.kind === "link" ? file.text : undefined;
  }

  exists(path: string): boolean {
    return this.files.has(path);
  }

  names(path: string): readonly string[] {
    return [...this.files.keys()].filter((each) => posix.dirname(each) === path).map((each) =>
      posix.basename(each)
    ).sort();
  }

  makeFolder(path: string, mode: number, owner?: string): void {
    this.#makeAbove(path);
    this.files.set(path, { kind: "folder", text: "", mode, owner });
  }

  write(path: string, text: string, mode: number, owner?: string): void {
    this.#demandFolder(path);
    this.files.set(path, { kind: "file", text, mode, owner });
  }

  copyVersion(from: readonly string[], to: string): void {
    this.makeFolder(to, 0o755);
    for (const [index, file] of from.entries()) {
      const name = index === 0 ? "openwit" : posix.basename(file);
      this.files.set(`${to}/${name}`, { kind: "file", text: `content of ${file}` });
    }
  }

  relink(path: string, target: string): void {
    this.#demandFolder(path);
    this.files.set(path, { kind: "link", text: target });
  }

  remove(path: string): void {
    for (const each of this.files.keys()) {
      if (each === path || each.startsWith(`${path}/`)) this.files.delete(each);
    }
  }

  run(command: readonly string[]): Promise<CommandResult> {
    const text = command.join(" ");
    this.commands.push(text);
    return Promise.resolve({ status: 0, stdout: "", stderr: "", ...this.answer(text) });
  }

  hasProgram(): boolean {
    return true;
  }

  #makeAbove(path: string): void {
    const above = posix.dirname(path);
    if (this.files.has(above) || above === "/") return;
    this.#makeAbove(above);
    this.files.set(above, { kind: "folder", text: "" });
  }

  #demandFolder(path: string): void {
    if (!this.exists(posix.dirname(path))) throw new Error(`${posix.dirname(path)} does not exist`);
  }
}
