// The leaderboard: one row a configuration, ranked by mean top-1 within one comparability group and
// bit budget, with its seeds below on demand.
import {count, numbers, site, tasks, top1, word, words} from './data.js';
import {readAddress, writeQuery} from './address.js';
import {h, replace, select} from './dom.js';
import {copyable, csv, save} from './download.js';
import {contractPairs, differences, entries, groups, tellingSettings} from './entries.js';
import * as format from './format.js';

const pageSize = 100;
const methodName = (entry) => words.method.shown[entry.method];
const card = (entry) => {
  const name = words.method.dictionary[entry.method];
  return site.methods && Object.hasOwn(site.methods, name) ? site.methods[name] : null;
};
const bits = (v) => Number.isNaN(v) ? '–' : String(Number(v.toFixed(2)));
const signed = (v) => Number.isNaN(v) ? '–' : `${v < 0 ? '−' : '+'}${Math.abs(100 * v).toFixed(2)}`;
export const accuracy = (entry) => `${format.percent(entry.mean)}${entry.n > 1 ? ` ± ${format.percent(entry.std)}` : ''}`;

let settings = new Map();

const columns = [
  {key: 'rank', title: '#', numeric: true, value: (e) => e.rank, show: (e) => state.group === 'all' || Number.isNaN(e.rank) ? '–' : `${e.rank}${e.tied ? '=' : ''}`,
    help: 'Place by mean top-1 among its group and bit budget; =: not shown to differ from the first (sign-flip test over paired seeds, p > 0.05)'},
  {key: 'method', title: 'Method', value: (e) => words.method.rank[e.method], show: methodName, method: true, text: methodName},
  {key: 'bits', title: 'W/A bits', numeric: true, value: (e) => e.bits, show: (e) => `${bits(e.bits)}/${bits(e.activations)}`, help: 'Mean bits of weights and of activations'},
  {key: 'top1', title: 'Top-1 %', numeric: true, value: (e) => e.mean, show: accuracy, help: 'Of the shipped package (simulated where there is none): mean and deviation over seeds'},
  {key: 'n', title: 'n', numeric: true, value: (e) => e.n, show: (e) => String(e.n), help: 'Seeds; a repetition of a seed counts once'},
  {key: 'delta', title: 'Δ FP32', numeric: true, value: (e) => e.mean - e.fp32, show: (e) => signed(e.mean - e.fp32), help: 'Points against the FP32 network that the method began with'},
  {key: 'published', title: 'Published', numeric: true, wide: true, value: (e) => e.published?.[0]?.value ?? NaN,
    show: (e) => e.published ? `${e.published[0].value.toFixed(2)}${e.published[0].second_hand ? '*' : ''}` : '–',
    help: 'Top-1 that the paper of this row reports; *: second-hand'},
  {key: 'size', title: 'Bytes', numeric: true, value: (e) => e.size, show: (e) => format.integer(Math.round(e.size)), help: 'Length of the package file'},
  {key: 'compression', title: '× smaller', numeric: true, wide: true, value: (e) => e.compression, show: (e) => format.decimal(e.compression, 1), help: 'Than the FP32 package of this task'},
  {key: 'latency', title: 'Latency ms', numeric: true, wide: true, value: (e) => e.latency.ms, show: (e) => Number.isNaN(e.latency.ms) ? '–' : `${format.decimal(e.latency.ms, 3)}${e.latency.kind >= 0 && !site.latency_kinds[e.latency.kind].startsWith('package') ? ' sim.' : ''}`,
    hint: (e) => e.latency.kind >= 0 ? site.latency_kinds[e.latency.kind] : '', help: 'Of one batch; sim.: of the simulation, no package was timed'},
  {key: 'speed', title: '× faster', numeric: true, wide: true, value: (e) => e.latency.speed, show: (e) => format.decimal(e.latency.speed, 2), help: 'Than the FP32 network, measured in the same run'},
  {key: 'bops', title: 'BOPs', numeric: true, wide: true, value: (e) => e.bops, show: (e) => format.short(e.bops), help: 'Bit operations of one sample'},
  {key: 'settings', title: 'Settings', wide: true, clip: true, value: (e) => words.settings.rank[words.settings.codes[e.row]], show: (e) => settings.get(e) || '–',
    hint: (e) => word('settings', e.row).slice(0, 1000), help: 'What tells the rows of one method apart'},
];
const byKey = Object.fromEntries(columns.map((c) => [c.key, c]));

const largest = tasks.reduce((best, task, i) => groups[i].length && (best < 0 || task.rows > tasks[best].rows) ? i : best, -1);
const defaults = {task: Math.max(largest, 0), group: 'A', method: 'all', q: '', sort: 'top1', down: 1, page: 0};
const state = {...defaults};
const open = new Set();

function fromAddress(query) {
  for (const key of Object.keys(defaults)) {
    const value = query.get(key);
    state[key] = value === null ? defaults[key] : typeof defaults[key] === 'number' ? Number(value) : value;
  }
  if (!Number.isInteger(state.task) || !tasks[state.task]) state.task = defaults.task;
  if (state.group !== 'all' && !groups[state.task]?.some((g) => g.name === state.group)) state.group = 'A';
  if (!Object.hasOwn(byKey, state.sort)) state.sort = defaults.sort;
  if (!(state.page > 0)) state.page = 0;
}

function matching() {
  const needle = state.q.trim().toLowerCase();
  const hit = (name, row) => words[name].dictionary[words[name].codes[row]].toLowerCase().includes(needle);
  const method = words.method.dictionary.indexOf(state.method);
  return entries.filter((e) => e.task === state.task && (state.group === 'all' || e.group.name === state.group) &&
    (method < 0 || e.method === method) &&
    (!needle || hit('method', e.row) || hit('settings', e.row) || e.all.some((r) => String(numbers.id[r]) === needle)));
}

function sorted(some) {
  const {value} = byKey[state.sort];
  const keys = new Map(some.map((e) => [e, value(e)]));
  const sign = state.down ? -1 : 1;
  // Sections stay together, from many bits to few; what is not there comes last either way.
  return some.sort((a, b) => {
    if (a.budget !== b.budget) return Number.isNaN(a.budget) ? 1 : Number.isNaN(b.budget) ? -1 : b.budget - a.budget;
    const x = keys.get(a), y = keys.get(b);
    if (Number.isNaN(x)) return Number.isNaN(y) ? a.index - b.index : 1;
    if (Number.isNaN(y)) return -1;
    return x === y ? a.index - b.index : sign * (x - y);
  });
}

const sectionTitle = (budget) => Number.isNaN(budget) ? 'Bits unknown' : budget === 32 ? 'Full precision'
  : `${budget}-bit budget`;
const sectionNote = (budget) => Number.isNaN(budget) || budget === 32 ? '' : ` (mean weight bits from ${budget} to below ${budget + 1})`;

function header(refresh) {
  return h('tr', {}, columns.map((column) => {
    const active = column.key === state.sort;
    return h('th', {scope: 'col', class: `${column.wide ? 'wide ' : ''}${column.numeric ? 'number' : ''}`,
      'aria-sort': active ? (state.down ? 'descending' : 'ascending') : 'none',
    }, h('button', {type: 'button', title: column.help ?? `Sort by ${column.title}`, 'data-column': column.key,
      onclick: () => {
        if (active) state.down = state.down ? 0 : 1;
        else Object.assign(state, {sort: column.key, down: column.numeric && column.key !== 'rank' ? 1 : 0});
        state.page = 0;
        refresh();
        document.querySelector(`[data-column="${column.key}"]`)?.focus();
      },
    }, column.title, h('span', {'aria-hidden': 'true'}, active ? (state.down ? ' ▼' : ' ▲') : '')));
  }));
}

function methodCell(entry, refresh) {
  const own = card(entry);
  const shown = methodName(entry);
  const title = shown.length > 300 ? `${shown.slice(0, 300)}…` : shown;
  const expanded = open.has(entry.index);
  const parts = [
    h('button', {type: 'button', class: 'expand', 'aria-expanded': String(expanded), 'aria-label': `Seeds of ${title}`, onclick: () => {
      if (!open.delete(entry.index)) open.add(entry.index);
      refresh();
      document.querySelector(`[data-entry="${entry.index}"] .expand`)?.focus();
    }}, expanded ? '▾' : '▸'),
    h('a', {href: `#/run/${numbers.id[entry.row]}`, title: own?.title ?? ''}, title),
  ];
  if (own?.arxiv) parts.push(' ', h('a', {class: 'paper', href: `https://arxiv.org/abs/${encodeURIComponent(own.arxiv)}`,
    rel: 'noreferrer', title: own.paper}, `arXiv ${own.year || ''}`.trim()));
  return parts;
}

function cell(column, entry, refresh) {
  const attributes = {class: `${column.wide ? 'wide ' : ''}${column.numeric ? 'number ' : ''}${column.clip ? 'clip ' : ''}${column.key}`};
  if (column.method) return h('td', attributes, methodCell(entry, refresh));
  const hint = column.hint?.(entry);
  if (hint) attributes.title = hint;
  const text = column.show(entry);
  return h('td', attributes, text.length > 300 ? `${text.slice(0, 300)}…` : text);
}

function seeds(entry) {
  return entry.rows.map((row) => h('tr', {class: 'seed'},
    columns.map((column) => {
      const attributes = {class: `${column.wide ? 'wide ' : ''}${column.numeric ? 'number' : ''}`};
      switch (column.key) {
        case 'method': return h('td', attributes, 'seed ', String(numbers.seed[row]), ': ', h('a', {href: `#/run/${numbers.id[row]}`}, `run ${numbers.id[row]}`));
        case 'top1': return h('td', attributes, format.percent(top1[row]));
        case 'delta': return h('td', attributes, signed(top1[row] - numbers.top1_fp32[row]));
        case 'size': return h('td', attributes, format.integer(numbers.size_bytes[row]));
        case 'settings': return h('td', attributes, `${format.time(numbers.started[row])}${entry.all.length > entry.n ? `; ${entry.all.filter((r) => numbers.seed[r] === numbers.seed[row]).length} run(s) of this seed` : ''}`);
        default: return h('td', attributes, '');
      }
    })));
}

function groupBox() {
  const all = groups[state.task] ?? [];
  if (all.length === 0) return h('p', {class: 'note'}, 'No run of this task has a result that can be ranked.');
  const chosen = all.find((g) => g.name === state.group);
  const others = all.filter((g) => g !== chosen).slice(0, 20);
  return h('details', {class: 'groups'},
    h('summary', {}, chosen ? `Group ${chosen.name}: what all of these have in common` +
      (all.length > 1 ? `, and ${all.length - 1} other group(s) that are not like for like` : '')
      : 'All groups are shown, so nothing is ranked: runs of different groups are not like for like'),
    chosen ? h('ul', {}, contractPairs(chosen).map(([what, value]) => h('li', {}, `${what}: ${value}`))) : '',
    others.map((group) => h('section', {}, h('h3', {}, `Group ${group.name}: ${group.entries.length} configuration(s)`),
      h('ul', {}, chosen ? differences(chosen, group).map(([what, a, b]) => h('li', {}, `${what}: ${b} (group ${chosen.name}: ${a})`))
        : contractPairs(group).map(([what, value]) => h('li', {}, `${what}: ${value}`))))));
}

// A stranger's three questions.
function answers() {
  const group = groups[state.task]?.find((g) => g.name === state.group);
  if (!group) return '';
  const lowest = [...new Set(group.entries.map((e) => e.budget))].filter((b) => b < 32).sort((a, b) => b - a);
  if (lowest.length === 0) return '';
  const lines = lowest.map((budget) => {
    const own = group.entries.filter((e) => e.budget === budget).sort((a, b) => a.rank - b.rank);
    const tied = own.filter((e) => e.tied && e !== own[0]).length;
    const paired = Math.min(...own.slice(1, 50).map((e) => [...own[0].seeds.keys()].filter((seed) => e.seeds.has(seed)).length));
    const sure = own.length > 1 && tied > 0 && paired < 6 ? `too few seeds to tell it from ${tied} other(s): 6 in common would do` : own.length === 1 ? 'the only one' : tied === own.length - 1 && tied > 0 ? 'not shown to differ from the others'
      : tied > 0 ? `not shown to differ from ${tied} other(s)` : 'ahead of all others, p ≤ 0.05';
    return h('li', {}, h('strong', {}, `${budget} bit: `), h('span', {class: 'break'}, methodName(own[0]).slice(0, 100)), ` ${accuracy(own[0])} % (n = ${own[0].n}), `, sure);
  });
  return h('ul', {class: 'answers', 'aria-label': 'The first of each bit budget'}, lines);
}

export function intro() {
  return h('details', {class: 'intro'}, h('summary', {}, 'What this is, how to run it again, how to cite it'),
    h('p', {}, 'Every row is a quantization method with its settings, trained, packed into a real file and run on integers by quantbench. ' +
      'Top-1 is what the file answers, bytes are its length. Rows are pooled over seeds and ranked only against rows that are like for like: ' +
      'the same FP32 network, layers left in float, activation bits, calibration, preprocessing and training budget.'),
    h('p', {}, 'Each run has a page with its recipe and where it came from. Its command makes it again, bit for bit on the same build and machine: ',
      copyable('quantbench replay RUN', 'replay-any')),
    h('p', {}, 'To cite quantbench, use the CITATION.cff of its repository, and cite the papers of the methods, which their rows link to.'));
}

export function showBoard(main) {
  if (count === 0) {
    replace(main, h('h1', {}, 'Leaderboard'), h('p', {}, 'There are no runs in this store yet.'));
    return;
  }
  fromAddress(readAddress().query);
  const filters = h('form', {class: 'filters', 'aria-label': 'Filters', onsubmit: (e) => e.preventDefault()});
  const status = h('p', {role: 'status', class: 'note', id: 'shown'});
  const groupsBox = h('div'), answersBox = h('div');
  const head = h('thead'), body = h('tbody');
  const pager = h('nav', {class: 'pager', 'aria-label': 'Pages'});
  let shown = [];

  const fillBody = () => {
    const pages = Math.max(1, Math.ceil(shown.length / pageSize));
    state.page = Math.min(state.page, pages - 1);
    const first = state.page * pageSize;
    const some = shown.slice(first, first + pageSize);
    settings = tellingSettings(some);
    replace(head, header(refresh));
    const rows = [];
    let budget = null;
    for (const entry of some) {
      if (!Object.is(entry.budget, budget)) {
        budget = entry.budget;
        rows.push(h('tr', {class: 'section'}, h('th', {colspan: columns.length, scope: 'colgroup'}, sectionTitle(budget), h('small', {}, sectionNote(budget)))));
      }
      rows.push(h('tr', {'data-entry': entry.index, class: entry.rank === 1 && state.group !== 'all' && budget !== 32 ? 'first' : ''}, columns.map((c) => cell(c, entry, refresh))));
      if (open.has(entry.index)) rows.push(...seeds(entry));
    }
    replace(body, rows);
    const runs = shown.reduce((sum, e) => sum + e.n, 0);
    status.textContent = shown.length === 0 ? 'No run fits.'
      : `${format.integer(shown.length)} configuration(s) of ${format.integer(runs)} seed(s)` +
        (pages > 1 ? `, ${format.integer(first + 1)} to ${format.integer(Math.min(first + pageSize, shown.length))}` : '') +
        `; ${format.integer(count)} runs in the store.`;
    const go = (page) => { state.page = page; fillBody(); scrollTo({top: 0}); };
    replace(pager, pages === 1 ? '' : [
      h('button', {type: 'button', disabled: state.page === 0, onclick: () => go(0)}, 'First'),
      h('button', {type: 'button', disabled: state.page === 0, onclick: () => go(state.page - 1)}, 'Previous'),
      h('span', {}, `Page ${state.page + 1} of ${pages}`),
      h('button', {type: 'button', disabled: state.page + 1 >= pages, onclick: () => go(state.page + 1)}, 'Next'),
      h('button', {type: 'button', disabled: state.page + 1 >= pages, onclick: () => go(pages - 1)}, 'Last')]);
    writeQuery(state, defaults);
  };
  const refresh = () => {
    shown = sorted(matching());
    fillBody();
  };
  const change = (key) => (value) => {
    state[key] = key === 'task' ? Number(value) : value;
    state.page = 0;
    if (key === 'task') state.group = 'A';
    if (key === 'task') fillFilters();
    replace(groupsBox, groupBox());
    replace(answersBox, answers());
    refresh();
  };
  const download = () => save('leaderboard.csv', 'text/csv', csv([
    ['task', 'group', 'budget', 'rank', 'tied', 'method', 'settings', 'weight_bits', 'activation_bits', 'top1_mean', 'top1_std', 'n', 'top1_fp32',
      'published', 'size_bytes', 'compression', 'latency_ms', 'latency_kind', 'speed_up', 'bops', 'runs'],
    ...shown.map((e) => [tasks[e.task].name, e.group.name, e.budget, e.rank, e.tied ? 'yes' : 'no', words.method.dictionary[e.method],
      words.settings.dictionary[words.settings.codes[e.row]], e.bits, e.activations, e.mean, e.std, e.n, e.fp32, e.published?.[0]?.value ?? '', e.size,
      e.compression, e.latency.ms, site.latency_kinds[e.latency.kind] ?? '', e.latency.speed, e.bops, e.rows.map((r) => numbers.id[r]).join(' ')]
      .map((v) => Number.isNaN(v) ? '' : v))]));
  const fillFilters = () => {
    const focus = document.activeElement?.id;
    const ofTask = groups[state.task] ?? [];
    const input = h('input', {id: 'search', type: 'search', value: state.q, placeholder: 'method, setting, run number',
      oninput: () => change('q')(input.value)});
    replace(filters,
      select('Task', tasks.map((t, i) => [i, t.name.slice(0, 80)]).filter(([i]) => groups[i].length), state.task, change('task')),
      select('Group', [...ofTask.map((g) => [g.name, `${g.name} (${g.entries.length})`]), ['all', 'all, unranked']], state.group, change('group')),
      select('Method', [['all', 'all'], ...words.method.dictionary.map((m, i) => [m, words.method.shown[i].slice(0, 60)])], state.method, change('method')),
      h('div', {class: 'field grow'}, h('label', {for: 'search'}, 'Search'), input),
      h('button', {type: 'button', id: 'csv', onclick: download}, 'CSV'));
    if (focus) document.getElementById(focus)?.focus();
  };
  fillFilters();
  replace(groupsBox, groupBox());
  replace(answersBox, answers());
  shown = sorted(matching());
  fillBody();
  replace(main, h('h1', {}, 'Leaderboard'), intro(), filters, answersBox, groupsBox, status,
    h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Configurations'},
      h('table', {id: 'board'}, h('caption', {class: 'hidden'}, 'Configurations; a column heading sorts within each bit budget'), head, body)),
    pager, h('p', {class: 'note'}, `Made ${site.made} from ${format.integer(count)} runs. `,
      entries.some((e) => e.published?.some((p) => p.second_hand)) ? '*: second-hand, not read in the paper itself. ' : '',
      'Failed, mistrusted and interrupted runs are not ranked.'));
}
