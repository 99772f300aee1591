// Night after night: what got worse or better since the run before, and one configuration over time.
import {changes, count, isOk, numbers, top1, word} from './data.js';
import {readAddress, writeQuery} from './address.js';
import {axis, clearCharts, color, makeChart} from './charts.js';
import {h, replace, select, table} from './dom.js';
import * as format from './format.js';

const state = {configuration: null};
const most = 300; // configurations to choose from

// Configurations in which a seed ran more than once, those with changes first.
function repeated() {
  const seen = new Map(); // configuration -> {seeds, rows, repeats}
  for (let i = 0; i < count; ++i) {
    const key = numbers.configuration[i];
    if (!seen.has(key)) seen.set(key, {rows: [], seeds: new Set(), repeats: 0});
    const entry = seen.get(key);
    if (entry.seeds.has(numbers.seed[i])) ++entry.repeats;
    entry.seeds.add(numbers.seed[i]);
    entry.rows.push(i);
  }
  const touched = new Set(changes.filter((c) => c.kind === 'regressed').map((c) => c.configuration));
  return [...seen.entries()].filter(([, e]) => e.repeats > 0)
    .sort((a, b) => touched.has(b[0]) - touched.has(a[0]) || b[1].repeats - a[1].repeats).slice(0, most);
}

const measures = [
  {key: 'top1', title: 'Top-1', unit: 'top-1, %', value: (row) => 100 * top1[row], show: (v) => `${v.toFixed(2)} %`},
  {key: 'size', title: 'Package size', unit: 'bytes', value: (row) => numbers.size_bytes[row], show: format.integer},
  {key: 'latency', title: 'Latency', unit: 'ms', value: (row) => numbers.latency_ms[row], show: (v) => `${format.decimal(v, 3)} ms`},
];

// The axis of dates: whole days, few enough for the width. Its ends are given, since a lone date
// would be surrounded by years.
function dates(rows) {
  const days = rows.map((row) => numbers.started[row] / 86400).filter(Number.isFinite);
  const ends = days.reduce(([a, b], day) => [Math.min(a, day), Math.max(b, day)], [Infinity, -Infinity]);
  const [first, last] = days.length ? [Math.floor(ends[0]), Math.floor(ends[1]) + 1] : [0, 1];
  return {
    type: 'linear', min: 86400 * first, max: 86400 * last,
    ticks: {maxRotation: 0, autoSkipPadding: 16, stepSize: 86400 * Math.ceil((last - first) / 12), callback: (v) => format.day(v)},
  };
}

// One measure over real dates.
function plot(canvas, measure, rows, regressed) {
  const seeds = [...new Set(rows.map((row) => numbers.seed[row]))].sort((a, b) => a - b).slice(0, 8);
  makeChart(canvas, `${measure.title} over time; the table below has the figures`, {
    type: 'scatter',
    data: {datasets: seeds.map((seed, i) => {
      const own = rows.filter((row) => numbers.seed[row] === seed && isOk(row) && !Number.isNaN(measure.value(row)))
        .sort((a, b) => numbers.started[a] - numbers.started[b]);
      const marked = (row) => measure.key === 'top1' && regressed.has(numbers.id[row]);
      return {
        label: `seed ${seed}`, showLine: true, borderColor: color(i), borderWidth: 1.5,
        data: own.map((row) => ({x: numbers.started[row], y: measure.value(row), row})),
        backgroundColor: own.map((row) => marked(row) ? '#d00000' : color(i)),
        pointStyle: own.map((row) => marked(row) ? 'triangle' : 'circle'),
        radius: own.map((row) => marked(row) ? 9 : 4),
      };
    })},
    options: {
      parsing: false,
      scales: {x: dates(rows), y: axis(measure.unit)},
      plugins: {
        legend: {position: 'bottom'},
        tooltip: {callbacks: {
          title: (items) => items.length ? `Run ${numbers.id[items[0].raw.row]}` : '',
          label: (item) => `${format.time(numbers.started[item.raw.row])}: ${measure.show(item.raw.y)}` +
            (regressed.has(numbers.id[item.raw.row]) ? ', regressed' : ''),
        }},
      },
      onClick: (event, found, chart) => {
        const point = found.length ? chart.data.datasets[found[0].datasetIndex].data[found[0].index] : null;
        if (point) location.hash = `#/run/${numbers.id[point.row]}`;
      },
    },
  });
}

function changeList(kind, title) {
  const own = changes.filter((c) => c.kind === kind);
  if (own.length === 0) return '';
  const run = (id) => id ? h('a', {href: `#/run/${id}`}, String(id)) : '–';
  return [h('h2', {}, `${title}: ${own.length}`),
    table(title, ['Run', 'Before', 'What', 'How'], own.slice(0, 200).map((c) =>
      [run(c.run), run(c.before), c.what.slice(0, 300), c.sentence]), {class: kind})];
}

export function showHistory(main) {
  clearCharts();
  const told = readAddress().query.get('configuration');
  if (told !== null) state.configuration = Number(told);
  const choices = repeated();
  const parts = [h('h1', {}, 'History')];
  const worse = changes.filter((c) => c.kind === 'regressed');
  parts.push(h('p', {class: worse.length ? 'warning' : 'note', role: 'status'}, worse.length
    ? `▲ ${worse.length} regression(s) against the run before of the same recipe, seed, data and machine.`
    : 'Nothing regressed against the run before of the same recipe, seed, data and machine.'));
  parts.push(...[changeList('regressed', 'Regressed'), changeList('improved', 'Improved')].flat());
  if (choices.length === 0) {
    parts.push(h('p', {class: 'note'}, 'No recipe and seed ran more than once yet, so there is no history to draw.'));
    replace(main, parts);
    return;
  }
  const chosen = choices.find(([key]) => key === state.configuration) ?? choices[0];
  const rows = chosen[1].rows;
  const regressed = new Set(worse.map((c) => c.run));
  const drawn = measures.filter((measure) => rows.some((row) => isOk(row) && !Number.isNaN(measure.value(row))));
  const canvases = drawn.map((measure) => h('canvas', {id: measure.key === 'top1' ? 'plot-history' : `plot-history-${measure.key}`}));
  const name = ([, entry]) => `${word('method', entry.rows[0])} ${word('model', entry.rows[0])}/` +
    `${word('dataset', entry.rows[0])} ${word('settings', entry.rows[0])}`.slice(0, 110);
  parts.push(h('h2', {}, 'One configuration over time'),
    h('form', {class: 'filters', onsubmit: (e) => e.preventDefault()},
      select('Configuration', choices.map((c) => [c[0], name(c).slice(0, 160)]), chosen[0], (value) => {
        state.configuration = Number(value);
        writeQuery(state, {configuration: null});
        showHistory(main);
        document.getElementById('s-configuration')?.focus();
      })),
    drawn.map((measure, i) => h('figure', {}, h('h3', {}, measure.title), h('div', {class: 'plot low'}, canvases[i]))),
    h('details', {}, h('summary', {}, `${rows.length} runs`), table('Runs over time', ['Run', 'Seed', 'Started', 'Status', 'Top-1 %', 'Bytes'],
      rows.slice(-500).map((row) => [h('a', {href: `#/run/${numbers.id[row]}`}, String(numbers.id[row])), String(numbers.seed[row]),
        format.time(numbers.started[row]), word('status', row), format.percent(top1[row]), format.integer(numbers.size_bytes[row])]))));
  queueMicrotask(() => drawn.forEach((measure, i) => plot(canvases[i], measure, rows, regressed)));
  replace(main, parts);
}
