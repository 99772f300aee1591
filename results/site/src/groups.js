// Who may be ranked with whom: runs of one task that keep one comparability contract are a group.
// Groups are lettered by size within their task; a rank is a place within a group.
import {count, isOk, numbers, site, taskOf, tasks, top1} from './data.js';

const letters = (index) => index < 26 ? String.fromCharCode(65 + index)
  : letters(Math.floor(index / 26) - 1) + String.fromCharCode(65 + index % 26);

export const groups = tasks.map(() => []); // of each task: {contract, name, rows}
export const groupOf = new Array(count).fill(null);
export const rank = new Float64Array(count).fill(NaN);

const byTask = tasks.map(() => new Map());
for (let i = 0; i < count; ++i) {
  if (!isOk(i) || Number.isNaN(top1[i])) continue;
  const contract = numbers.contract[i];
  const known = byTask[taskOf[i]];
  if (!known.has(contract)) known.set(contract, []);
  known.get(contract).push(i);
}
byTask.forEach((known, task) => {
  const sorted = [...known.entries()].sort((a, b) => b[1].length - a[1].length || a[0] - b[0]);
  sorted.forEach(([contract, rows], index) => {
    const group = {contract: site.contracts[contract], name: letters(index), rows, task};
    groups[task].push(group);
    rows.sort((a, b) => top1[b] - top1[a]);
    rows.forEach((row, place) => {
      groupOf[row] = group;
      rank[row] = place > 0 && top1[row] === top1[rows[place - 1]] ? rank[rows[place - 1]] : place + 1;
    });
  });
});

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
