export default {
  files: ["tests/**/*.test.ts"],
  extensions: { ts: "module" },
  nodeArguments: ["--import=tsx"],
  workerThreads: false, // in them --import has no effect
  concurrency: 2,
  timeout: "60s",
};
