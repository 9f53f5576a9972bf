// find gives the first element that a selector names, or null. Selectors are CSS, or
// begin with text/, aria/, xpath/ or pierce/ as the reference server's may.
(selector) => {
  const kind = /^(text|aria|xpath|pierce)\/([\s\S]*)$/.exec(selector);
  if (!kind) return document.querySelector(selector);
  const what = kind[2];
  const everywhere = function* (root) {
    for (const el of root.querySelectorAll('*')) {
      yield el;
      if (el.shadowRoot) yield* everywhere(el.shadowRoot);
    }
  };
  switch (kind[1]) {
    case 'xpath':
      return document.evaluate(what, document, null, XPathResult.FIRST_ORDERED_NODE_TYPE, null).singleNodeValue;
    case 'pierce':
      for (const el of everywhere(document)) if (el.matches(what)) return el;
      return null;
    case 'aria':
      for (const el of everywhere(document)) {
        const label = el.getAttribute('aria-label') ?? (el.labels && el.labels[0] ? el.labels[0].textContent : null) ??
          (/^(A|BUTTON|SUMMARY|H[1-6])$/.test(el.tagName) ? el.textContent : null) ?? el.getAttribute('title') ?? el.getAttribute('alt');
        if (label !== null && label.trim().replace(/\s+/g, ' ') === what.trim()) return el;
      }
      return null;
    case 'text': {
      let best = null;
      for (const el of everywhere(document)) {
        if (/^(SCRIPT|STYLE|HEAD|TITLE)$/.test(el.tagName) || best && !best.contains(el)) continue;
        const own = el.tagName === 'INPUT' && /^(button|submit|reset)$/.test(el.type) ? el.value : el.textContent;
        if (own.includes(what)) best = el;
      }
      return best;
    }
  }
}
