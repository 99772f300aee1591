// Chart.js with the parts that this page uses, in the page's colours.
import {
  BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, LineController, LineElement,
  LogarithmicScale, PointElement, ScatterController, Tooltip,
} from 'chart.js';

Chart.register(BarController, BarElement, CategoryScale, Legend, LinearScale, LineController,
  LineElement, LogarithmicScale, PointElement, ScatterController, Tooltip);

// Okabe and Ito's colours, told apart by colour-blind people too; shapes repeat the distinction.
const light = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#a06800', '#4b4bb8', '#7a7a7a', '#b0007a'];
const dark = ['#56b4e9', '#e69f00', '#2fc79a', '#e8a0c8', '#f0e442', '#9d9dff', '#b5b5b5', '#ff7ac8'];
export const shapes = ['circle', 'rect', 'triangle', 'rectRot', 'rectRounded']; // those that can be hollow

export const isDark = () => {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
};
export const color = (index) => (isDark() ? dark : light)[index % light.length];
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const live = new Set();
export function clearCharts() {
  for (const chart of live) chart.destroy();
  live.clear();
}

// `title` is what a screen reader says of the picture.
export function makeChart(canvas, title, config) {
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', title);
  Chart.defaults.color = style('--text');
  Chart.defaults.borderColor = style('--line');
  Chart.defaults.font.family = style('--font');
  const chart = new Chart(canvas, {
    ...config,
    options: {animation: false, maintainAspectRatio: false, responsive: true, ...config.options},
  });
  live.add(chart);
  canvas.chart = chart; // for tests
  return chart;
}

export const axis = (text, more = {}) => ({title: {display: true, text}, ...more});

// A logarithmic axis with a figure at 1, 2 and 5 of each decade only (all where it spans less than one).
export const logarithmic = (text, values, show) => {
  const narrow = Math.max(...values) / Math.min(...values) < 10;
  return axis(text, {
    type: 'logarithmic',
    ticks: {
      maxRotation: 0,
      callback: (value) => narrow || ['1', '2', '5'].includes(value.toExponential()[0]) ? show(value) : '',
    },
  });
};
