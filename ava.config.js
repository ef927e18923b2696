// `npm run test:long` runs what needs size or time, and *.property and *.sized with more of it (see tests/size.ts).
const long = process.env.npm_lifecycle_event === "test:long";

export default {
  files: long
    ? ["tests/long/**/*.test.ts", "tests/**/*.{property,sized}.test.ts"]
    : ["tests/**/*.test.ts", "!tests/long/**"],
  extensions: { ts: "module" },
  nodeArguments: ["--import=tsx"],
  require: [
    ...(process.env.TEST_SEED ? ["./tests/seed.fast-check.ts"] : []), // what properties draw; the rest asks tests/seed.ts
    ...(process.env.NODE_V8_COVERAGE ? ["./tests/coverage.ts"] : []),
  ],
  workerThreads: false, // in them --import has no effect
  concurrency: 2,
  timeout: long ? "10m" : "60s",
};
