// Buttons that give what is shown to a file or to the clipboard.
import {h} from './dom.js';

export function save(name, type, content) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], {type}));
  const link = h('a', {href: url, download: name});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

const field = (value) => /[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
export const csv = (rows) => rows.map((row) => row.map((v) => field(String(v ?? ''))).join(',')).join('\r\n') + '\r\n';

// Code with a button that copies it; from a file:// page the clipboard may be closed, then the text is selected.
export function copyable(text, id) {
  const code = h('code', {id}, text);
  const button = h('button', {type: 'button', class: 'copy', onclick: async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(code);
      getSelection().removeAllRanges();
      getSelection().addRange(range);
      document.execCommand('copy');
    }
    button.textContent = 'Copied';
    setTimeout(() => { button.textContent = 'Copy'; }, 2000);
  }}, 'Copy');
  return h('span', {class: 'copyable'}, code, button);
}
