// A preload, which writes the address of each module that is asked for to descriptor 3, one a line: ES modules, CommonJS
// modules and Node's own, whether they are in a cache already or not. A program writes its own lines between them.
import { writeSync } from "node:fs";
import Module, { register } from "node:module";
import { pathToFileURL } from "node:url";

const tell = (name) => writeSync(3, `${Module.isBuiltin(name) ? `node:${name.replace("node:", "")}` : name}\n`);

// These hooks see all imports, but no `require` of CommonJS modules. They run in a thread of their own, which has the
// descriptors of the process, and an import waits for them: so the lines are in order.
register(
  `data:text/javascript,${encodeURIComponent(`
    import { writeSync } from "node:fs";
    export async function resolve(name, context, next) {
      const resolved = await next(name, context);
      writeSync(3, resolved.url + "\\n");
      return resolved;
    }`)}`,
);

const { _load: load } = Module;
Module._load = function (name, parent, ...rest) {
  const path = Module._resolveFilename(name, parent);
  tell(Module.isBuiltin(path) ? path : pathToFileURL(path).href);
  return load.call(this, name, parent, ...rest);
};

const { getBuiltinModule } = process;
process.getBuiltinModule = (name) => {
  tell(name);
  return getBuiltinModule(name);
};
