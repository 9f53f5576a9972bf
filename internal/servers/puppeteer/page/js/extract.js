// extract reads rows of a page into objects.
(rows, fields, limit) => {
  const all = Array.from(document.querySelectorAll(rows));
  const clean = (s) => (s ?? '').replace(/\s+/g, ' ').trim().slice(0, 2000);
  return {
    total: all.length,
    rows: all.slice(0, limit).map((row) => Object.fromEntries(fields.map((f) => {
      const el = f.selector ? row.querySelector(f.selector) : row;
      if (!el) return [f.name, ''];
      if (!f.attr) return [f.name, clean('innerText' in el ? el.innerText : el.textContent)];
      const urls = { href: 'href', src: 'src', action: 'action' };
      return [f.name, clean(f.attr in urls && el[urls[f.attr]] ? String(el[urls[f.attr]]) : f.attr === 'value' && 'value' in el ? el.value : el.getAttribute(f.attr))];
    }))),
  };
}
