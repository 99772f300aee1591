// The view lives in the address: #/plots?task=0&group=A. What is not told is as it is by default.
export function readAddress() {
  const [path = '', query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [view = '', argument] = path.split('/');
  return {view, argument, query: new URLSearchParams(query)};
}

// Replaces the query of the address without a new entry in the history and without a new view.
export function writeQuery(values, defaults) {
  const {view, argument} = readAddress();
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(values))
    if (String(value) !== String(defaults[key]) && value !== null) query.set(key, value);
  const text = query.toString();
  history.replaceState(null, '', `#/${view}${argument ? `/${argument}` : ''}${text ? `?${text}` : ''}`);
}
