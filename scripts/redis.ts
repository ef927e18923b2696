import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/**
 * A redis-server (or valkey-server) of one's own, on a free port, in a temporary directory, that goes with this process.
 * From the command line, `npx tsx scripts/redis.ts [--option value ...]`: prints its url, and runs until it is stopped.
 */
export class RedisServer {
  readonly url: string;
  #process: ChildProcess | undefined;
  readonly #directory = mkdtempSync(join(tmpdir(), "permacache-redis-server-"));
  private constructor(
    readonly port: number,
    readonly options: readonly string[],
  ) {
    this.url = `redis://127.0.0.1:${port}`;
    running.add(this);
  }

  /** @param options of redis-server, such as `"--requirepass", "secret"`. @throws where there is none, or it does not start */
  static async start(...options: string[]): Promise<RedisServer> {
    for (let attempt = 1; ; attempt++) {
      const server = new RedisServer(await freePort(), options);
      try {
        await server.start();
        return server;
      } catch (error) {
        await server.stop();
        if (attempt === 5) throw error; // somebody else may have taken the port
      }
    }
  }

  /** Again, empty, at the same port. */
  async start(): Promise<void> {
    const binary = redisBinary();
    if (binary === undefined) throw new Error("There is no redis-server on this machine.");
    const own = ["--port", `${this.port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    const args = [...own, "--dir", this.#directory, "--loglevel", "warning", ...this.options];
    const server = spawn(binary, args, { stdio: ["ignore", "pipe", "inherit"] });
    this.#process = server;
    server.unref();
    let said = "";
    server.stdout!.on("data", (text) => (said += text));
    (server.stdout as unknown as { unref(): void }).unref();
    for (let attempt = 0; server.exitCode === null && attempt < 1_000; attempt++) {
      if (await answers(this.port)) return;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`redis-server does not start at port ${this.port}: ${said.trim()}`);
  }

  /** At once, without a word: all is lost. */
  async kill(): Promise<void> {
    const server = this.#process;
    this.#process = undefined;
    if (!server || server.exitCode !== null || server.signalCode !== null) return;
    const gone = new Promise((resolve) => server.once("exit", resolve));
    server.ref();
    server.kill("SIGKILL");
    await gone;
  }

  /** It does not answer any more; connections are made by the kernel all the same. */
  pause(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  async stop(): Promise<void> {
    await this.kill();
    this.drop();
  }

  /** Without waiting. */
  drop(): void {
    running.delete(this);
    this.#process?.kill("SIGKILL");
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

const running = new Set<RedisServer>();
process.once("exit", () => {
  for (const server of running) server.drop();
});

/** `undefined` where there is none. */
export function redisBinary(): string | undefined {
  return ["redis-server", "valkey-server"].find((name) => spawnSync(name, ["--version"]).status === 0);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/** Also one that asks for a password. */
function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket: Socket = createConnection(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.once("data", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => resolve(false));
    socket.once("data", () => socket.destroy());
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const server = await RedisServer.start(...process.argv.slice(2));
  console.log(server.url);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit());
  setInterval(() => {}, 2 ** 30);
}
