// The leaderboard in headless Chromium: what its readers do, on three stores. Exit code 77: skipped.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, rmSync} from 'node:fs';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const {QUANTBENCH_PROGRAM: program, QUANTBENCH_MAKE_STORE: makeStore, QUANTBENCH_SITE_PACKAGES: packages} = process.env;

function skip(sentence) {
  console.log(`Skipped: ${sentence}`);
  process.exit(77);
}

const browser = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  .find((path) => existsSync(path));
if (!browser) skip('there is no Chromium; scripts/install_deps.sh installs it.');
if (!existsSync(join(packages, 'node_modules', 'playwright-core'))) skip('npm could not fetch the parts of the page.');
const {chromium} = createRequire(join(packages, 'package.json'))('playwright-core');

const folder = mkdtempSync(join(tmpdir(), 'quantbench-site-'));
function page(kind) {
  const store = join(folder, `${kind}.db`);
  const site = join(folder, kind);
  execFileSync(makeStore, [store, kind]);
  execFileSync(program, ['leaderboard', '--store', store, '--out', site]);
  return pathToFileURL(join(site, 'index.html')).href;
}

const tests = [];
const test = (name, body) => tests.push({name, body});
let instance;

// A tab in which nothing may go wrong: no error, no request, no dialogue, no foreign script.
async function tab(url, options = {}) {
  const context = await instance.newContext({viewport: {width: 1280, height: 900}, ...options});
  const made = await context.newPage();
  made.wrong = [];
  made.on('console', (m) => { if (['error', 'warning'].includes(m.type())) made.wrong.push(m.text()); });
  made.on('pageerror', (e) => made.wrong.push(String(e)));
  made.on('dialog', (d) => { made.wrong.push(`dialogue: ${d.message()}`); d.dismiss(); });
  made.on('request', (r) => { if (!/^(file|data):/.test(r.url())) made.wrong.push(`request: ${r.url()}`); });
  await made.goto(url);
  made.done = async () => {
    assert.equal(await made.evaluate(() => window.hacked), undefined);
    assert.deepEqual(made.wrong, []);
    await context.close();
  };
  return made;
}

// The texts of a column, of configurations only; by bit budget where `sections` is asked for.
const column = (made, title) => made.evaluate((name) => {
  const heads = [...document.querySelectorAll('#board thead th')].map((th) => th.textContent.replace(/[▲▼ ]+$/, ''));
  const index = heads.indexOf(name);
  return [...document.querySelectorAll('#board tbody tr[data-entry]')].map((tr) => tr.children[index].textContent);
}, title);
const sections = (made, title) => made.evaluate((name) => {
  const heads = [...document.querySelectorAll('#board thead th')].map((th) => th.textContent.replace(/[▲▼ ]+$/, ''));
  const index = heads.indexOf(name), out = [];
  for (const tr of document.querySelectorAll('#board tbody tr')) {
    if (tr.className === 'section') out.push({title: tr.textContent, texts: []});
    else if (tr.dataset.entry) out.at(-1).texts.push(tr.children[index].textContent);
  }
  return out;
}, title);
const numbers = (texts) => texts.map((t) => parseFloat(t.replaceAll(',', '')));

test('one row a configuration: mean, deviation and n; its seeds on demand; replays counted once', async (urls) => {
  const made = await tab(urls.board);
  const n = numbers(await column(made, 'n'));
  assert.ok(n.length > 0 && n.every((v) => v === 3), `${n}`); // six nights of three seeds are three seeds
  for (const text of await column(made, 'Top-1 %')) assert.match(text, /^\d+\.\d\d ± \d+\.\d\d$/);
  const expand = made.locator('.expand').first();
  await expand.click();
  assert.equal(await made.locator('tr.seed').count(), 3);
  assert.equal(await made.locator('.expand').first().getAttribute('aria-expanded'), 'true');
  await made.locator('.expand').first().click();
  assert.equal(await made.locator('tr.seed').count(), 0);
  await made.done();
});

test('ranks within one group and bit budget, ties marked', async (urls) => {
  const made = await tab(urls.board);
  const ranks = await sections(made, '#');
  assert.deepEqual(ranks.map((s) => s.title.replace(/ .*/, '')), ['4-bit', '3-bit', '2-bit']);
  for (const {texts} of ranks) {
    assert.deepEqual(numbers(texts), texts.map((_, i) => i + 1));
    assert.ok(texts.every((t) => t.endsWith('=')), 'three seeds show nothing to differ');
  }
  await made.getByText('too few seeds to tell it from').first().waitFor();
  await made.getByLabel('Group').selectOption('all');
  assert.ok((await column(made, '#')).every((t) => t === '–'));
  await made.done();
});

test('sorting by a column, both ways, is told to screen readers', async (urls) => {
  const made = await tab(urls.board);
  const button = made.getByRole('button', {name: 'Top-1 %'});
  await button.click();
  for (const {texts} of await sections(made, 'Top-1 %')) assert.deepEqual(numbers(texts), numbers(texts).sort((a, b) => a - b));
  assert.equal(await made.locator('th[aria-sort=ascending]').textContent(), 'Top-1 % ▲');
  await button.click();
  for (const {texts} of await sections(made, 'Top-1 %')) assert.deepEqual(numbers(texts), numbers(texts).sort((a, b) => b - a));
  assert.ok(await button.evaluate((e) => e === document.activeElement), 'the focus stays');
  await made.done();
});

test('filters by method and words', async (urls) => {
  const made = await tab(urls.board);
  await made.getByLabel('Method', {exact: true}).selectOption('hawq');
  assert.deepEqual([...new Set((await column(made, 'Method')).map((m) => m.replace(/^[▸▾]/, '').replace(/ arXiv.*/, '')))], ['hawq']);
  await made.getByLabel('Search').fill('weight_bits=2');
  assert.equal((await column(made, 'Method')).length, 1);
  await made.getByLabel('Search').fill('no such words');
  assert.equal(await made.locator('#shown').textContent(), 'No run fits.');
  await made.done();
});

test('the view lives in the address', async (urls) => {
  const made = await tab(urls.board);
  await made.getByLabel('Group').selectOption('B');
  await made.getByRole('button', {name: 'W/A bits'}).click();
  const address = made.url();
  const before = await column(made, 'Method');
  assert.match(address, /#\/\?group=B&sort=bits/);
  const other = await tab(address);
  assert.deepEqual(await column(other, 'Method'), before);
  assert.equal(await other.getByLabel('Group').inputValue(), 'B');
  await other.done();
  await made.done();
});

test('groups that are not like for like say in what', async (urls) => {
  const made = await tab(urls.board);
  await made.locator('details.groups summary').click();
  assert.ok((await made.locator('details.groups').textContent()).includes('activation bits'));
  await made.done();
});

test('what is shown comes as CSV, a plot as SVG and PNG', async (urls) => {
  const made = await tab(urls.board);
  const file = async (button) => {
    const [download] = await Promise.all([made.waitForEvent('download'), button.click()]);
    return [download.suggestedFilename(), readFileSync(await download.path())];
  };
  const [name, csv] = await file(made.getByRole('button', {name: 'CSV'}));
  assert.equal(name, 'leaderboard.csv');
  assert.equal(csv.toString().trim().split('\r\n').length, 1 + (await column(made, 'Method')).length);
  await made.goto(`${urls.board}#/plots`);
  await made.locator('#plot-size').waitFor();
  const [svgName, svg] = await file(made.getByRole('button', {name: 'SVG'}).first());
  assert.equal(svgName, 'accuracy-size.svg');
  // Marks, labels, axes and legend.
  for (const part of [/<path/, />degree_quant 2\.0 b</, />bytes</, />top-1, %</, />200 k</, />Pareto front of group A</]) assert.match(svg.toString(), part);
  const [, png] = await file(made.getByRole('button', {name: 'PNG'}).first());
  assert.equal(png.subarray(1, 4).toString(), 'PNG');
  await made.done();
});

test('pages of a long table', async (urls) => {
  const made = await tab(urls.many);
  const shown = await made.locator('#shown').textContent();
  assert.match(shown, /configuration\(s\) of [\d,]+ seed\(s\)/);
  await made.done();
});

test('a row leads to the page of a run and back', async (urls) => {
  const made = await tab(urls.board);
  await made.locator('#board tbody tr[data-entry] td.method a').first().click();
  await made.getByRole('heading', {level: 1, name: /^Run \d+/}).waitFor();
  const run = /run\/(\d+)/.exec(made.url())[1];
  assert.equal(await made.locator('#command').textContent(), `quantbench replay ${run}`);
  assert.match(await made.locator('pre').textContent(), /^batch = 20\n/);
  for (const id of ['bits-weights', 'bits-activations', 'curve-accuracy', 'curve-loss'])
    assert.ok(await made.locator(`#${id}`).evaluate((c) => c.chart.data.datasets[0].data.length > 0), id);
  assert.ok(await made.getByText('a CPU').count() > 0);
  await made.getByRole('link', {name: 'All runs'}).click();
  await made.getByRole('heading', {name: 'Leaderboard'}).waitFor();
  await made.goto(`${urls.board}#/run/123456`);
  await made.getByText('There is no run 123456').waitFor();
  await made.done();
});

test('hovering a point tells its configuration, clicking leads to a run', async (urls) => {
  const made = await tab(`${urls.board}#/plots`);
  await made.locator('#plot-size').waitFor();
  for (const id of ['plot-size', 'plot-bops', 'plot-latency']) {
    const canvas = made.locator(`#${id}`);
    await canvas.scrollIntoViewIfNeeded();
    const point = await canvas.evaluate((c) => {
      const index = c.chart.data.datasets.findIndex((d) => d.type !== 'line');
      const {x, y} = c.chart.getDatasetMeta(index).data[0];
      return {x, y};
    });
    await canvas.hover({position: point});
    await made.waitForFunction((i) => document.getElementById(i).chart.tooltip.opacity > 0, id);
    const title = await canvas.evaluate((c) => c.chart.tooltip.title.join(' '));
    assert.match(title, /^(uniform|hawq|bsq|degree_quant)$/);
  }
  const canvas = made.locator('#plot-size');
  await canvas.scrollIntoViewIfNeeded();
  const point = await canvas.evaluate((c) => {
    const index = c.chart.data.datasets.findIndex((d) => d.type !== 'line');
    const {x, y} = c.chart.getDatasetMeta(index).data[0];
    return {x, y};
  });
  await canvas.click({position: point});
  await made.getByRole('heading', {level: 1, name: /^Run \d+/}).waitFor();
  await made.done();
});

test('a method keeps its colour and shape from plot to plot', async (urls) => {
  const made = await tab(`${urls.board}#/plots`);
  const looks = new Map();
  for (const id of ['plot-size', 'plot-bops', 'plot-latency']) {
    const sets = await made.locator(`#${id}`).evaluate((c) => c.chart.data.datasets.filter((d) => d.type !== 'line')
      .map((d) => [d.label.replace(' (other groups)', ''), `${d.borderColor} ${d.pointStyle}`]));
    for (const [label, look] of sets) {
      if (looks.has(label)) assert.equal(look, looks.get(label), `${label} in ${id}`);
      looks.set(label, look);
    }
  }
  assert.ok(looks.size > 1);
  await made.done();
});

test('the Pareto front has no point that another beats', async (urls) => {
  const made = await tab(`${urls.board}#/plots`);
  const front = await made.locator('#plot-size').evaluate((c) => c.chart.data.datasets.find((d) => d.type === 'line').data);
  assert.ok(front.length > 1);
  // The last step only leads to the plot's edge.
  for (let i = 1; i + 1 < front.length; ++i) assert.ok(front[i].x > front[i - 1].x && front[i].y > front[i - 1].y);
  const marks = await made.locator('#plot-size').evaluate((c) => c.chart.data.datasets.filter((d) => d.errors).flatMap((d) => d.data));
  assert.ok(marks.length > 0 && marks.every((m) => m.low < m.y && m.y < m.high), 'every mark has its deviation');
  await made.done();
});

test('history marks the regression', async (urls) => {
  const made = await tab(`${urls.board}#/history`);
  await made.getByText('regression(s)').waitFor();
  assert.match(await made.locator('table.regressed tbody').textContent(), /Top-1 went from/);
  const marks = await made.locator('#plot-history').evaluate((c) => c.chart.data.datasets.flatMap((d) => d.pointStyle));
  assert.equal(marks.filter((m) => m === 'triangle').length, 1);
  await made.done();
});

test('hostile names are shown, not obeyed', async (urls) => {
  const made = await tab(urls.hostile);
  const methods = new Set();
  for (const task of await made.getByLabel('Task').evaluate((e) => [...e.options].map((o) => o.value))) {
    await made.getByLabel('Task').selectOption(task);
    for (const m of await made.locator('#board td.method a:first-of-type').allTextContents()) methods.add(m.replace(/[\u2068\u2069]/g, ''));
  }
  for (const name of ['<script>window.hacked = 1</script>', '<!--<script>', '__proto__', '\u202Egnp.exe \u2067\u05D0\u05D1\u05D2',
    '\u{1F4A3}\u{1F469}\u200D\u{1F52C}', ']]>&lt;&amp;\\u003cscript\\u003e'])
    assert.ok(methods.has(name), name);
  for (let run = 1; run <= 24; ++run) {
    await made.goto(`${urls.hostile}#/run/${run}`);
    await made.getByRole('heading', {level: 1, name: `Run ${run}`}).waitFor();
  }
  for (const view of ['#/plots', '#/history', '#/?task=99&group=%3Cb%3E&sort=__proto__&page=-7']) await made.goto(urls.hostile + view);
  assert.equal(await made.locator('main script, main img, main b').count(), 0);
  await made.done();
});

test('phone width does not scroll sideways', async (urls) => {
  for (const view of ['', '#/plots', '#/history', '#/run/142']) {
    const made = await tab(urls.board + view, {viewport: {width: 390, height: 844}});
    const [wide, window] = await made.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= window, `${view}: ${wide} > ${window}`);
    await made.done();
  }
});

test('light and dark', async (urls) => {
  const made = await tab(urls.board, {colorScheme: 'dark'});
  const back = () => made.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await back();
  await made.getByRole('button', {name: /light and dark/}).click();
  assert.notEqual(await back(), dark);
  await made.done();
});

test('the keyboard reaches everything', async (urls) => {
  const made = await tab(urls.board);
  await made.keyboard.press('Tab');
  assert.equal(await made.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await made.getByRole('button', {name: 'W/A bits'}).focus();
  await made.keyboard.press('Enter');
  assert.equal(await made.locator('th[aria-sort=descending]').textContent(), 'W/A bits ▼');
  await made.getByRole('link', {name: 'History'}).focus();
  await made.keyboard.press('Enter');
  await made.getByRole('heading', {level: 1, name: 'History'}).waitFor();
  const nameless = await made.evaluate(() => [...document.querySelectorAll('button, input, select, a, canvas')]
    .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.labels?.length)).length);
  assert.equal(nameless, 0);
  await made.done();
});

test('the reference is a page of its own beside the store, never mixed into it', async (urls) => {
  const made = await tab(urls.board);
  const own = await column(made, 'Method');
  await made.locator('nav.views a[href="reference.html"]').click();
  await made.waitForSelector('#board tbody tr[data-entry]');
  assert.match(made.url(), /reference\.html/);
  assert.notDeepEqual(await column(made, 'Method'), own);
  await made.locator('nav.views a[href="index.html"]').click();
  await made.waitForSelector('#board tbody tr[data-entry]');
  assert.deepEqual(await column(made, 'Method'), own);
  await made.done();
});

let failed = 0;
try {
  const urls = {};
  try {
    for (const kind of ['board', 'hostile']) urls[kind] = page(kind);
    execFileSync(makeStore, [join(folder, 'many.db'), '2000']);
    execFileSync(program, ['leaderboard', '--store', join(folder, 'many.db'), '--out', join(folder, 'many')]);
    urls.many = pathToFileURL(join(folder, 'many', 'index.html')).href;
  } catch (problem) {
    if (String(problem.stderr).includes('built without')) skip(String(problem.stderr).trim());
    throw problem;
  }
  instance = await chromium.launch({executablePath: browser, args: ['--no-sandbox', '--disable-gpu']});
  for (const {name, body} of tests) {
    try {
      await body(urls);
      console.log(`ok      ${name}`);
    } catch (problem) {
      ++failed;
      console.log(`FAILED  ${name}\n${problem.stack}`);
    }
  }
} finally {
  await instance?.close();
  rmSync(folder, {recursive: true, force: true});
}
process.exit(failed ? 1 : 0);
