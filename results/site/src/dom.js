// Building elements. Text only ever becomes a text node: nothing from a store is read as markup.

export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).map((child) => child instanceof Node ? child : String(child)));
  return element;
}

export function replace(parent, ...children) {
  parent.replaceChildren(...children.flat(Infinity));
}

// A labelled <select>; options are [value, text].
export function select(label, options, value, change) {
  const id = `s-${label.toLowerCase().replace(/[^a-z]+/g, '-')}`;
  const input = h('select', {id, onchange: () => change(input.value)},
    options.map(([v, text]) => h('option', {value: v, selected: String(v) === String(value)}, text)));
  return h('div', {class: 'field'}, h('label', {for: id}, label), input);
}

// Two columns: term and what it is.
export function facts(pairs) {
  return h('dl', {class: 'facts'}, pairs.filter(([, v]) => v !== '' && v !== null && v !== undefined)
    .map(([k, v]) => [h('dt', {}, k), h('dd', {}, v)]));
}

export function table(caption, head, rows, attributes = {}) {
  return h('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption},
    h('table', attributes, h('caption', {}, caption),
      h('thead', {}, h('tr', {}, head.map((name) => h('th', {scope: 'col'}, name)))),
      h('tbody', {}, rows.map((row) => h('tr', {}, row.map((cell) => h('td', {}, cell)))))));
}
