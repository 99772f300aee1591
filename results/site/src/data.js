// The runs as the program embedded them, by columns: numbers as typed arrays (NaN: not there), words
// as codes into a dictionary. See results/leaderboard.cpp for the form.

const parsed = (id) => {
  const element = document.getElementById(id);
  return element ? JSON.parse(element.textContent) : null;
};

export const site = parsed('runs');
export const count = site.count;

const scales = site.scales;

export const numbers = {};
for (const [name, values] of Object.entries(site.numbers)) {
  const column = new Float64Array(count);
  const scale = scales[name] ?? 1;
  for (let i = 0; i < count; ++i) column[i] = values[i] === null ? NaN : values[i] / scale;
  numbers[name] = column;
}

// Each with its codes and, for sorting, the rank of every code among the words.
export const words = {};
for (const [name, {dictionary, codes}] of Object.entries(site.words)) {
  const order = dictionary.map((_, i) => i).sort((a, b) => dictionary[a] < dictionary[b] ? -1 : 1);
  const rank = new Uint32Array(dictionary.length);
  order.forEach((code, place) => { rank[code] = place; });
  words[name] = {dictionary, codes: Uint32Array.from(codes), rank};
}
site.numbers = site.words = null; // their text is large, and no longer needed

// Words that are not plain ASCII are isolated, so that their direction stays their own affair.
const isolate = (text) => /^[\x20-\x7e]*$/.test(text) ? text : `\u2068${text}\u2069`;
for (const column of Object.values(words)) column.shown = column.dictionary.map(isolate);

export const word = (name, row) => words[name].shown[words[name].codes[row]];

export const rowOf = new Map();
for (let i = 0; i < count; ++i) rowOf.set(numbers.id[i], i);

// top-1 as shipped, where the run was shipped, else simulated.
export const top1 = Float64Array.from(numbers.top1_shipped,
  (v, i) => Number.isNaN(v) ? numbers.top1_simulated[i] : v);

// A task is a model on a dataset.
export const tasks = [];
export const taskOf = new Uint32Array(count);
{
  const known = new Map();
  for (let i = 0; i < count; ++i) {
    const key = `${words.model.codes[i]}/${words.dataset.codes[i]}`;
    if (!known.has(key)) {
      known.set(key, tasks.length);
      tasks.push({name: `${word('model', i)} on ${word('dataset', i)}`, rows: 0});
    }
    taskOf[i] = known.get(key);
    ++tasks[taskOf[i]].rows;
  }
}

export const isOk = (row) => word('status', row) === 'ok';

// Everything else about one run, or null where the page does not have it.
export const details = (id) => parsed(`run-${id}`);
export const changes = parsed('changes') ?? [];
