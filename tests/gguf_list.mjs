// gguf_list.mjs FILE: as gguf_list.c, with the npm package @huggingface/gguf, which is looked for where node runs.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(pathToFileURL(process.cwd() + "/"));
const { gguf } = require("@huggingface/gguf");
const [STRING, ARRAY, F32, F64] = [8, 9, 6, 12];

function text(type, value) {
  if (type === STRING) return `'${value}'`;
  if (type === F32 || type === F64) {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat64(0, value);
    return view.getBigUint64(0).toString(16).padStart(16, "0");
  }
  return String(Number(value));
}

const found = await gguf(process.argv[2], { allowLocalFile: true, typedMetadata: true });
const lines = [];
for (const [name, { value, type, subType }] of Object.entries(found.typedMetadata)) {
  if (["version", "tensor_count", "kv_count"].includes(name)) continue;
  if (type === ARRAY) lines.push([`key ${name} ${type} of ${subType}: ${value.length}`, ...value.map((v) => text(subType, v))].join(" "));
  else lines.push(`key ${name} ${type} ${text(type, value)}`);
}
for (const t of found.tensorInfos)
  lines.push(`tensor ${t.name} ${t.dtype} ${t.shape.join(" ")} at ${found.tensorDataOffset + t.offset}`);
console.log(lines.join("\n"));
