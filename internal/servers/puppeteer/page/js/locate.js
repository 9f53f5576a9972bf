// locate brings an element into view and tells where to point at it.
(el) => {
  if (!(el instanceof Element) && el && el.parentElement) el = el.parentElement;
  if (!el || !el.isConnected) return { gone: true };
  const place = () => {
    for (const r of el.getClientRects()) {
      const left = Math.max(r.left, 0), top = Math.max(r.top, 0);
      const right = Math.min(r.right, innerWidth), bottom = Math.min(r.bottom, innerHeight);
      if (right - left >= 1 && bottom - top >= 1) return { x: (left + right) / 2, y: (top + bottom) / 2, whole: r.top >= 0 && r.bottom <= innerHeight && r.left >= 0 && r.right <= innerWidth };
    }
    return null;
  };
  let at = place();
  if (!at || !at.whole) {
    el.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
    at = place();
  }
  if (!at || getComputedStyle(el).visibility !== 'visible') return { hidden: true };
  let hit = document.elementFromPoint(at.x, at.y);
  while (hit && hit.shadowRoot) {
    const inner = hit.shadowRoot.elementFromPoint(at.x, at.y);
    if (!inner || inner === hit) break;
    hit = inner;
  }
  const related = (a, b) => { for (let n = a; n; n = n.parentNode || n.host) if (n === b) return true; return false; };
  const label = hit && hit.closest && hit.closest('label');
  const covered = hit && !related(hit, el) && !related(el, hit) && !(label && label.control === el);
  return {
    x: at.x, y: at.y, disabled: el.matches(':disabled'),
    cover: covered ? '<' + hit.tagName.toLowerCase() + (hit.id ? '#' + hit.id : '') + '>' : '',
  };
}
