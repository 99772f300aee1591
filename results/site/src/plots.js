// Accuracy against size, BOPs and latency: a mark a configuration with its deviation over seeds, and
// the staircase front of one comparability group.
import {numbers, site, tasks, word, words} from './data.js';
import {readAddress, writeQuery} from './address.js';
import {axis, clearCharts, color, logarithmic, makeChart, savePng, saveSvg, shapes} from './charts.js';
import {h, replace, select, table} from './dom.js';
import {differences, entries, groups, tellingSettings} from './entries.js';
import * as format from './format.js';

const defaults = {task: '', group: 'A', latency: '', others: 1, outliers: 1};
const state = {...defaults};

const costs = [
  {key: 'size', title: 'Package size', unit: 'bytes', value: (e) => e.size, show: (v) => format.integer(Math.round(v))},
  {key: 'bops', title: 'Bit operations', unit: 'BOPs of one sample', value: (e) => e.bops, show: format.short},
  {key: 'latency', title: 'Latency', unit: 'ms', value: (e) => e.latency.ms, show: (v) => format.decimal(v, 3)},
];

// The entries that no other beats in both, by cost.
export function pareto(some, value) {
  const out = [];
  let best = -Infinity;
  for (const entry of [...some].sort((a, b) => value(a) - value(b) || b.mean - a.mean)) {
    if (entry.mean <= best) continue;
    best = entry.mean;
    out.push(entry);
  }
  return out;
}

// Far below all others (three interquartile ranges under the first quartile): what failed to train
// would otherwise press everything else into one line.
function outliers(some) {
  const sorted = some.map((e) => e.mean).sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  const low = at(0.25) - 3 * (at(0.75) - at(0.25));
  return new Set(sorted.length < 4 ? [] : some.filter((e) => e.mean < low));
}

// Of the marks that fall on one spot of the picture, one is drawn.
function thinned(some, value) {
  if (some.length < 3000) return some;
  const xs = some.map((e) => Math.log(value(e))), ys = some.map((e) => e.mean);
  const bounds = (list) => list.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  const [low, high] = bounds(xs), [bottom, top] = bounds(ys);
  const seen = new Set();
  return some.filter((e, i) => {
    const x = Math.round(300 * (xs[i] - low) / (high - low || 1)), y = Math.round(200 * (ys[i] - bottom) / (top - bottom || 1));
    const spot = (x * 201 + y) * 64 + e.method % 64;
    return !seen.has(spot) && seen.add(spot);
  });
}

const clipped = (text, most) => text.length > most ? `${text.slice(0, most)}…` : text;

// `methods` are those of the whole task, so that each keeps its colour and shape from plot to plot.
function chart(canvas, cost, some, front, group, settings, methods) {
  const point = (e) => ({x: cost.value(e), y: 100 * e.mean, low: 100 * (e.mean - (e.std || 0)), high: 100 * (e.mean + (e.std || 0)), entry: e});
  const xs = some.map(cost.value);
  const span = [xs.reduce((a, b) => Math.min(a, b), Infinity), xs.reduce((a, b) => Math.max(a, b), 0)];
  const stairs = front.map(point);
  if (stairs.length) stairs.push({...stairs.at(-1), x: span[1]});
  const datasets = [{
    label: `Pareto front of group ${group.name}`, data: stairs, type: 'line', showLine: true, stepped: 'before', pointRadius: 0,
    pointHitRadius: 0, borderColor: color(6), borderWidth: 2, borderDash: [5, 4], pointStyle: 'line', segment: {}, // without: drawn as a Path2D, which no SVG takes
  }];
  for (const hollow of [false, true]) for (const code of methods) {
    const own = thinned(some.filter((e) => e.method === code && (e.group !== group) === hollow), cost.value);
    if (own.length === 0) continue;
    const place = methods.indexOf(code);
    datasets.push({
      label: clipped(words.method.shown[code], 40) + (hollow ? ' (other groups)' : ''), data: own.map(point), errors: !hollow,
      labels: hollow ? [] : own.map((e) => front.includes(e) ? clipped(`${words.method.shown[code]} ${format.decimal(e.bits, 1)} b`, 26) : ''),
      backgroundColor: hollow ? 'transparent' : color(place), borderColor: color(place), borderWidth: hollow ? 1.2 : 1,
      pointStyle: shapes[place % shapes.length], radius: hollow ? 4 : 6, hoverRadius: 8,
    });
  }
  return makeChart(canvas, `Top-1 accuracy against ${cost.title.toLowerCase()}; the table below has the Pareto front`, {
    type: 'scatter',
    data: {datasets},
    options: {
      parsing: false,
      zoomable: true,
      scales: {x: logarithmic(cost.unit, span, format.short), y: axis('top-1, %')},
      interaction: {mode: 'nearest', intersect: true},
      onClick: (event, found) => {
        const raw = found.map((f) => f.element.$context?.raw ?? f.raw)[0];
        if (raw) location.hash = `#/run/${numbers.id[raw.entry.row]}`;
      },
      plugins: {
        legend: {position: 'bottom', labels: {usePointStyle: true, boxHeight: 7}},
        tooltip: {
          filter: (item) => item.dataset.type !== 'line',
          callbacks: {
            title: (items) => items.length ? clipped(words.method.shown[items[0].raw.entry.method], 80) : '',
            label: (item) => {
              const {entry} = item.raw;
              return [clipped(settings.get(entry) || word('settings', entry.row), 90),
                `top-1 ${format.percent(entry.mean)}${entry.n > 1 ? ` ± ${format.percent(entry.std)}` : ''} %, n = ${entry.n}`,
                `${cost.show(cost.value(entry))} ${cost.unit}`,
                `group ${entry.group.name}${entry.group === group ? '' : ': not like for like'}`];
            },
          },
        },
      },
    },
  });
}

function frontTable(cost, front, settings) {
  return h('details', {}, h('summary', {}, `Pareto front: ${front.length} configuration(s)`),
    table(`Pareto front by ${cost.title.toLowerCase()}`, ['Method', 'Settings', 'Top-1 %', 'n', cost.unit],
      front.slice(0, 200).map((e) => [h('a', {href: `#/run/${numbers.id[e.row]}`}, clipped(words.method.shown[e.method], 80)),
        clipped(settings.get(e) || '–', 120), `${format.percent(e.mean)}${e.n > 1 ? ` ± ${format.percent(e.std)}` : ''}`, String(e.n),
        cost.show(cost.value(e))])));
}

export function showPlots(main) {
  clearCharts();
  const ranked = tasks.map((task, i) => [i, task]).filter(([i]) => groups[i].length > 0)
    .sort((a, b) => b[1].rows - a[1].rows);
  if (ranked.length === 0) {
    replace(main, h('h1', {}, 'Plots'), h('p', {}, 'No run has a result to plot yet.'));
    return;
  }
  const {query} = readAddress();
  for (const key of Object.keys(defaults)) state[key] = query.get(key) ?? defaults[key];
  const task = ranked.some(([i]) => String(i) === state.task) ? Number(state.task) : ranked[0][0];
  const group = groups[task].find((g) => g.name === state.group) ?? groups[task][0];
  const all = entries.filter((e) => e.task === task && (Number(state.others) || e.group === group));
  const far = outliers(all);
  const some = Number(state.outliers) ? all : all.filter((e) => !far.has(e));
  const settings = tellingSettings(all);
  const methods = [...new Set(all.map((e) => e.method))].sort((a, b) => a - b);

  // Times of one kind only: others are no comparison.
  const kinds = new Map();
  for (const e of some) if (e.latency.kind >= 0) kinds.set(e.latency.kind, (kinds.get(e.latency.kind) ?? 0) + 1);
  const kindList = [...kinds.entries()].sort((a, b) => b[1] - a[1]).map(([kind]) => kind);
  const latency = kindList.includes(Number(state.latency)) && state.latency !== '' ? Number(state.latency) : kindList[0];

  const again = (key) => (value) => {
    state[key] = value;
    if (key === 'task') state.group = 'A';
    writeQuery(state, defaults);
    showPlots(main);
    document.getElementById(`s-${key}`)?.focus();
  };
  const box = (key, label, disabled = false) => h('label', {class: 'check'}, h('input', {type: 'checkbox', id: `s-${key}`, disabled,
    checked: Boolean(Number(state[key])), onchange: (e) => again(key)(e.target.checked ? 1 : 0)}), ` ${label}`);
  const controls = h('form', {class: 'filters', 'aria-label': 'What is plotted', onsubmit: (e) => e.preventDefault()},
    select('Task', ranked.map(([i, t]) => [i, t.name.slice(0, 80)]), task, again('task')),
    select('Group', groups[task].map((g) => [g.name, `${g.name} (${g.entries.length})`]), group.name, again('group')),
    box('others', 'other groups', groups[task].length < 2),
    box('outliers', `outliers (${far.size})`, far.size === 0));
  if (kindList.length > 1)
    controls.append(select('Latency', kindList.map((k) => [k, site.latency_kinds[k].slice(0, 90)]), latency, again('latency')));

  const figures = costs.map((cost) => {
    const shown = some.filter((e) => cost.value(e) > 0 && (cost.key !== 'latency' || e.latency.kind === latency));
    const title = h('h2', {}, `Accuracy and ${cost.title.toLowerCase()}`);
    if (shown.length === 0) return h('figure', {}, title, h('p', {class: 'note'}, `No run of this task has a figure for ${cost.title.toLowerCase()}.`));
    const front = pareto(shown.filter((e) => e.group === group), cost.value);
    const canvas = h('canvas', {id: `plot-${cost.key}`});
    let made = null;
    queueMicrotask(() => { made = chart(canvas, cost, shown, front, group, settings, methods); });
    const name = `accuracy-${cost.key}`;
    return h('figure', {}, title,
      cost.key === 'latency' ? h('p', {class: 'note'}, site.latency_kinds[latency]) : '',
      h('div', {class: 'plot'}, canvas),
      h('div', {class: 'buttons'},
        h('button', {type: 'button', onclick: () => made.resetZoom()}, 'Whole plot'),
        h('button', {type: 'button', onclick: () => savePng(made, `${name}.png`)}, 'PNG'),
        h('button', {type: 'button', onclick: () => saveSvg(made, `${name}.svg`)}, 'SVG')),
      frontTable(cost, front, settings));
  });
  const others = groups[task].filter((g) => g !== group);
  replace(main, h('h1', {}, 'Plots'), controls,
    h('p', {class: 'note'}, `A mark is a configuration, its bar the deviation over seeds. Filled marks are of group ${group.name}, which is like for like; hollow ones differ from it` +
      (others.length ? ` (group ${others[0].name}: ${differences(group, others[0]).map(([what]) => what).join(', ')}). ` : '. ') +
      'A mark leads to its run; dragging over a plot enlarges that part.'), figures);
}
