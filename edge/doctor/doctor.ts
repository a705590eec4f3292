/** All checks of `openwit doctor`, in the order in which they are told. */
import { type OpenWitError, toOpenWitError } from "../../core/error.ts";
import { isServed } from "../cli/folder.ts";
import type { Config } from "../config/config.ts";
import { checkEngine, checkMemory, checkOpenFiles, checkPorts, checkProcessor } from "./box.ts";
import { type Check, fail } from "./check.ts";
import { checkConfiguration } from "./configuration.ts";
import {
  checkClock,
  checkFiles,
  checkOwner,
  checkQuarantine,
  checkSpace,
  checkSync,
  checkWalSize,
} from "./folder.ts";
import { checkConfigCopy } from "./running.ts";
import { checkServer } from "./server.ts";
import { checkService } from "./service.ts";
import { checkMachineWatchdog, checkSwap, checkTimeSync, checkVolume } from "./system.ts";

export interface Doctored {
  /** Absolute. */
  readonly dataDir: string;
  readonly config: Config;
  /** Why the configuration cannot be read; `config` is the default one then. */
  readonly configProblem?: OpenWitError;
}

type Checks = Readonly<Record<string, () => Promise<Check | Check[]>>>;

/** Of a box from outside, whether a server runs on the folder or not. */
export async function checkBox(of: Doctored): Promise<Check[]> {
  const { dataDir, config } = of;
  const served = isServed(dataDir);
  return await run({
    ...machineChecks(of),
    "SQL engine": checkEngine,
    ...folderChecks(of),
    server: () => checkServer(dataDir, served, config),
    service: checkService,
    "config copy": () => checkConfigCopy(dataDir),
    files: () => checkFiles(dataDir, () => isServed(dataDir)),
    ...(served ? {} : { ports: () => checkPorts(config) }),
  });
}

/** What a server can look at of its own box. */
export async function checkOwnBox(of: Doctored): Promise<Check[]> {
  return await run({
    ...machineChecks(of),
    ...folderChecks(of),
    files: () => checkFiles(of.dataDir, () => true),
  });
}

function machineChecks({ config }: Doctored): Checks {
  return {
    processor: checkProcessor,
    memory: () => checkMemory(config),
    swap: checkSwap,
    "open files": checkOpenFiles,
    "time sync": checkTimeSync,
    "machine watchdog": checkMachineWatchdog,
  };
}

function folderChecks({ dataDir, config, configProblem }: Doctored): Checks {
  return {
    configuration: () => checkConfiguration(dataDir, configProblem),
    permissions: () => checkOwner(dataDir),
    "disk space": () => checkSpace(dataDir, config),
    volume: () => checkVolume(dataDir),
    fsync: () => checkSync(dataDir),
    clock: () => checkClock(dataDir),
    WAL: () => checkWalSize(dataDir, config),
    quarantine: () => checkQuarantine(dataDir),
  };
}

async function run(checks: Checks): Promise<Check[]> {
  const found: Check[] = [];
  for (const [name, check] of Object.entries(checks)) found.push(...await attempt(name, check));
  return found;
}

/** A check that cannot be made is a finding like others. */
async function attempt(name: string, check: () => Promise<Check | Check[]>): Promise<Check[]> {
  try {
    return [await check()].flat();
  } catch (thrown) {
    const error = toOpenWitError(thrown);
    return [
      fail(name, `cannot be looked at: ${error.message}`, error.hint ?? "run as the user of the server"),
    ];
  }
}
