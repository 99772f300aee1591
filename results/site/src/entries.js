// Configurations as the board ranks them: the runs of one recipe but for its seed, of one version of
// its method and one contract, pooled over seeds. Of a seed that ran again, the newest run counts.
import {count, isOk, numbers, site, taskOf, tasks, top1, word, words} from './data.js';

const letters = (index) => index < 26 ? String.fromCharCode(65 + index)
  : letters(Math.floor(index / 26) - 1) + String.fromCharCode(65 + index % 26);

const mean = (rows, column) => {
  let sum = 0, n = 0;
  for (const row of rows) if (!Number.isNaN(column[row])) { sum += column[row]; ++n; }
  return n ? sum / n : NaN;
};
const deviation = (rows, column, center) => {
  if (rows.length < 2) return NaN;
  let sum = 0;
  for (const row of rows) sum += (column[row] - center) ** 2;
  return Math.sqrt(sum / (rows.length - 1));
};

// The budget of mean weight bits that a configuration keeps: whole bits, 32 from 16 on.
export const budgetOf = (bits) => Number.isNaN(bits) ? NaN : bits >= 16 ? 32 : Math.max(1, Math.floor(bits + 1e-9));

// Pooled entries of every task, and the entry of each run that counts.
export const entries = [];
export const entryOf = new Array(count).fill(null);
{
  const known = new Map();
  for (let i = 0; i < count; ++i) {
    if (!isOk(i) || Number.isNaN(top1[i])) continue;
    const key = `${numbers.configuration[i]}/${numbers.version[i]}/${numbers.contract[i]}`;
    let entry = known.get(key);
    if (!entry) {
      entry = {task: taskOf[i], contract: numbers.contract[i], all: [], seeds: new Map()};
      known.set(key, entry);
      entries.push(entry);
    }
    entry.all.push(i);
    entryOf[i] = entry;
    const before = entry.seeds.get(numbers.seed[i]);
    const newer = before === undefined || numbers.started[i] > numbers.started[before] ||
      (numbers.started[i] === numbers.started[before] && numbers.id[i] > numbers.id[before]);
    if (newer) entry.seeds.set(numbers.seed[i], i);
  }
}
// A latency of one kind, the package's where there is one.
function latencyOf(rows) {
  const kinds = new Map();
  for (const row of rows) if (numbers.latency_kind[row] >= 0) {
    const kind = numbers.latency_kind[row];
    if (!kinds.has(kind)) kinds.set(kind, []);
    kinds.get(kind).push(row);
  }
  const best = [...kinds.entries()].sort((a, b) => b[1].length - a[1].length)[0];
  if (!best) return {kind: -1, ms: NaN, speed: NaN};
  const ms = mean(best[1], numbers.latency_ms), fp32 = mean(best[1], numbers.latency_fp32_ms);
  return {kind: best[0], ms, speed: fp32 / ms};
}
entries.forEach((entry, index) => {
  const rows = [...entry.seeds.values()].sort((a, b) => numbers.seed[a] - numbers.seed[b]);
  const row = rows[0];
  Object.assign(entry, {
    index, rows, row, n: rows.length, method: words.method.codes[row], mean: mean(rows, top1),
    fp32: mean(rows, numbers.top1_fp32), size: mean(rows, numbers.size_bytes), bits: mean(rows, numbers.weight_bits),
    activations: mean(rows, numbers.activation_bits), bops: mean(rows, numbers.bops), latency: latencyOf(rows),
    newest: Math.max(...rows.map((r) => numbers.started[r])), group: null, rank: NaN, tied: false,
    published: site.published?.[numbers.configuration[row]] ?? null,
  });
  entry.std = deviation(rows, top1, entry.mean);
  entry.budget = budgetOf(entry.bits);
});

// How many times smaller than the FP32 package of its task; without one, than 32 bits a weight.
const float = tasks.map(() => []);
for (const entry of entries) if (entry.budget === 32) float[entry.task].push(entry.size);
for (const entry of entries) {
  const known = float[entry.task].filter((v) => v > 0);
  entry.compression = known.length ? Math.max(...known) / entry.size : 32 / entry.bits;
}

// Comparability groups: entries of one task and contract, lettered by size.
export const groups = tasks.map(() => []);
{
  const byTask = tasks.map(() => new Map());
  for (const entry of entries) {
    const known = byTask[entry.task];
    if (!known.has(entry.contract)) known.set(entry.contract, []);
    known.get(entry.contract).push(entry);
  }
  byTask.forEach((known, task) => {
    [...known.entries()].sort((a, b) => b[1].length - a[1].length || a[0] - b[0]).forEach(([contract, own], index) => {
      const group = {contract: site.contracts[contract], name: letters(index), entries: own, task};
      for (const entry of own) entry.group = group;
      groups[task].push(group);
    });
  });
}

// Two-sided exact sign-flip test of paired seeds, as `quantbench compare` has it; 1 without pairs.
export function signFlip(a, b) {
  const differences = [];
  for (const [seed, row] of a.seeds) if (b.seeds.has(seed)) differences.push(top1[row] - top1[b.seeds.get(seed)]);
  const n = Math.min(differences.length, 16);
  if (n === 0) return 1;
  let observed = 0;
  for (let i = 0; i < n; ++i) observed += differences[i];
  observed = Math.abs(observed) - 1e-12;
  let least = 0;
  for (let flips = 0; flips < 2 ** n; ++flips) {
    let sum = 0;
    for (let i = 0; i < n; ++i) sum += flips >> i & 1 ? -differences[i] : differences[i];
    if (Math.abs(sum) >= observed) ++least;
  }
  return least / 2 ** n;
}

// Places by mean top-1 within a group and bit budget; who is not shown to be worse than the first
// (p above 0.05) is tied with it.
for (const task of groups) for (const group of task) {
  const budgets = new Map();
  for (const entry of group.entries) {
    if (!budgets.has(entry.budget)) budgets.set(entry.budget, []);
    budgets.get(entry.budget).push(entry);
  }
  for (const own of budgets.values()) {
    own.sort((a, b) => b.mean - a.mean);
    own.forEach((entry, place) => {
      entry.rank = place > 0 && entry.mean === own[place - 1].mean ? own[place - 1].rank : place + 1;
      entry.rivals = own.length;
    });
    // Tests are many: those behind the first fifty cannot be tied with it in any way that matters.
    for (const entry of own.slice(1, 50)) entry.tied = signFlip(own[0], entry) > 0.05;
    if (own.slice(1, 50).some((e) => e.tied)) own[0].tied = true;
  }
}

const titles = {
  baseline: 'FP32 baseline',
  fp32: 'FP32 accuracy',
  float_layers: 'layers in float',
  eight_bit_layers: 'layers kept at 8 bit',
  activation_bits: 'activation bits',
  calibration: 'calibration',
  preprocessing: 'preprocessing',
  budget: 'training budget',
  data: 'data',
  samples: 'test samples',
};

// [what, of a, of b] for everything that two groups differ in.
export function differences(a, b) {
  return Object.entries(titles)
    .filter(([key]) => a.contract[key] !== b.contract[key])
    .map(([key, title]) => [title, String(a.contract[key] ?? ''), String(b.contract[key] ?? '')]);
}

export const contractPairs = (group) =>
  Object.entries(titles).filter(([key]) => group.contract[key] !== '').map(([key, title]) => [title, String(group.contract[key] ?? '')]);

// The settings of each of `some` that do not go without saying: those in which entries of one method
// differ, all where a method has one entry only.
export function tellingSettings(some) {
  const byMethod = new Map();
  for (const entry of some) {
    if (!byMethod.has(entry.method)) byMethod.set(entry.method, []);
    byMethod.get(entry.method).push(entry);
  }
  const out = new Map();
  for (const own of byMethod.values()) {
    const maps = own.map((entry) => new Map(word('settings', entry.row).replace(/[\u2068\u2069]/g, '').split(' ').filter(Boolean)
      .map((pair) => [pair.split('=')[0], pair])));
    const values = new Map(); // key -> its different spellings
    for (const map of maps) for (const [key, pair] of map) {
      if (!values.has(key)) values.set(key, new Set());
      values.get(key).add(pair);
    }
    const telling = [...values.keys()].filter((key) => own.length === 1 || values.get(key).size > 1 || maps.some((m) => !m.has(key)));
    own.forEach((entry, i) => out.set(entry, telling.map((key) => maps[i].get(key)).filter(Boolean).join(' ')));
  }
  return out;
}
