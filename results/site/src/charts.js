// Chart.js with the parts that this page uses, in the page's colours; error bars, labels, zoom by
// dragging, and pictures to save.
import {
  BarController, BarElement, CategoryScale, Chart, Legend, LinearScale, LineController, LineElement,
  LogarithmicScale, PointElement, ScatterController, Tooltip,
} from 'chart.js';
import {Context} from 'svgcanvas';
import {save} from './download.js';

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

// Deviations as whiskers and the labels of a dataset's marks, where they do not cover each other.
const errorBars = {
  id: 'errorBars',
  afterDatasetsDraw(chart) {
    const {ctx, chartArea: area} = chart;
    const taken = [];
    ctx.save();
    ctx.beginPath();
    ctx.rect(area.left, area.top, area.right - area.left, area.bottom - area.top);
    ctx.clip();
    ctx.font = `11px ${Chart.defaults.font.family}`;
    chart.data.datasets.forEach((dataset, index) => {
      if (!chart.isDatasetVisible(index)) return;
      const meta = chart.getDatasetMeta(index);
      dataset.data.forEach((point, i) => {
        const {x, y} = meta.data[i] ?? {};
        if (x === undefined) return;
        if (dataset.errors && point.high > point.low) {
          const [top, bottom] = [chart.scales.y.getPixelForValue(point.high), chart.scales.y.getPixelForValue(point.low)];
          ctx.strokeStyle = dataset.borderColor;
          ctx.lineWidth = 1.2;
          ctx.beginPath();
          for (const [x0, y0, x1, y1] of [[x, top, x, bottom], [x - 4, top, x + 4, top], [x - 4, bottom, x + 4, bottom]]) {
            ctx.moveTo(x0, y0);
            ctx.lineTo(x1, y1);
          }
          ctx.stroke();
        }
        const text = dataset.labels?.[i];
        if (!text) return;
        const width = ctx.measureText(text).width;
        const left = x + 9 + width > area.right ? x - 9 - width : x + 9;
        const place = [left, y - 14, left + width, y];
        if (taken.some((t) => place[0] < t[2] && t[0] < place[2] && place[1] < t[3] && t[1] < place[3])) return;
        taken.push(place);
        ctx.fillStyle = style('--text');
        ctx.fillText(text, left, y - 4);
      });
    });
    ctx.restore();
  },
};

// Dragging over a chart with `zoomable` enlarges that part; resetZoom() shows all again.
const zoom = {
  id: 'zoom',
  afterInit(chart) {
    if (!chart.options.zoomable) return;
    const {canvas} = chart;
    let from = null;
    const at = (event) => {
      const box = canvas.getBoundingClientRect();
      return {x: event.clientX - box.left, y: event.clientY - box.top};
    };
    chart.resetZoom = () => {
      for (const key of ['x', 'y']) { delete chart.options.scales[key].min; delete chart.options.scales[key].max; }
      chart.update();
    };
    canvas.addEventListener('mousedown', (event) => { from = at(event); });
    canvas.addEventListener('mousemove', (event) => {
      chart.dragged = from ? [from, at(event)] : null;
      if (from) chart.draw();
    });
    canvas.addEventListener('mouseleave', () => { from = chart.dragged = null; });
    canvas.addEventListener('mouseup', (event) => {
      const to = at(event), start = from;
      from = chart.dragged = null;
      if (!start || Math.abs(to.x - start.x) < 12 || Math.abs(to.y - start.y) < 12) return;
      for (const [key, a, b] of [['x', start.x, to.x], ['y', start.y, to.y]]) {
        const values = [a, b].map((pixel) => chart.scales[key].getValueForPixel(pixel)).sort((p, q) => p - q);
        Object.assign(chart.options.scales[key], {min: values[0], max: values[1]});
      }
      chart.update();
    });
  },
  afterDraw(chart) {
    if (!chart.dragged) return;
    const [a, b] = chart.dragged;
    chart.ctx.save();
    chart.ctx.globalAlpha = 0.15;
    chart.ctx.fillStyle = style('--link');
    chart.ctx.fillRect(a.x, a.y, b.x - a.x, b.y - a.y);
    chart.ctx.restore();
  },
};
Chart.register(errorBars, zoom);

// The picture on the page's background, as a file.
export function savePng(chart, name) {
  const {canvas} = chart;
  const copy = document.createElement('canvas');
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const ctx = copy.getContext('2d');
  ctx.fillStyle = style('--back');
  ctx.fillRect(0, 0, copy.width, copy.height);
  ctx.drawImage(canvas, 0, 0);
  copy.toBlob((blob) => save(name, 'image/png', blob));
}

// svgcanvas reads fonts off a span's style attribute, which the page's policy forbids; set by script it
// is allowed.
function withStyledSpans(act) {
  document.createElement = (tag) => {
    const element = Document.prototype.createElement.call(document, tag);
    if (tag === 'span') element.setAttribute = (name, value) => {
      if (name === 'style') element.style.cssText = value;
      else Element.prototype.setAttribute.call(element, name, value);
    };
    return element;
  };
  try {
    act();
  } finally {
    delete document.createElement;
  }
}

// The same chart made once more, over a context that writes SVG: parts of a chart keep the context that
// they began with.
export function svgOf(chart) {
  const {width, height} = chart;
  const context = new Context({width, height, document});
  const canvas = document.createElement('canvas');
  Object.assign(canvas, {width, height, getContext: () => context});
  context.canvas = canvas;
  withStyledSpans(() => {
    const copy = new Chart(canvas, {
      type: chart.config.type,
      data: {...chart.config.data, datasets: chart.data.datasets.map((d) => ({...d, data: [...d.data]}))},
      options: {...chart.config._config.options, responsive: false, animation: false, devicePixelRatio: 1, zoomable: false},
    });
    copy.update('none');
    context.clearRect(0, 0, width, height);
    copy.draw();
  });
  return context.getSerializedSvg(true);
}
export const saveSvg = (chart, name) => save(name, 'image/svg+xml', svgOf(chart));

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
      autoSkipPadding: 14,
      callback: (value) => narrow || ['1', '2', '5'].includes(value.toExponential()[0]) ? show(value) : '',
    },
  });
};
