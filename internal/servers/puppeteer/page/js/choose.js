// choose selects the options of a <select> that have one of the values, or, where
// labels count too, one of the labels. It changes nothing unless all are there.
(el, values, labels) => {
  if (!el || !el.isConnected) return { gone: true };
  if (!(el instanceof HTMLSelectElement)) return { kind: el.tagName.toLowerCase() };
  if (el.matches(':disabled')) return { disabled: true };
  const options = Array.from(el.options);
  const found = [];
  for (const value of el.multiple ? values : values.slice(0, 1)) {
    const option = options.find((o) => o.value === value) || labels && options.find((o) => o.label.trim() === value.trim());
    if (!option) return { missing: value, options: options.slice(0, 50).map((o) => o.value) };
    found.push(option);
  }
  for (const option of options) option.selected = found.includes(option);
  for (const type of ['input', 'change']) el.dispatchEvent(new Event(type, { bubbles: true }));
  return { chosen: found.map((o) => o.value) };
}
