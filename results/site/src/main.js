// The page: a view for each address (#/, #/plots, #/history, #/run/N), and light or dark.
import {readAddress} from './address.js';
import {showBoard} from './board.js';
import {clearCharts, isDark} from './charts.js';
import {site} from './data.js';
import {h} from './dom.js';
import {showHistory} from './history.js';
import {showPlots} from './plots.js';
import {showRun} from './run.js';

const main = document.getElementById('main');
const titles = {'': 'Leaderboard', plots: 'Plots', history: 'History', run: 'Run'};
let first = true;

function show() {
  const {view, argument} = readAddress();
  clearCharts();
  if (view === 'plots') showPlots(main);
  else if (view === 'history') showHistory(main);
  else if (view === 'run') showRun(main, Number(argument));
  else showBoard(main);
  for (const link of document.querySelectorAll('nav.views a')) {
    const here = link.getAttribute('href') === `#/${view === 'run' ? '' : view}`;
    if (here) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  document.title = `${titles[view] ?? 'Leaderboard'}${view === 'run' ? ` ${Number(argument)}` : ''} · quantbench`;
  if (!first) {
    scrollTo({top: 0});
    main.focus({preventScroll: true});
  }
  first = false;
}

// Another page beside this one: the reference beside a store's runs, and the other way round.
if (site.beside.file) document.querySelector('nav.views').append(h('a', {href: site.beside.file}, site.beside.title));

const theme = document.getElementById('theme');
theme.addEventListener('click', () => {
  document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
  show();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', show);
document.querySelector('a.skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener('hashchange', show);
show();
