// ready focuses an element that takes text and selects what is in it, so that what is
// typed next replaces it. For inputs without a caret it sets the value itself.
(el, value) => {
  const told = () => { for (const type of ['input', 'change']) el.dispatchEvent(new Event(type, { bubbles: true })); };
  if (!el || !el.isConnected) return { gone: true };
  if (el.matches(':disabled')) return { disabled: true };
  if (el.readOnly) return { readonly: true };
  if (el instanceof HTMLInputElement) {
    if (/^(checkbox|radio|file|button|submit|reset|image|hidden)$/.test(el.type)) return { kind: el.type };
    if (/^(date|datetime-local|month|week|time|color|range)$/.test(el.type)) {
      el.focus();
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(el, value);
      told();
      return el.value === value || el.type === 'color' && el.value === value.toLowerCase() ? { done: true } : { refused: true };
    }
    el.focus();
    el.select();
    return { typed: true };
  }
  if (el instanceof HTMLTextAreaElement) {
    el.focus();
    el.select();
    return { typed: true };
  }
  if (el instanceof HTMLSelectElement) return { kind: 'select' };
  const editable = el.isContentEditable ? el : null;
  if (!editable) return { kind: el.tagName.toLowerCase() };
  editable.focus();
  const range = document.createRange();
  range.selectNodeContents(editable);
  const selection = getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  return { typed: true };
}
