/** `openwit support-bundle`: what somebody who is to help needs to see of this box, in one file, without any record. */
import { open, rm } from "node:fs/promises";
import { resolve } from "node:path";
import process from "node:process";
import { decodeTarHeader, tarBlockBytes, tarPaddingBytes } from "../../core/archive/tar.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import { supportPath } from "../api/admin/support.ts";
import { fileFlags, readInputs } from "../config/files.ts";
import { loadConfiguration } from "../config/settings.ts";
import { bundleName, bundleStream } from "../support/bundle.ts";
import type { FolderOfBundle } from "../support/offline.ts";
import { withNode } from "./ask.ts";
import { shownSettings } from "../config/shown.ts";
import { type ParsedFlags, parseFlags } from "./flags.ts";
import { dataFolder, refuseArguments } from "./folder.ts";
import type { Command } from "./main.ts";
import { bytes } from "./status.ts";
import { expectOk, type Target } from "./target.ts";

export const supportBundleCommand: Command = {
  usage: `openwit support-bundle: what somebody who is to help needs to see of this box, in one tar.gz.

Status, health, what doctor finds, the configuration with its secrets hidden, metrics, the last lines of the log, and
what the data folder is made of. Nothing of the records is in it: no body, no attribute, no value. Names of tenants are.

Usage: openwit support-bundle [options]

Options:
  --output FILE          where to (default openwit-support-DATE.tar.gz); a file that is there is not replaced
  --url URL              ask this server (default: OPENWIT_URL, or the one that runs here)
  --data-dir DIR         data folder (default ./data); without a running server it is read, and not changed
  --config FILE          configuration, for when no server runs (default OPENWIT_CONFIG)
  --environment NAME     with the overlay for it (default OPENWIT_ENVIRONMENT)
  --json                 what was written as JSON

Example:
  openwit support-bundle --output bundle.tar.gz
`,
  async run(args) {
    const { values, positionals } = parseFlags(args, {
      output: { type: "string" },
      url: { type: "string" },
      "data-dir": { type: "string" },
      ...fileFlags,
      json: { type: "boolean" },
    }, "support-bundle");
    refuseArguments(positionals, "support-bundle");
    const path = resolve(String(values.output ?? `${bundleName(Date.now())}.tar.gz`));
    return await withNode(values, (dataDir) => offlineTarget(dataDir, values), async (asking) => {
      const answer = await expectOk(await asking.get(supportPath, "application/gzip"));
      const bundle = new Uint8Array(await answer.arrayBuffer());
      const files = filesOf(bundle);
      await writeNew(path, bundle);
      process.stdout.write(
        values.json
          ? JSON.stringify({ output: path, bytes: bundle.length, files }) + "\n"
          : describe(path, bundle.length, files),
      );
      return 0;
    });
  },
};

/** The folder itself, as if a server told of it. */
async function offlineTarget(dataDir: string, values: ParsedFlags["values"]): Promise<Target> {
  const read = await configuredOrDefault({ ...values, "data-dir": dataDir });
  const { offlineBundle } = await import("../support/offline.ts");
  return {
    name: dataDir,
    fetch: () => {
      const source = offlineBundle({ dataDir: dataFolder(dataDir), ...read });
      return Promise.resolve(new Response(bundleStream(source, Date.now())));
    },
    close: () => Promise.resolve(),
  };
}

/** A configuration that cannot be read may be why a bundle is wanted. */
async function configuredOrDefault(
  flags: ParsedFlags["values"],
): Promise<Omit<FolderOfBundle, "dataDir">> {
  try {
    const { config, settings } = await loadConfiguration(await readInputs(flags, process.env));
    return { config, settings: shownSettings(settings) };
  } catch (thrown) {
    const { config } = await loadConfiguration({ flags: {}, environment: {} });
    return { config, settings: [], configProblem: toOpenWitError(thrown) };
  }
}

/** @throws OpenWitError `conflict` when there is such a file, `io` */
async function writeNew(path: string, bundle: Uint8Array): Promise<void> {
  let file;
  try {
    file = await open(path, "wx", 0o600);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EEXIST") {
      throw new OpenWitError("conflict", `${path} is there already`, {
        hint: "name another file with --output",
      });
    }
    throw cannotWrite(path, cause);
  }
  try {
    await file.writeFile(bundle);
    await file.sync();
  } catch (cause) {
    await rm(path, { force: true });
    throw cannotWrite(path, cause);
  } finally {
    await file.close();
  }
}

function cannotWrite(path: string, cause: unknown): OpenWitError {
  return new OpenWitError("io", `${path} cannot be written: ${(cause as Error).message}`, {
    hint: "name another place with --output",
    cause,
  });
}

interface BundledFile {
  readonly name: string;
  readonly bytes: number;
}

/** What is in it, read back from the bytes that are written: told is what is there. @throws OpenWitError `malformed` */
function filesOf(bundle: Uint8Array): BundledFile[] {
  const tar = Bun.gunzipSync(bundle as Uint8Array<ArrayBuffer>);
  const files: BundledFile[] = [];
  for (let at = 0; at + tarBlockBytes <= tar.length;) {
    const entry = decodeTarHeader(tar.subarray(at, at + tarBlockBytes));
    if (entry === undefined) break;
    files.push(entry);
    at += tarBlockBytes + entry.bytes + tarPaddingBytes(entry.bytes);
  }
  return files;
}

function describe(path: string, size: number, files: readonly BundledFile[]): string {
  const lines = files.map(({ name, bytes: count }) => `  ${bytes(count).padStart(10)}  ${name}`);
  return `${lines.join("\n")}\n${path}, ${
    bytes(size)
  }: nothing of the records is in it, and secrets are hidden; its ` +
    "README.txt says what each file is. It is plain text: read it through before you hand it on.\n";
}
