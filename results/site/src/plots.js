// Accuracy against size, BOPs and latency, with the Pareto front of one comparability group.
import {count, isOk, numbers, site, taskOf, tasks, top1, word, words} from './data.js';
import {axis, clearCharts, color, logarithmic, makeChart, shapes} from './charts.js';
import {h, replace, select, table} from './dom.js';
import * as format from './format.js';
import {differences, groupOf, groups} from './groups.js';

const state = {task: null, group: null, latency: null};

const costs = [
  {key: 'size', title: 'Package size', unit: 'bytes', values: numbers.size_bytes, show: format.integer},
  {key: 'bops', title: 'Bit operations', unit: 'BOPs of one sample', values: numbers.bops, show: format.short},
  {key: 'latency', title: 'Latency', unit: 'ms', values: numbers.latency_ms, show: (v) => format.decimal(v, 3)},
];

// The rows that no other beats in both, by cost.
export function pareto(rows, cost) {
  const out = [];
  let best = -Infinity;
  for (const row of [...rows].sort((a, b) => cost[a] - cost[b] || top1[b] - top1[a])) {
    if (top1[row] <= best) continue;
    best = top1[row];
    out.push(row);
  }
  return out;
}

// Of the points that fall on one spot of the picture, one is drawn.
function thinned(rows, cost) {
  if (rows.length < 4000) return rows;
  let low = Infinity, high = -Infinity, bottom = Infinity, top = -Infinity;
  for (const row of rows) {
    low = Math.min(low, Math.log(cost[row]));
    high = Math.max(high, Math.log(cost[row]));
    bottom = Math.min(bottom, top1[row]);
    top = Math.max(top, top1[row]);
  }
  const seen = new Set();
  return rows.filter((row) => {
    const x = Math.round(300 * (Math.log(cost[row]) - low) / (high - low || 1));
    const y = Math.round(200 * (top1[row] - bottom) / (top - bottom || 1));
    const spot = (x * 201 + y) * 64 + words.method.codes[row] % 64;
    return !seen.has(spot) && seen.add(spot);
  });
}

const label = (row) => {
  const text = `${word('method', row)} ${word('settings', row)}`;
  return text.length > 90 ? `${text.slice(0, 90)}…` : text;
};

function chart(canvas, cost, rows, front, group) {
  const points = (list) => list.map((row) => ({x: cost.values[row], y: 100 * top1[row], row}));
  const like = rows.filter((row) => groupOf[row] === group);
  const unlike = rows.filter((row) => groupOf[row] !== group);
  const span = {low: Infinity, high: 0};
  for (const row of rows) {
    span.low = Math.min(span.low, cost.values[row]);
    span.high = Math.max(span.high, cost.values[row]);
  }
  const methods = [...new Set(rows.map((row) => words.method.codes[row]))].sort((a, b) => a - b);
  const datasets = [{
    label: `Pareto front of group ${group.name}`, data: points(front), type: 'line', showLine: true, pointRadius: 0,
    pointHitRadius: 0, borderColor: color(6), borderWidth: 2, borderDash: [5, 4], pointStyle: 'line',
  }];
  const series = (list, code, hollow) => ({
    label: words.method.shown[code].slice(0, 40) + (hollow ? ' (other groups)' : ''),
    data: points(thinned(list.filter((row) => words.method.codes[row] === code), cost.values)),
    pointStyle: shapes[methods.indexOf(code) % shapes.length], radius: hollow ? 3 : 5, hoverRadius: 8,
    backgroundColor: hollow ? 'transparent' : color(methods.indexOf(code)),
    borderColor: color(methods.indexOf(code)), borderWidth: 1.5,
  });
  for (const code of methods) datasets.push(series(like, code, false));
  for (const code of methods) datasets.push(series(unlike, code, true));
  makeChart(canvas, `Top-1 accuracy against ${cost.title.toLowerCase()}; the table below has the Pareto front`, {
    type: 'scatter',
    data: {datasets: datasets.filter((d) => d.data.length > 0)},
    options: {
      parsing: false,
      scales: {x: logarithmic(cost.unit, [span.low, span.high], format.short), y: axis('top-1, %')},
      interaction: {mode: 'nearest', intersect: true},
      onClick: (event, found) => {
        const point = found.map((f) => f.element.$context?.raw ?? f.raw)[0];
        if (point) location.hash = `#/run/${numbers.id[point.row]}`;
      },
      plugins: {
        legend: {position: 'bottom', labels: {usePointStyle: true, boxHeight: 7}},
        tooltip: {
          filter: (item) => item.dataset.type !== 'line',
          callbacks: {
            title: (items) => items.length ? `Run ${numbers.id[items[0].raw.row]}` : '',
            label: (item) => [label(item.raw.row),
              `top-1 ${format.percent(top1[item.raw.row])} %, ${cost.show(cost.values[item.raw.row])} ${cost.unit}`,
              `group ${groupOf[item.raw.row]?.name ?? '–'}${groupOf[item.raw.row] === group ? '' : ': not like for like'}`],
          },
        },
      },
    },
  });
}

function frontTable(cost, front) {
  return h('details', {}, h('summary', {}, `Pareto front: ${front.length} run(s)`),
    table(`Pareto front by ${cost.title.toLowerCase()}`, ['Run', 'Method and settings', 'Top-1 %', cost.unit],
      front.slice(0, 200).map((row) => [h('a', {href: `#/run/${numbers.id[row]}`}, String(numbers.id[row])), label(row),
        format.percent(top1[row]), cost.show(cost.values[row])])));
}

export function showPlots(main) {
  clearCharts();
  const ranked = tasks.map((task, i) => [i, task]).filter(([i]) => groups[i].length > 0)
    .sort((a, b) => b[1].rows - a[1].rows);
  if (ranked.length === 0) {
    replace(main, h('h1', {}, 'Plots'), h('p', {}, 'No run has a result to plot yet.'));
    return;
  }
  if (state.task === null) state.task = ranked[0][0];
  const group = groups[state.task].find((g) => g.name === state.group) ?? groups[state.task][0];
  const rows = [];
  for (let i = 0; i < count; ++i) if (taskOf[i] === state.task && isOk(i) && !Number.isNaN(top1[i])) rows.push(i);

  // Times of one kind only: others are no comparison.
  const kinds = new Map();
  for (const row of rows)
    if (numbers.latency_kind[row] >= 0) kinds.set(numbers.latency_kind[row], (kinds.get(numbers.latency_kind[row]) ?? 0) + 1);
  const kindList = [...kinds.entries()].sort((a, b) => b[1] - a[1]).map(([kind]) => kind);
  const latency = kindList.includes(state.latency) ? state.latency : kindList[0];

  const again = (key, convert) => (value) => {
    state[key] = convert(value);
    if (key === 'task') state.group = null;
    showPlots(main);
    document.getElementById(`s-${key}`)?.focus();
  };
  const controls = h('form', {class: 'filters', 'aria-label': 'What is plotted', onsubmit: (e) => e.preventDefault()},
    select('Task', ranked.map(([i, task]) => [i, task.name.slice(0, 80)]), state.task, again('task', Number)),
    select('Group', groups[state.task].map((g) => [g.name, `${g.name} (${g.rows.length} runs)`]), group.name, again('group', String)));
  if (kindList.length > 1)
    controls.append(select('Latency', kindList.map((k) => [k, site.latency_kinds[k].slice(0, 90)]), latency, again('latency', Number)));

  const figures = costs.map((cost) => {
    const fits = (row) => cost.values[row] > 0 && (cost.key !== 'latency' || numbers.latency_kind[row] === latency);
    const shown = rows.filter(fits);
    if (shown.length === 0) return h('figure', {}, h('h2', {}, `Accuracy and ${cost.title.toLowerCase()}`),
      h('p', {class: 'note'}, `No run of this task has a figure for ${cost.title.toLowerCase()}.`));
    const front = pareto(shown.filter((row) => groupOf[row] === group), cost.values);
    const canvas = h('canvas', {id: `plot-${cost.key}`});
    const figure = h('figure', {}, h('h2', {}, `Accuracy and ${cost.title.toLowerCase()}`),
      cost.key === 'latency' ? h('p', {class: 'note'}, site.latency_kinds[latency]) : '',
      h('div', {class: 'plot'}, canvas), frontTable(cost, front));
    queueMicrotask(() => chart(canvas, cost, shown, front, group));
    return figure;
  });
  const others = groups[state.task].filter((g) => g !== group);
  replace(main, h('h1', {}, 'Plots'), controls,
    h('p', {class: 'note'}, `Filled marks are of group ${group.name}, which is like for like; hollow ones differ from it` +
      (others.length ? ` (group ${others[0].name}: ${differences(group, others[0]).map(([what]) => what).join(', ')}). ` : '. ') +
      'A mark leads to its run.'), figures);
}
