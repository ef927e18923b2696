import type { WorkOptions } from "../events.js";

/**
 * Does long work, with a bar on stderr where that is a terminal.
 * @param isQuiet no bar at all
 */
export async function withBar<T>(
  title: string,
  isQuiet: boolean,
  work: (options: WorkOptions) => Promise<T>,
  stream: NodeJS.WriteStream = process.stderr,
): Promise<T> {
  if (isQuiet || !stream.isTTY || process.env.TERM === "dumb") return work({});
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: `${title} {bar} {percentage}% {value}/{total}`,
    barCompleteChar: "#",
    barIncompleteChar: "-",
    barsize: 30,
    stream,
    clearOnComplete: true,
    // Nothing of the terminal is changed that an interrupt would leave behind.
    linewrap: true,
    hideCursor: false,
    gracefulExit: false,
  });
  let isStarted = false;
  try {
    return await work({
      onProgress({ done, total }) {
        if (!isStarted) bar.start(total, done);
        isStarted = true;
        bar.setTotal(total);
        bar.update(done);
      },
    });
  } finally {
    bar.stop();
  }
}
