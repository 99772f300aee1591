// The documentation site: every link and anchor leads somewhere, and headless Chromium opens every page without an error
// or a request to elsewhere.
//
//     docs_test.mjs [SITE]
//
// SITE is a site that is built; without it docs/build.py builds one. Exit code 77: skipped.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync} from 'node:fs';
import {createServer} from 'node:http';
import {createRequire} from 'node:module';
import {tmpdir} from 'node:os';
import {dirname, join, relative, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';

const {QUANTBENCH_PROGRAM: program, QUANTBENCH_SITE_PACKAGES: packages = ''} = process.env;
const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

function skip(sentence) {
  console.log(`Skipped: ${sentence}`);
  process.exit(77);
}

let site = process.argv[2];
let made = null;
if (!site) {
  try {
    execFileSync('mkdocs', ['--version'], {stdio: 'ignore'});
  } catch {
    skip('there is no mkdocs; scripts/install_deps.sh --docs installs it.');
  }
  made = mkdtempSync(join(tmpdir(), 'quantbench-docs-'));
  execFileSync(join(root, 'docs/build.py'), ['--program', program, '--out', made], {stdio: 'inherit'});
  site = join(made, 'site');
}
site = resolve(site);

const files = readdirSync(site, {recursive: true}).map((name) => join(site, name)).filter((path) => statSync(path).isFile());
const pages = files.filter((path) => path.endsWith('.html'));
const decoded = (text) => text.replaceAll('&amp;', '&').replaceAll('&quot;', '"').replaceAll('&#39;', "'");
// The leaderboard makes its page with a script, and its addresses (#/...) are views, not anchors.
const isBoard = (path) => relative(site, path).startsWith('leaderboard');
const text = (path) => readFileSync(path, 'utf8');
const markup = (path) => text(path).replace(/<script[^]*?<\/script>/g, '').replace(/<!--[^]*?-->/g, '');
const anchors = new Map();
const anchorsOf = (path) => {
  if (!anchors.has(path))
    anchors.set(path, new Set([...markup(path).matchAll(/\s(?:id|name)="([^"]*)"/g)].map((m) => decoded(m[1]))));
  return anchors.get(path);
};

const wrong = [];
let checked = 0;
for (const page of pages) {
  const links = [...markup(page).matchAll(/\s(?:href|src)="([^"]*)"/g)].map((m) => decoded(m[1]));
  for (const link of links) {
    if (link === '' || /^(data|mailto|javascript):/.test(link)) continue;
    if (/^(https?:)?\/\//.test(link)) continue; // elsewhere: not ours to promise
    ++checked;
    const [path, anchor] = link.split('#');
    const target = path === '' ? page : resolve(dirname(page), decodeURIComponent(path.split('?')[0]));
    const file = existsSync(target) && statSync(target).isDirectory() ? join(target, 'index.html') : target;
    if (!file.startsWith(site) || !existsSync(file)) wrong.push(`${relative(site, page)}: ${link} leads nowhere`);
    else if (anchor && file.endsWith('.html') && !isBoard(file) && !anchorsOf(file).has(decodeURIComponent(anchor)))
      wrong.push(`${relative(site, page)}: ${link} has no such anchor`);
  }
}
assert.deepEqual(wrong, []);
assert.ok(checked > 100, `${checked} links`);
for (const name of ['index.html', 'concepts.html', 'handbook.html', 'results/REPRODUCED.html', 'results/SCHEMA.html',
  'methods/index.html', 'methods/degree_quant.html', 'leaderboard/reference.html', 'CONTRIBUTING.html'])
  assert.ok(existsSync(join(site, name)), `there is no ${name}`);
// What is generated is there: results of the reference, with their n.
assert.match(text(join(site, 'methods/degree_quant.html')), /<td>gcn2 \/ cora<\/td>/);
console.log(`passed: ${checked} links of ${pages.length} pages`);

const browser = process.env.CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  .find((path) => existsSync(path));
if (!browser || !existsSync(join(packages, 'node_modules', 'playwright-core'))) {
  console.log('The pages were not opened: there is no Chromium, or npm could not fetch the parts of the page.');
} else {
  const {chromium} = createRequire(join(packages, 'package.json'))('playwright-core');
  // Served, as a site is: its search fetches an index, which no browser allows from a file.
  const kinds = {html: 'text/html', css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml', json: 'application/json'};
  const server = createServer((request, response) => {
    const path = resolve(site, `.${decodeURIComponent(new URL(request.url, 'http://x').pathname)}`);
    const found = path.startsWith(site) && existsSync(path) && statSync(path).isFile();
    response.writeHead(found ? 200 : 404, {'Content-Type': kinds[path.split('.').pop()] ?? 'application/octet-stream'});
    response.end(found ? readFileSync(path) : '');
  });
  await new Promise((listening) => { server.listen(0, '127.0.0.1', listening); });
  const origin = `http://127.0.0.1:${server.address().port}/`;
  const instance = await chromium.launch({executablePath: browser, args: ['--no-sandbox']});
  try {
    for (const width of [1280, 390]) {
      const context = await instance.newContext({viewport: {width, height: 900}});
      for (const page of pages) {
        const tab = await context.newPage();
        const seen = [];
        tab.on('pageerror', (e) => seen.push(String(e)));
        tab.on('request', (r) => { if (!r.url().startsWith(origin) && !/^(data|blob):/.test(r.url())) seen.push(`request: ${r.url()}`); });
        await tab.goto(origin + relative(site, page));
        const name = relative(site, page);
        if (!isBoard(page)) {
          assert.ok(await tab.locator('h1').first().isVisible(), `${name} has no title`);
          assert.ok(await tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth + 1), `${name} is too wide`);
        }
        if (name === 'concepts.html')
          assert.ok(await tab.evaluate(() => document.querySelector('article img').naturalWidth > 0), 'no picture');
        if (isBoard(page)) assert.ok(await tab.locator('#board tbody tr').count() > 0, 'an empty board');
        assert.deepEqual(seen, [], name);
        await tab.close();
      }
      await context.close();
    }
    console.log(`passed: ${pages.length} pages in Chromium, 1280 and 390 pixels wide`);
  } finally {
    await instance.close();
    server.close();
  }
}
if (made) rmSync(made, {recursive: true});
