// Making elements. All text goes in as text nodes: nothing that a trace says is ever read as HTML.
(function (lavr) {
  'use strict';

  const SVG = 'http://www.w3.org/2000/svg';

  // Any value as text. What a trace says need not be what its place is for, and objects may not know their own text.
  function str(value) {
    if (typeof value === 'string') return value;
    if (value === null || typeof value !== 'object') return String(value);
    return JSON.stringify(value) ?? '';
  }

  function fill(element, props, children) {
    for (const [name, value] of Object.entries(props ?? {})) {
      if (value === undefined || value === null || value === false) continue;
      if (name === 'on')
        for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
      else if (name === 'at')
        for (const [side, length] of Object.entries(value)) element.style.setProperty(side, length);
      else element.setAttribute(name, value === true ? '' : str(value));
    }
    add(element, children);
    return element;
  }

  function add(element, children) {
    for (const child of children.flat(Infinity)) {
      if (child === undefined || child === null || child === false) continue;
      element.append(child instanceof Node ? child : document.createTextNode(str(child)));
    }
  }

  const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);
  const s = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

  // Puts new children in the place of the old ones. What had the focus keeps it, by its `data-key`.
  function replace(element, ...children) {
    const focused = element.contains(document.activeElement) ? document.activeElement.dataset?.key : undefined;
    element.replaceChildren();
    add(element, children);
    if (focused !== undefined)
      element.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  // A part that is folded away, and made when it is first opened.
  function fold(props, summary, make) {
    const details = h('details', props, h('summary', null, summary));
    const open = () => {
      if (!details.open || details.dataset.made) return;
      details.dataset.made = 'yes';
      add(details, [make()]);
    };
    details.addEventListener('toggle', open);
    details.reveal = () => {
      details.open = true;
      open();
    };
    return details;
  }

  // The first of many parts, and a button for the next ones.
  function many(container, items, make, count = 100) {
    let shown = 0;
    const button = h('button', { type: 'button', class: 'quiet', on: { click: () => more(true) } });
    function more(asked) {
      const from = container.childElementCount;
      for (const end = Math.min(items.length, shown + count); shown < end; shown += 1)
        container.append(make(items[shown], shown));
      const left = items.length - shown;
      button.hidden = left === 0;
      button.textContent =
        left > count ? `Show ${number(count)} more of ${number(left)}` : `Show the other ${number(left)}`;
      if (asked) container.children[from]?.querySelector?.('button, summary, a')?.focus();
    }
    more(false);
    return items.length > count ? [container, button] : [container];
  }

  // A table that scrolls sideways by itself: its first rows, and a button for the next ones. A row is its cells, or a
  // `tr`; `head` may be missing.
  function table(caption, head, rows, { kind, most = 50 } = {}) {
    const body = h('tbody');
    const row = (cells) =>
      cells instanceof Node
        ? cells
        : h(
            'tr',
            null,
            cells.map((cell) => h('td', null, cell)),
          );
    const [, more] = many(body, rows, row, most);
    const names = head?.map((name) => (name ? h('th', { scope: 'col' }, name) : h('td')));
    return [
      h(
        'div',
        { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': caption },
        h(
          'table',
          { class: kind },
          h('caption', { class: 'hidden' }, caption),
          names && h('thead', null, h('tr', null, names)),
          body,
        ),
      ),
      more,
    ];
  }

  // One stop of the Tab key for many buttons; arrows, Home and End go from one to the next.
  function rove(container, step) {
    const all = () => [...container.querySelectorAll('button[data-key]')];
    const focus = (button) => {
      if (!button) return;
      for (const other of all()) other.tabIndex = other === button ? 0 : -1;
      button.focus();
    };
    container.addEventListener('focusin', (event) => {
      if (event.target.matches('button[data-key]'))
        for (const other of all()) other.tabIndex = other === event.target ? 0 : -1;
    });
    container.addEventListener('keydown', (event) => {
      const buttons = all();
      const at = buttons.indexOf(event.target);
      if (at < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
      const next =
        event.key === 'Home' ? buttons[0] : event.key === 'End' ? buttons.at(-1) : step(event.key, buttons, at);
      if (!next) return;
      event.preventDefault();
      focus(next);
    });
  }

  // After drawing: the first button can be reached with Tab.
  function rest(container, key) {
    const buttons = [...container.querySelectorAll('button[data-key]')];
    const first = buttons.find((button) => button.dataset.key === key) ?? buttons[0];
    for (const button of buttons) button.tabIndex = button === first ? 0 : -1;
  }

  const number = (n) => Number(n).toLocaleString('en-US');
  const plural = (n, one, more = `${one}s`) => `${number(n)} ${n === 1 ? one : more}`;
  const percent = (share) => `${Math.round(share * 100)} %`;

  function time(ms) {
    if (!Number.isFinite(ms)) return '';
    if (ms < 1000) return `${Math.round(ms)} ms`;
    if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 9_950 ? 2 : 1)} s`;
    return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`;
  }

  function short(text, most) {
    const letters = Array.from(str(text).slice(0, most * 2 + 2));
    return letters.length > most ? `${letters.slice(0, most - 1).join('')}…` : letters.join('');
  }

  Object.assign(lavr, { str, h, s, replace, fold, many, table, rove, rest, number, plural, percent, time, short });
})((globalThis.lavr ??= {}));
