// markdown writes what a reader sees of an element, or of the main content of the
// page, as Markdown. Frames, scripts and what is hidden are left out.
(from, whole) => {
  const main = () => {
    if (whole) return document.body;
    const named = document.querySelectorAll('article, main, [role=main]');
    if (named.length === 1) return named[0];
    let best = document.body, most = 0;
    for (const el of document.querySelectorAll('article, main, [role=main], section, div, td')) {
      let size = 0;
      for (const p of el.querySelectorAll(':scope > p, :scope > pre, :scope > ul, :scope > ol, :scope > table, :scope > blockquote')) size += p.textContent.trim().length;
      if (size > most) [best, most] = [el, size];
    }
    return most > 500 ? best : document.body;
  };
  const root = from || main();
  if (!root) return '';
  const blocks = /^(P|DIV|SECTION|ARTICLE|MAIN|HEADER|FOOTER|NAV|ASIDE|FIGURE|FIGCAPTION|FORM|FIELDSET|ADDRESS|DL|DT|DD|DETAILS|SUMMARY|HGROUP)$/;
  const url = (u) => { try { return new URL(u, document.baseURI).href; } catch { return u; } };
  const inline = (node) => Array.from(node.childNodes, (c) => write(c, 0)).join('');
  const squeeze = (s) => s.replace(/[ \t\r\n]+/g, ' ').trim();
  const table = (el) => {
    const rows = Array.from(el.rows, (r) => Array.from(r.cells, (c) => squeeze(inline(c)).replaceAll('|', '\\|')));
    if (!rows.length) return '';
    const width = Math.max(...rows.map((r) => r.length));
    const line = (r) => '| ' + Array.from({ length: width }, (_, i) => r[i] ?? '').join(' | ') + ' |';
    return '\n\n' + [line(rows[0]), '|' + ' --- |'.repeat(width), ...rows.slice(1).map(line)].join('\n') + '\n\n';
  };
  const list = (el, depth) => '\n' + Array.from(el.children, (li, i) => {
    const mark = el.tagName === 'OL' ? (el.start + i) + '. ' : '- ';
    const parts = Array.from(li.childNodes, (c) => write(c, depth + 1)).join('').trim().replace(/\n\n+/g, '\n');
    return '  '.repeat(depth) + mark + parts;
  }).join('\n') + '\n';
  const write = (node, depth) => {
    if (node.nodeType === Node.TEXT_NODE) return node.data.replace(/[ \t\r\n]+/g, ' ');
    if (node.nodeType !== Node.ELEMENT_NODE) return '';
    const tag = node.tagName.toUpperCase();
    if (/^(SCRIPT|STYLE|NOSCRIPT|TEMPLATE|IFRAME|OBJECT|SVG|CANVAS|HEAD)$/.test(tag)) return '';
    const style = getComputedStyle(node);
    if (style.display === 'none' || style.visibility === 'hidden') return '';
    const heading = /^H([1-6])$/.exec(tag);
    if (heading) return '\n\n' + '#'.repeat(+heading[1]) + ' ' + squeeze(inline(node)) + '\n\n';
    switch (tag) {
      case 'BR': return '\n';
      case 'HR': return '\n\n---\n\n';
      case 'A': {
        const label = squeeze(inline(node));
        const to = node.getAttribute('href');
        return to && label && !/^(javascript:|#)/.test(to) ? '[' + label + '](' + url(to) + ')' : label;
      }
      case 'IMG': return node.alt ? '![' + squeeze(node.alt) + '](' + (/^data:/.test(node.src) ? '' : url(node.src)) + ')' : '';
      case 'STRONG': case 'B': { const s = squeeze(inline(node)); return s ? '**' + s + '**' : ''; }
      case 'EM': case 'I': { const s = squeeze(inline(node)); return s ? '*' + s + '*' : ''; }
      case 'CODE': case 'KBD': case 'SAMP': return '`' + node.textContent + '`';
      case 'PRE': return '\n\n```\n' + node.textContent.replace(/\n$/, '') + '\n```\n\n';
      case 'BLOCKQUOTE': return '\n\n' + inline(node).trim().split('\n').map((l) => '> ' + l.trim()).join('\n') + '\n\n';
      case 'UL': case 'OL': return list(node, depth);
      case 'TABLE': return table(node);
      case 'INPUT': return /^(hidden|password)$/.test(node.type) ? '' : node.value ? '[' + squeeze(node.value) + ']' : '';
      case 'TEXTAREA': return node.value;
      case 'SELECT': return Array.from(node.selectedOptions, (o) => '[' + o.label + ']').join(' ');
    }
    const inside = Array.from((node.shadowRoot || node).childNodes, (c) => write(c, depth)).join('');
    return blocks.test(tag) ? '\n\n' + inside + '\n\n' : inside;
  };
  // What is between fences stays as it is.
  return write(root, 0).split(/(```[\s\S]*?```)/).map((part, i) => i % 2 ? part :
    part.replace(/[ \t]+\n/g, '\n').replace(/\n[ \t]+(?=\n)/g, '\n').replace(/\n{3,}/g, '\n\n').replace(/^ (?=\S)/gm, '')).join('').trim();
}
