// Numbers and times as people read them; what is not there is a dash.

const dash = '–';

export const percent = (share, digits = 2) => Number.isNaN(share) || share === null || share === undefined
  ? dash : (100 * share).toFixed(digits);

export const integer = (value) => Number.isNaN(value) || value === null || value === undefined
  ? dash : value.toLocaleString('en');

export const decimal = (value, digits = 2) => Number.isNaN(value) || value === null || value === undefined
  ? dash : value.toFixed(digits);

// 1.23 M, 45.6 k: three significant digits.
export function short(value) {
  if (Number.isNaN(value) || value === null || value === undefined) return dash;
  for (const [unit, size] of [['T', 1e12], ['G', 1e9], ['M', 1e6], ['k', 1e3]])
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))} ${unit}`;
  return String(Number(value.toPrecision(3)));
}

export const day = (seconds) => Number.isNaN(seconds) ? dash
  : new Date(1000 * seconds).toISOString().slice(0, 10);

export const time = (seconds) => Number.isNaN(seconds) ? dash
  : new Date(1000 * seconds).toISOString().slice(0, 16).replace('T', ' ');
