// Loaded before the tests where TEST_SEED is set (see ava.config.js): a property that fails tells its seed, and runs with it again.
import fc from "fast-check";

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env.TEST_SEED) });
