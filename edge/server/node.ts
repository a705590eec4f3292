/**
 * The all-in-one server: every stage of the database in one process, composed from configuration.
 *
 * Order of starting: lock, listeners (which answer "starting"), recovery, ready. Order of stopping: draining
 * (new requests are refused, retryable), listeners, engine, store, lock.
 */
import { resolve } from "node:path";
import { DiskBudget } from "../../core/budget/budget.ts";
import type { MemoryCeiling } from "../../core/budget/memory.ts";
import type { MemoryShare } from "../../core/budget/memory-share.ts";
import type { HistoryRow, HistoryTable } from "../../core/catalog/rows.ts";
import { systemClock } from "../../core/env/clock.ts";
import type { Log } from "../../core/env/log.ts";
import { systemRandom } from "../../core/env/random.ts";
import { OpenWitError, toOpenWitError } from "../../core/error.ts";
import type { IngestRequest, IngestResult } from "../../core/ingest/request.ts";
import type { TaskRun } from "../../core/janitor/janitor.ts";
import { Metrics } from "../../core/metrics/metrics.ts";
import { startStore } from "../../core/store/open.ts";
import { defaultStoreOptions, type Store } from "../../core/store/store.ts";
import { apiApp } from "../api/app.ts";
import type { QueryHost } from "../api/host.ts";
import type { Config } from "../config/config.ts";
import { selfResource } from "../self/otlp.ts";
import { SelfTelemetry } from "../self/self.ts";
import { makeDataDir } from "../disk/data-dir.ts";
import { NodeDisk } from "../disk/disk.ts";
import { lockDataFolder } from "../disk/lock.ts";
import type { EngineLoad, SqlEngine } from "../../core/query/engine.ts";
import { PreparedStatements } from "../../core/query/prepared.ts";
import { defaultEngineOptions, duckDBEngine } from "../duckdb/engine.ts";
import { InflightBudget } from "../otlp/budget.ts";
import type { ReceiverDeps, RequestOutcome } from "../otlp/receiver.ts";
import type { LogEvent } from "../log/format.ts";
import type { NodeLog } from "../log/log.ts";
import { rowReader } from "../rows/row-reader.ts";
import { type WorkerEncoder, workerEncoder } from "../parquet/worker-encoder.ts";
import { type ArchiveImporter, describeImport, importerOf } from "./importer.ts";
import { NodeCatalog } from "./catalog.ts";
import { type Maintenance, maintenanceOf, sharedMemory } from "./maintenance.ts";
import { type NodeIndexing, nodeIndexing } from "./indexing.ts";
import { IngestWatch } from "./ingest-watch.ts";
import { type Limits, limitsOf } from "./limits.ts";
import type { Reloader } from "./reload.ts";
import { recoveryTeller } from "./recovering.ts";
import type { SafeMode, TrialStatus } from "./safe_mode.ts";
import { Drain } from "./drain.ts";
import { publishEndpoints, withdrawEndpoints } from "./discovery.ts";
import type { NodeParts, Phase } from "./facts.ts";
import { registerGauges } from "./gauges.ts";
import type { NodeHealth } from "./health.ts";
import { HealthWatch } from "./health-watch.ts";
import { type Endpoints, Listeners } from "./listeners.ts";
import { engineLimitsOf, maintenanceSettingsOf, receiverLimitsOf, storeOptionsOf } from "./options.ts";
import { memoryCeiling } from "./memory.ts";
import { watchEventLoop } from "./process-gauges.ts";

/** Time that requests under way get to finish when the node is told to stop. */
const drainMsMax = 10_000;

/** A request takes several times its bytes on its way: as it came, decompressed, and as the WAL writes it. */
const receiverShare = 0.07;

const retentionEveryMs = 60_000;
/** A node that has more to bring back than it can in this time takes requests meanwhile, and its readers wait. */
const recoveryMsMax = 5_000;

export class Node implements QueryHost {
  phase: Phase = "starting";
  /** Why the node is not ready, when it is not. */
  reason: string | undefined = "recovering the data folder";
  readonly metrics = new Metrics();
  readonly statements = new PreparedStatements();
  readonly log: Log;
  readonly ingest = new IngestWatch(() => systemClock.monotonicMs());
  readonly dataDir: string;
  /** memory.limit, or less where the system allows less. */
  readonly memoryBytesMax: number;
  readonly limits: Limits;
  readonly memory: MemoryCeiling;
  /** Stores what the node says of itself. */
  readonly self: SelfTelemetry;
  /** Told by its operator to take no more records. */
  readonly drain = new Drain(() => this.store());
  endpoints: Endpoints | undefined;
  /** How far the rows of the last run are back; `undefined` when they are. */
  recovery: string | undefined;
  readonly #failed = Promise.withResolvers<never>();
  readonly #startedMs = systemClock.monotonicMs();
  readonly #stopping = new AbortController();
  #store: Store | undefined;
  #engine: SqlEngine | undefined;
  readonly rowReader: ReturnType<typeof rowReader>;
  #maintenance: Maintenance | undefined;
  #importer: ArchiveImporter | undefined;
  readonly #listeners = new Listeners();
  #encoder: WorkerEncoder | undefined;
  #indexing: NodeIndexing | undefined;
  #budget: DiskBudget | undefined;
  #catalog: NodeCatalog | undefined;
  readonly #shared: MemoryShare;
  readonly #inflight: InflightBudget;
  #memoryWatch: ReturnType<typeof setInterval> | undefined;
  readonly #healthWatch: HealthWatch;
  #unwatchLoop = () => {};
  #configTrouble: string | undefined;
  /** Reads the configuration anew; set by whoever has read it. */
  reloader: Reloader | undefined;
  /** Goes back to the last good configuration when a new one fails; set likewise. */
  safeMode: SafeMode | undefined;
  #config: Config;

  constructor(config: Config, readonly logging: NodeLog) {
    const { log } = logging;
    this.#config = config;
    this.log = log;
    this.dataDir = resolve(config.dataDir);
    this.rowReader = rowReader(this.dataDir, log);
    this.limits = limitsOf(config);
    this.memoryBytesMax = this.limits.memoryBytes;
    this.#inflight = new InflightBudget(Math.floor(this.memoryBytesMax * receiverShare));
    this.self = new SelfTelemetry({
      clock: systemClock,
      metrics: this.metrics,
      ingest: (request) => this.drain.admit(() => this.#store!.ingest(request)),
      resource: () => selfResource(this.#store!.manifest.state.nodeId),
    }, config.selfIntervalMs);
    logging.listeners.add(this.self.hear);
    this.#shared = sharedMemory(this.memoryBytesMax, this.#engineBytesMax(), config.searchQueueMax);
    this.memory = memoryCeiling(this.memoryBytesMax, log, () => this.#store, this.#shared);
    this.#healthWatch = new HealthWatch(log, () => this.#parts());
  }

  /** Whether the configuration is on trial, has passed it, or was rolled back. */
  get configTrial(): TrialStatus | undefined {
    return this.safeMode?.status();
  }

  get config(): Config {
    return this.#config;
  }

  /**
   * Takes the values of another configuration that may change while it runs (`reload: "live"` in keys.ts); the others are
   * those that it was started with. @throws OpenWitError `unavailable` while the node is not ready
   */
  configure(config: Config): void {
    const store = this.store();
    this.#config = config;
    Object.assign(this.logging, config.logging);
    this.self.intervalMs = config.selfIntervalMs;
    this.#budget!.configure(config.budget);
    store.configure(storeOptionsOf(config, this.memoryBytesMax, this.#budget!.usage.budgetBytes));
    this.#engine!.resize!(engineLimitsOf(config));
    this.#shared.waitingMax = config.searchQueueMax;
    this.#maintenance!.configure(maintenanceSettingsOf(config));
    this.#catalog!.configure(config.metastore);
  }

  /** What the data folder takes of its budget; `undefined` before it was measured. */
  get budget(): DiskBudget | undefined {
    return this.#budget;
  }

  get usage(): DiskBudget["usage"] | undefined {
    return this.#budget?.usage;
  }

  /** Why a record would be refused: the node was drained, or the disk or the memory has no room for it. */
  get refusal(): string | undefined {
    return this.drain.refusal ?? this.#budget?.refusal ?? this.memory.refusal;
  }

  /** Rejects when the node cannot go on after it was ready. */
  get failed(): Promise<never> {
    return this.#failed.promise;
  }

  /** Aborted when the node begins to stop: streams that would not end by themselves end then. */
  get stopping(): AbortSignal {
    return this.#stopping.signal;
  }

  /** @throws OpenWitError `unavailable` while the node is not ready */
  store(): Store {
    if (this.#store !== undefined && this.phase === "ready") return this.#store;
    throw new OpenWitError(
      "unavailable",
      `this node is ${this.phase}${this.reason ? `: ${this.reason}` : ""}`,
      {
        hint: "try again in a moment",
      },
    );
  }

  /** @throws OpenWitError `unavailable` while the node is not ready */
  maintenance(): Maintenance {
    this.store();
    return this.#maintenance!;
  }

  /** @throws OpenWitError `unavailable` while the node is not ready */
  importer(): ArchiveImporter {
    this.store();
    return this.#importer!;
  }

  taskRuns(): readonly TaskRun[] {
    return this.#maintenance?.janitor.runs() ?? [];
  }

  /** What is kept beyond manifest and memory; `undefined` before the node is ready. */
  get catalog(): NodeCatalog | undefined {
    return this.#catalog;
  }

  async history(table: HistoryTable, tenant: string, signal: AbortSignal): Promise<readonly HistoryRow[]> {
    this.store();
    return await this.#catalog!.history(table, tenant, signal);
  }

  engine(): SqlEngine {
    this.store();
    return this.#engine!;
  }

  get engineLoad(): EngineLoad | undefined {
    return this.#engine?.load;
  }

  get searchTimeoutMs(): number {
    return this.config.searchTimeoutMs;
  }

  get searchRowsMax(): number {
    return this.config.searchRowsMax;
  }

  get searchBytesMax(): number {
    return this.config.searchBytesMax;
  }

  get sqlBytesMax(): number {
    return this.config.sqlBytesMax;
  }

  #engineBytesMax(): number {
    const { searchMemory: memory } = this.config;
    return "bytes" in memory ? memory.bytes : this.memoryBytesMax * memory.percent / 100;
  }

  /** How each component is, and whether a record would be taken and a question answered now. Cheap. */
  health(): NodeHealth {
    return this.#healthWatch.look();
  }

  #parts(): NodeParts {
    return {
      phase: this.phase,
      reason: this.reason,
      drained: this.drain.refusal,
      recovery: this.recovery,
      store: this.#store,
      budget: this.#budget,
      memory: this.memory,
      engineLoad: this.engineLoad,
      engineWaitingMax: this.config.searchQueueMax,
      janitor: this.#maintenance?.janitor,
      catalogError: this.#catalog?.status().error as string | undefined,
      encoderFailure: this.#encoder?.failure,
      indexerFailure: this.#indexing?.failure,
      listeners: { open: this.#listeners.open, wanted: this.#listeners.wanted },
      configTrouble: this.#configTrouble,
    };
  }

  /**
   * A new configuration was tried.
   * @param trouble what a person should know of it, until the next one is tried
   */
  noteReload(outcome: "applied" | "refused" | "rolled_back", trouble?: string): void {
    this.metrics.add("openwit_config_reloads_total", 1, { outcome });
    this.#configTrouble = trouble;
  }

  /** The last lines of the log, oldest first, without secrets. */
  recentLogs(): readonly LogEvent[] {
    return this.logging.recent();
  }

  uptimeSeconds(): number {
    return (systemClock.monotonicMs() - this.#startedMs) / 1_000;
  }

  /**
   * Listens, recovers, and becomes ready.
   * @param onLocked waited for once the folder is this node's alone
   * @throws OpenWitError when a port, the lock or the folder is not to be had
   */
  async start(onLocked: () => Promise<void> = async () => {}): Promise<void> {
    await makeDataDir(this.dataDir);
    const disk = new NodeDisk(this.dataDir);
    const lock = lockDataFolder(this.dataDir);
    try {
      await onLocked();
      this.endpoints = await this.#listeners.bindAll(this.config, this.#receiverDeps(), apiApp(this));
      this.#encoder = workerEncoder();
      const { log, metrics } = this;
      const { demand, fresh } = this.#indexing = nodeIndexing(this.dataDir, log, {
        isShort: () => this.refusal !== undefined || this.#budget?.spareBytes === 0,
        isDiskShort: () => this.#budget?.spareBytes === 0,
      });
      const env = {
        disk,
        clock: systemClock,
        random: systemRandom,
        log,
        encoder: this.#encoder,
        indexes: demand,
        fresh,
        metrics,
      };
      this.#budget = await DiskBudget.open(env, this.config.budget);
      this.#unwatchLoop = watchEventLoop(metrics);
      this.#memoryWatch = setInterval(() => this.memory.look(), 250);
      const store = this.#store = await startStore(env, {
        ...defaultStoreOptions,
        ...storeOptionsOf(this.config, this.memoryBytesMax, this.#budget.usage.budgetBytes),
      }, {
        onProgress: recoveryTeller(this.log, (text) => this.#tellRecovery(text)),
        onRecord: () => this.memory.look(), // a timer comes too seldom for what a replay takes
      });
      this.#tellRecovery("recovering the data folder");
      this.#engine = duckDBEngine({
        shared: this.#shared,
        ...defaultEngineOptions,
        dataDir: this.dataDir,
        threads: this.limits.searchThreads,
        memoryBytes: this.#engineBytesMax(),
        spillBytes: this.config.spillBytesMax,
        ...engineLimitsOf(this.config),
        residentBytesMax: this.memoryBytesMax,
      });
      this.#budget.attach(this.#store);
      this.#store.guards.push(this.memory);
      this.#registerGauges(store, this.#budget, this.#encoder);
      store.startMaintenance();
      this.#budget.start();
      const catalog = this.#catalog = new NodeCatalog(this.#store, {
        config: this.config.metastore,
        dataDir: this.dataDir,
        memoryBytesMax: this.memoryBytesMax,
        mayWrite: () => this.#budget!.refusal === undefined,
      });
      this.#maintenance = maintenanceOf(this.#store, {
        onRun: (run) => catalog.ran(run),
        dataDir: this.dataDir,
        indexing: this.#indexing,
        shared: this.#shared,
        memoryBytesMax: this.memoryBytesMax,
        spillBytes: this.config.spillBytesMax,
        settings: maintenanceSettingsOf(this.config),
        roomBytes: () => roomOf(this.#budget!),
        isShort: () => this.#budget!.isGettingShort(),
        tasks: [{ name: "retention", everyMs: retentionEveryMs, run: () => this.#budget!.run() }],
      });
      this.#budget.shedder = () => this.#maintenance!.hurryShed();
      store.recovered.then(() => this.#endRecovery(), (error) => this.#fail(error));
      this.#importer = importerOf(this.#store, {
        dataDir: this.dataDir,
        roomBytes: () => this.#budget!.spareBytes,
        exclusively: (work) =>
          this.drain.admit(() => this.#maintenance!.exclusively("import", work, describeImport)),
        scanning: { threads: 1, memoryBytes: 128 * 1024 * 1024 }, // beside the engines of queries and merges
      });
      await publishEndpoints(this.dataDir, this.endpoints!).catch((error) => {
        // A full disk must not stop a start: commands then have to be told where the server listens.
        this.log("error", "the server's endpoints could not be published", { error });
      });
      await Promise.race([store.recovered, systemClock.sleep(recoveryMsMax)]);
      this.phase = "ready";
      this.reason = undefined;
      this.#healthWatch.start();
      this.self.start();
    } catch (error) {
      clearInterval(this.#memoryWatch);
      this.#unwatchLoop();
      this.phase = "failed";
      this.reason = toOpenWitError(error).message;
      await this.#listeners.stop(0);
      lock.release();
      throw error;
    }
    this.#release = () => lock.release();
  }

  /** Drains and closes; what is acknowledged stays in the WAL for the next start. */
  async stop(): Promise<void> {
    if (this.phase === "draining") return;
    this.phase = "draining";
    this.reason = "shutting down";
    this.#stopping.abort();
    this.#healthWatch.stop();
    await this.#listeners.stop(drainMsMax);
    clearInterval(this.#memoryWatch);
    this.#unwatchLoop();
    await this.self.stop();
    await this.#maintenance?.stop();
    await this.#catalog?.stop();
    this.#indexing?.close();
    await this.#engine?.close().finally(() => this.rowReader.close());
    await this.#budget?.close();
    await this.#store?.close();
    await this.#encoder?.close();
    await withdrawEndpoints(this.dataDir);
    this.#release();
  }

  #release: () => void = () => {};

  #registerGauges(store: Store, budget: DiskBudget, encoder: WorkerEncoder): void {
    registerGauges(this.metrics, {
      store,
      budget,
      encoder,
      memoryBytesMax: this.memoryBytesMax,
      memoryRefusal: () => this.memory.refusal,
      shared: this.#shared,
      engineLoad: () => this.#engine?.load,
      engineWaitingMax: () => this.config.searchQueueMax,
      inflight: this.#inflight,
      listeners: this.#listeners,
      logging: this.logging,
      health: () => this.health(),
      uptimeSeconds: () => this.uptimeSeconds(),
    });
  }

  #tellRecovery(text: string): void {
    this.recovery = text;
    if (this.phase === "starting") this.reason = text;
  }

  /** Maintenance begins here: merges would take from a recovery what time and memory it has. */
  #endRecovery(): void {
    this.recovery = undefined;
    if (this.phase !== "draining") this.#maintenance!.janitor.start();
  }

  /** Rows that were acknowledged cannot be brought back: answers without them would be wrong, so there are none. */
  #fail(error: unknown): void {
    if (this.phase === "draining") return;
    this.phase = "failed";
    this.reason = toOpenWitError(error).message;
    this.#failed.reject(error);
    this.#failed.promise.catch(() => {}); // whoever waits for it is told
  }

  #receiverDeps(): ReceiverDeps {
    const limits = () => receiverLimitsOf(this.config);
    return {
      ingest: (request) => this.#ingest(request),
      get limits() {
        return limits();
      },
      budget: this.#inflight,
      log: this.log,
      onRequest: (outcome) => this.#count(outcome),
      isDraining: () => this.phase === "draining" || this.drain.state !== "off",
      admit: () => {
        this.memory.admit();
        this.#budget?.check();
      },
    };
  }

  async #ingest(request: IngestRequest): Promise<IngestResult> {
    const started = systemClock.monotonicMs();
    // An open store takes requests while it brings back those of its last run; the node is not ready for the rest.
    const store = this.phase === "starting" && this.#store !== undefined ? this.#store : this.store();
    const result = await this.drain.admit(() => this.ingest.around(() => store.ingest(request)));
    this.metrics.observe("openwit_ack_seconds", (systemClock.monotonicMs() - started) / 1_000, {
      signal: request.signal,
    });
    return result;
  }

  #count({ protocol, signal, code, wireBytes }: RequestOutcome): void {
    this.metrics.add("openwit_received_bytes_total", wireBytes, { protocol });
    const of = signal ?? "none"; // a path that is no signal's
    this.metrics.add("openwit_requests_total", 1, { signal: of, protocol, outcome: code });
    if (code !== "ok") this.metrics.add("openwit_rejected_requests_total", 1, { signal: of, reason: code });
  }
}

/** What a merge may write: as much as leaves room for the records of its time. */
function roomOf({ usage: { budgetBytes, usedBytes, freeBytes } }: DiskBudget): number {
  return Math.min(budgetBytes - usedBytes, freeBytes) / 2;
}
