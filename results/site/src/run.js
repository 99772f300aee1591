// One run: what it was, how to get it again, where it came from, its layers and its curves.
import {details, numbers, rowOf, site, top1, word, words} from './data.js';
import {axis, clearCharts, color, makeChart} from './charts.js';
import {facts, h, replace, table} from './dom.js';
import * as format from './format.js';
import {copyable} from './download.js';
import {contractPairs, entryOf} from './entries.js';

function layers(sites) {
  const weights = sites.filter((s) => s.kind === 'weight');
  const others = sites.filter((s) => s.kind !== 'weight');
  const part = (id, title, list, hue) => {
    if (list.length === 0) return '';
    const canvas = h('canvas', {id});
    const names = list.map((s) => s.name.slice(0, 60));
    queueMicrotask(() => makeChart(canvas, `${title}; the table below has the figures`, {
      type: 'bar',
      data: {labels: names, datasets: [{label: 'bits', data: list.map((s) => s.bits), backgroundColor: color(hue)}]},
      options: {
        scales: {x: {ticks: {maxRotation: 70, autoSkip: true}}, y: axis('bits', {beginAtZero: true})},
        plugins: {
          legend: {display: false},
          tooltip: {callbacks: {afterLabel: (item) => {
            const s = list[item.dataIndex];
            return `${format.integer(s.elements)} elements, ${s.encoding}`;
          }}},
        },
      },
    }));
    return h('figure', {}, h('h3', {}, title), h('div', {class: 'plot low'}, canvas));
  };
  return [
    h('h2', {}, 'Bits of each layer'),
    part('bits-weights', 'Weights', weights, 0),
    part('bits-activations', 'Activations', others, 1),
    h('details', {}, h('summary', {}, `All ${sites.length} sites`),
      table('Quantization sites', ['Site', 'Kind', 'Bits', 'Elements', 'MACs', 'Levels', 'Encoding'],
        sites.map((s) => [s.name, s.kind, format.decimal(s.bits), format.integer(s.elements), format.integer(s.macs),
          format.integer(s.levels), s.encoding]))),
  ];
}

function curves(epochs) {
  const labels = epochs.map((e) => `${e.stage} ${e.epoch}`);
  const plot = (id, title, unit, series) => {
    const canvas = h('canvas', {id});
    queueMicrotask(() => makeChart(canvas, `${title} by epoch; the table below has the figures`, {
      type: 'line',
      data: {labels, datasets: series.map(([name, key, factor], i) => ({
        label: name, data: epochs.map((e) => e[key] === null ? null : factor * e[key]), borderColor: color(i),
        backgroundColor: color(i), borderDash: i ? [6, 3] : [], pointRadius: epochs.length > 40 ? 0 : 3, borderWidth: 2,
      }))},
      options: {
        interaction: {mode: 'index', intersect: false},
        scales: {x: {ticks: {autoSkip: true, maxRotation: 60}}, y: axis(unit)},
        plugins: {legend: {position: 'bottom'}},
      },
    }));
    return h('figure', {}, h('h3', {}, title), h('div', {class: 'plot low'}, canvas));
  };
  return [
    h('h2', {}, 'Training'),
    plot('curve-accuracy', 'Accuracy', 'top-1, %', [['training', 'train_top1', 100], ['validation', 'validation_top1', 100]]),
    plot('curve-loss', 'Loss', 'cross-entropy', [['training', 'train_loss', 1], ['validation', 'validation_loss', 1]]),
    h('details', {}, h('summary', {}, `All ${epochs.length} epochs`),
      table('Epochs', ['Stage', 'Epoch', 'Train loss', 'Train top-1 %', 'Val. loss', 'Val. top-1 %', 'Rate', 's'],
        epochs.map((e) => [e.stage, String(e.epoch), format.decimal(e.train_loss, 4), format.percent(e.train_top1),
          format.decimal(e.validation_loss, 4), format.percent(e.validation_top1), String(e.learning_rate ?? ''),
          format.decimal(e.seconds, 1)]))),
  ];
}

function summary(row) {
  const entry = entryOf[row];
  return facts([
    ['Status', word('status', row)],
    ['Top-1, shipped', `${format.percent(numbers.top1_shipped[row])} %`],
    ['Top-1, simulated', `${format.percent(numbers.top1_simulated[row])} %`],
    ['Top-1, FP32', `${format.percent(numbers.top1_fp32[row])} %`],
    ['Package', `${format.integer(numbers.size_bytes[row])} bytes`],
    ['Mean bits', `weights ${format.decimal(numbers.weight_bits[row])}, activations ${format.decimal(numbers.activation_bits[row])}`],
    ['BOPs', format.short(numbers.bops[row])],
    ['Latency', numbers.latency_kind[row] >= 0
      ? `${format.decimal(numbers.latency_ms[row], 3)} ms: ${site.latency_kinds[numbers.latency_kind[row]]}` : ''],
    ['Place', entry ? `${entry.rank} of ${entry.rivals} configuration(s) of ${entry.budget} bit in group ${entry.group.name}` +
      `${entry.n > 1 ? `; ${format.percent(entry.mean)} ± ${format.percent(entry.std)} % over ${entry.n} seeds` : ''}` : 'not ranked'],
    ['Started', `${format.time(numbers.started[row])} UTC`],
  ]);
}

// Other runs of the same configuration, by seed and time.
function siblings(row) {
  const codes = numbers.configuration;
  const same = [];
  for (let i = 0; i < codes.length && same.length < 200; ++i) if (codes[i] === codes[row] && i !== row) same.push(i);
  if (same.length === 0) return '';
  return h('details', {}, h('summary', {}, `${same.length} other run(s) of this configuration`),
    table('Runs of this configuration', ['Run', 'Seed', 'Started', 'Status', 'Top-1 %'],
      same.map((i) => [h('a', {href: `#/run/${numbers.id[i]}`}, String(numbers.id[i])), String(numbers.seed[i]),
        format.time(numbers.started[i]), word('status', i), format.percent(top1[i])])));
}

function origin(d) {
  const p = d.provenance;
  return [
    h('h2', {}, 'Where it comes from'),
    facts([
      ['Source', `${p.source_revision}${p.source_dirty ? ' (changed)' : ''}`],
      ['Compiler', `${p.compiler}, ${p.build_type}, ${p.compiler_flags}`],
      ['Libraries', Object.entries(p.libraries).map(([k, v]) => `${k} ${v}`).join(', ')],
      ['Machine', `${p.cpu}, ${p.isa}, ${p.threads} thread(s), ${p.device}${p.gpu ? `, ${p.gpu}` : ''}`],
      ['BLAS', p.blas], ['System', p.os],
      ['Data', `${d.dataset_fingerprint.slice(0, 16)} (${d.preprocessing})`],
      ['Weights', d.weights_hash.slice(0, 16)], ['Package', d.package_hash.slice(0, 16)],
      ['Predictions', d.predictions_hash.slice(0, 16)],
    ]),
  ];
}

export function showRun(main, id) {
  clearCharts();
  const row = rowOf.get(id);
  if (row === undefined) {
    replace(main, h('h1', {}, 'Run'), h('p', {}, `There is no run ${id} on this page. `, h('a', {href: '#/'}, 'All runs')));
    return;
  }
  const d = details(id);
  const name = `${word('method', row)} on ${word('model', row)} / ${word('dataset', row)}`;
  const parts = [
    h('p', {}, h('a', {href: '#/'}, '← All runs')),
    h('h1', {class: 'break'}, `Run ${id}: ${name.length > 200 ? `${name.slice(0, 200)}…` : name}, seed ${numbers.seed[row]}`),
  ];
  if (d?.reason) parts.push(h('p', {class: 'warning break'}, d.reason));
  parts.push(summary(row));
  const group = entryOf[row]?.group;
  if (group)
    parts.push(h('details', {}, h('summary', {}, `What makes it comparable: group ${group.name}`), facts(contractPairs(group))));
  parts.push(siblings(row));
  const command = `quantbench replay ${id}`;
  parts.push(h('h2', {}, 'Again'),
    h('p', {}, copyable(command, 'command'), ' with this store; elsewhere save the recipe below as ',
      h('code', {}, 'run.ini'), ' and ', h('code', {}, 'quantbench run run.ini'), '.'));
  if (d) {
    parts.push(h('details', {open: true}, h('summary', {}, 'Recipe'),
      h('pre', {tabindex: '0', role: 'region', 'aria-label': 'Recipe'}, d.recipe)));
    if (d.sites.length) parts.push(...layers(d.sites));
    if (d.epochs.length) parts.push(...curves(d.epochs));
    if (d.latencies.length)
      parts.push(h('h2', {}, 'Latency'), table('Latencies of one batch',
        ['Subject', 'Kind', 'Engine', 'ISA', 'Threads', 'Batch', 'Median ms', '10 to 90 %'],
        d.latencies.map((l) => [l.subject, l.kind, l.engine, l.isa, String(l.threads), String(l.batch),
          format.decimal(l.median_ms, 3), `${format.decimal(l.low_ms, 3)} to ${format.decimal(l.high_ms, 3)}`])));
    parts.push(...origin(d));
  } else {
    parts.push(h('p', {class: 'note'}, 'The recipe, layers and curves of this run were left out to keep the page small: ' +
      `quantbench show ${id} prints them, and quantbench leaderboard --details=${words.status.codes.length} takes all along.`));
  }
  replace(main, parts);
}
