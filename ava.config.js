export default {
  files: ["tests/**/*.test.ts"],
  extensions: { ts: "module" },
  nodeArguments: ["--import=tsx"],
  concurrency: 2,
  timeout: "60s",
};
