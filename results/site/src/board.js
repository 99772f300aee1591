// The table of runs: filters, sorting by any column, a page of rows at a time.
import {count, numbers, site, taskOf, tasks, top1, word, words} from './data.js';
import {h, replace, select} from './dom.js';
import * as format from './format.js';
import {contractPairs, differences, groupOf, groups, rank} from './groups.js';

const pageSize = 100;

const numeric = (key, title, values, show, more = {}) =>
  ({key, title, value: (i) => values[i], values, show: (i) => show(values[i]), numeric: true, ...more});
const wordy = (key, title, more = {}) => ({
  key, title, values: null, value: (i) => words[key].rank[words[key].codes[i]],
  show: (i) => word(key, i), ...more,
});

// What a run's group differs in from the one that it is read against.
function unlike(row) {
  const own = groupOf[row];
  if (!own) return [];
  const all = groups[own.task];
  const reference = all.find((g) => g.name === state.group) ?? all[0];
  own.unlike ??= new Map();
  if (!own.unlike.has(reference)) own.unlike.set(reference, differences(reference, own).map(([what]) => what));
  return own.unlike.get(reference);
}

const columns = [
  numeric('rank', 'Rank', rank, format.integer, {help: 'Place by top-1 among the runs of the same group'}),
  {key: 'group', title: 'Group', value: (i) => groupOf[i] ? groupOf[i].name.length * 100 + groupOf[i].name.charCodeAt(0) : NaN,
    show: (i) => groupOf[i]?.name ?? '–', help: 'Runs of one group are like for like'},
  numeric('id', 'Run', numbers.id, String, {link: true}),
  wordy('method', 'Method'),
  numeric('top1', 'Top-1 %', top1, format.percent, {help: 'Shipped package; simulated where there is none'}),
  numeric('size', 'Bytes', numbers.size_bytes, format.integer),
  numeric('weight_bits', 'W bits', numbers.weight_bits, format.decimal),
  wordy('settings', 'Settings', {clip: true}),
  {key: 'differs', title: 'Differs in', value: (i) => unlike(i).length, show: (i) => unlike(i).join(', ') || '–', clip: true, wide: true,
    help: 'What keeps the run from being like for like with the chosen group, or else with group A'},
  wordy('model', 'Model', {wide: true, ofTask: true}),
  wordy('dataset', 'Dataset', {wide: true, ofTask: true}),
  numeric('top1_fp32', 'FP32 %', numbers.top1_fp32, format.percent, {wide: true}),
  numeric('activation_bits', 'A bits', numbers.activation_bits, format.decimal, {wide: true}),
  numeric('bops', 'BOPs', numbers.bops, format.short, {wide: true}),
  numeric('latency', 'Latency ms', numbers.latency_ms, (v) => format.decimal(v, 3), {wide: true}),
  numeric('seed', 'Seed', numbers.seed, String, {wide: true}),
  wordy('status', 'Status', {wide: true}),
  numeric('started', 'Started', numbers.started, format.time, {wide: true}),
];

const largest = tasks.reduce((best, task, i) => best < 0 || task.rows > tasks[best].rows ? i : best, -1);
const state = {task: largest < 0 ? 'all' : String(largest), method: 'all', status: 'ok', group: 'all', text: '', sort: 'top1', down: true, page: 0};

function matching() {
  const {task, method, status, group, text} = state;
  const methodCode = words.method.dictionary.indexOf(method);
  const statusCode = words.status.dictionary.indexOf(status);
  const needle = text.trim().toLowerCase();
  // Words are looked at once each, not once a row.
  const hits = {};
  for (const name of ['method', 'settings', 'model', 'dataset'])
    hits[name] = words[name].dictionary.map((w) => w.toLowerCase().includes(needle));
  const out = [];
  for (let i = 0; i < count; ++i) {
    if (task !== 'all' && taskOf[i] !== Number(task)) continue;
    if (methodCode >= 0 && words.method.codes[i] !== methodCode) continue;
    if (statusCode >= 0 && words.status.codes[i] !== statusCode) continue;
    if (group !== 'all' && groupOf[i]?.name !== group) continue;
    if (needle && !(String(numbers.id[i]) === needle ||
        ['method', 'settings', 'model', 'dataset'].some((n) => hits[n][words[n].codes[i]]))) continue;
    out.push(i);
  }
  return Uint32Array.from(out);
}

function sorted(rows) {
  const column = columns.find((c) => c.key === state.sort);
  const keys = new Float64Array(count);
  for (const row of rows) keys[row] = column.value(row);
  const sign = state.down ? -1 : 1;
  // What is not there comes last either way.
  return rows.sort((a, b) => {
    const x = keys[a], y = keys[b];
    if (Number.isNaN(x)) return Number.isNaN(y) ? a - b : 1;
    if (Number.isNaN(y)) return -1;
    return x === y ? a - b : sign * (x - y);
  });
}

// Where one task is chosen, its model and dataset need no columns.
const shown = () => columns.filter((column) => !column.ofTask || state.task === 'all');

function header(refresh) {
  return h('tr', {}, shown().map((column) => {
    const active = column.key === state.sort;
    return h('th', {
      scope: 'col', class: `${column.wide ? 'wide ' : ''}${column.numeric ? 'number' : ''}`,
      'aria-sort': active ? (state.down ? 'descending' : 'ascending') : 'none',
    }, h('button', {
      type: 'button', title: column.help ?? `Sort by ${column.title}`, 'data-column': column.key,
      onclick: () => {
        if (active) state.down = !state.down;
        else Object.assign(state, {sort: column.key, down: column.numeric && column.key !== 'rank'});
        state.page = 0;
        refresh();
        document.querySelector(`[data-column="${column.key}"]`)?.focus();
      },
    }, column.title, h('span', {'aria-hidden': 'true'}, active ? (state.down ? ' ▼' : ' ▲') : '')));
  }));
}

function cell(column, row) {
  const attributes = {class: `${column.wide ? 'wide ' : ''}${column.numeric ? 'number ' : ''}${column.clip ? 'clip' : ''}`};
  const text = column.show(row);
  if (column.clip) attributes.title = text.slice(0, 1000);
  if (column.link) return h('td', attributes, h('a', {href: `#/run/${text}`}, text));
  return h('td', attributes, text.length > 300 ? `${text.slice(0, 300)}…` : text);
}

// What the groups of the chosen task are, and what sets them apart from the largest.
function legend() {
  if (state.task === 'all') return h('p', {class: 'note'},
    'Ranks count within a group: runs of one task with the same FP32 baseline, layers in float or at 8 bit, ' +
    'activation bits, calibration, preprocessing and training budget. Choose a task to see its groups.');
  const all = groups[Number(state.task)];
  if (all.length === 0) return h('p', {class: 'note'}, 'No run of this task has a result that can be ranked.');
  const listed = all.slice(0, 20);
  return h('details', {class: 'groups'}, h('summary', {}, `Comparability groups of this task: ${all.length}`),
    h('p', {class: 'note'}, 'Runs of different groups are not like for like: ranks count within a group only.'),
    listed.map((group, index) => h('section', {},
      h('h3', {}, `Group ${group.name}: ${group.rows.length} run(s)`),
      h('ul', {}, index === 0
        ? contractPairs(group).map(([what, value]) => h('li', {}, `${what}: ${value}`))
        : differences(all[0], group).map(([what, a, b]) => h('li', {}, `${what}: ${b} (group ${all[0].name}: ${a})`))))),
    all.length > listed.length ? h('p', {class: 'note'}, `… and ${all.length - listed.length} smaller ones.`) : '');
}

export function showBoard(main) {
  if (count === 0) {
    replace(main, h('h1', {}, 'Leaderboard'), h('p', {}, 'There are no runs in this store yet.'));
    return;
  }
  const filters = h('form', {class: 'filters', 'aria-label': 'Filters', onsubmit: (e) => e.preventDefault()});
  const status = h('p', {role: 'status', class: 'note', id: 'shown'});
  const groupsBox = h('div');
  const head = h('thead'), body = h('tbody');
  const pager = h('nav', {class: 'pager', 'aria-label': 'Pages'});
  let rows = sorted(matching());

  const fillBody = () => {
    const pages = Math.max(1, Math.ceil(rows.length / pageSize));
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * pageSize;
    const last = Math.min(first + pageSize, rows.length);
    replace(head, header(refresh));
    replace(body, [...rows.subarray(first, last)].map((row) => h('tr', {}, shown().map((c) => cell(c, row)))));
    status.textContent = rows.length === 0 ? 'No run fits.'
      : `Runs ${format.integer(first + 1)} to ${format.integer(last)} of ${format.integer(rows.length)}` +
        (rows.length < count ? ` (${format.integer(count)} in all)` : '');
    const go = (page) => { state.page = page; fillBody(); scrollTo({top: 0}); };
    replace(pager,
      h('button', {type: 'button', disabled: state.page === 0, onclick: () => go(0)}, 'First'),
      h('button', {type: 'button', disabled: state.page === 0, onclick: () => go(state.page - 1)}, 'Previous'),
      h('span', {}, `Page ${state.page + 1} of ${pages}`),
      h('button', {type: 'button', disabled: state.page + 1 >= pages, onclick: () => go(state.page + 1)}, 'Next'),
      h('button', {type: 'button', disabled: state.page + 1 >= pages, onclick: () => go(pages - 1)}, 'Last'));
  };
  const refresh = () => {
    rows = sorted(matching());
    fillBody();
  };
  const change = (key) => (value) => {
    state[key] = value;
    if (key === 'task') state.group = 'all';
    state.page = 0;
    if (key === 'task') fillFilters();
    replace(groupsBox, legend());
    refresh();
  };
  const fillFilters = () => {
    const focus = document.activeElement?.id;
    const ofTask = state.task === 'all' ? [] : groups[Number(state.task)];
    const input = h('input', {id: 'search', type: 'search', value: state.text, placeholder: 'method, setting, run number',
      oninput: () => change('text')(input.value)});
    replace(filters,
      h('div', {class: 'field grow'}, h('label', {for: 'search'}, 'Search'), input),
      select('Task', [['all', 'all tasks'], ...tasks.map((t, i) => [i, t.name.slice(0, 80)])], state.task, change('task')),
      select('Method', [['all', 'all'], ...words.method.dictionary.map((m, i) => [m, words.method.shown[i].slice(0, 60)])], state.method, change('method')),
      select('Status', [['all', 'all'], ...words.status.dictionary.map((s) => [s, s])], state.status, change('status')),
      select('Group', [['all', 'all'], ...ofTask.map((g) => [g.name, `${g.name} (${g.rows.length})`])], state.group, change('group')));
    if (focus) document.getElementById(focus)?.focus();
  };
  if (!words.status.dictionary.includes('ok')) state.status = 'all';
  fillFilters();
  replace(groupsBox, legend());
  fillBody();
  replace(main, h('h1', {}, 'Leaderboard'), filters, groupsBox, status,
    h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Runs'},
      h('table', {id: 'board'}, h('caption', {class: 'hidden'}, 'Runs; a column heading sorts'), head, body)),
    pager, h('p', {class: 'note'}, `Made ${site.made} from ${format.integer(count)} runs. ` +
      'Top-1 is of the shipped package on integers where there is one; bytes are the length of its file.'));
}
