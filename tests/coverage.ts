// Loaded before the tests where their coverage is measured (see ava.config.js): of this process, and of none that it starts.
// Those run what was built, mostly, and some as a user who may not write what they measure.
delete process.env.NODE_V8_COVERAGE;
