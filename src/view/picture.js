// Pictures with what was found in them: boxes, outlines of text, masks and points, drawn over the image as SVG.
(function (lavr) {
  'use strict';

  const { boundsOf, h, labelOf, nameOf, number, plural, replace, s, short } = lavr;

  // Okabe and Ito's colours, which people with colour blindness can tell apart; without black and the palest.
  const PALETTE = ['#e69f00', '#56b4e9', '#009e73', '#d55e00', '#0072b2', '#cc79a7'];
  const MOST_MARKS = 300;
  let masks = 0;

  // One colour a label, in order of appearance; lines of text share one.
  function colours() {
    const names = [];
    return (item) => {
      const name = item.kind === 'line' ? '' : nameOf(item);
      if (!names.includes(name)) names.push(name);
      return PALETTE[names.indexOf(name) % PALETTE.length];
    };
  }

  function shapeOf(item, colour, run) {
    const [x1, y1, x2, y2] = boundsOf(item);
    const box = { x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1) };
    switch (item.kind) {
      case 'line': {
        const points = item.value.polygon.map((p) => p.join(',')).join(' ');
        return [s('polygon', { points, class: 'halo' }), s('polygon', { points, class: 'outline', stroke: colour })];
      }
      case 'point':
        return [s('circle', { cx: x1, cy: y1, class: 'dot', fill: colour })];
      case 'mask': {
        const outline = run.picture(item.value.mask.blob);
        const outer = s('rect', { ...box, class: 'outline thin', stroke: colour });
        if (!outline) return [outer];
        const id = `mask-${(masks += 1)}`;
        const mask = s('mask', { id }, s('image', { ...box, href: outline.url, preserveAspectRatio: 'none' }));
        return [mask, s('rect', { ...box, fill: colour, 'fill-opacity': '0.6', mask: `url(#${id})` }), outer];
      }
      default:
        return [s('rect', { ...box, class: 'halo' }), s('rect', { ...box, class: 'outline', stroke: colour })];
    }
  }

  // One image of the task with the marks on it.
  class Picture {
    constructor(view, run, index) {
      Object.assign(this, { view, run, index });
      this.source = run.picture(run.images[index]);
      this.layer = s('g');
      this.caption = h('span', { class: 'marks' });
      const name = index ? `image${index + 1}` : 'image';
      const { width, height } = this.source ?? extent(run);
      this.size = { width, height };
      this.svg = s(
        'svg',
        { viewBox: `0 0 ${width} ${height}`, class: 'picture', role: 'img', 'aria-label': name },
        this.source && s('image', { href: this.source.url, width, height, preserveAspectRatio: 'none' }),
        this.layer,
      );
      this.svg.style.setProperty('aspect-ratio', `${width} / ${height}`);
      this.svg.style.setProperty('max-height', `max(20rem, min(70vh, ${Math.round(height * 1.5)}px))`);
      const missing =
        !this.source &&
        h('p', { class: 'missing' }, 'This image is not beside the trace, or is no longer what it was.');
      this.element = h(
        'figure',
        { class: this.source ? '' : 'absent' },
        this.svg,
        missing,
        h('figcaption', null, h('b', null, name), ' ', this.caption),
      );
      if (globalThis.ResizeObserver) new ResizeObserver(() => this.scale()).observe(this.svg);
    }

    // Sets what is equally large on the screen for all images: `unit` is pixels of the image for one on the screen.
    scale() {
      const shown = this.svg.getBoundingClientRect();
      const unit = shown.width
        ? Math.max(this.size.width / shown.width, this.size.height / shown.height)
        : this.size.width / 600;
      this.svg.style.setProperty('--unit', String(unit));
      const placed = [];
      for (const label of this.layer.querySelectorAll('text')) {
        label.setAttribute('font-size', String(13 * unit));
        label.setAttribute('stroke-width', String(3.2 * unit));
        this.put(label, unit, placed);
      }
      for (const dot of this.layer.querySelectorAll('circle')) dot.setAttribute('r', String(4.5 * unit));
    }

    // Puts a label where no other is: above its box, else inside it; where there is no room, only the caption has it.
    put(label, unit, placed) {
      const [left, top, bottom] = [label.dataset.x, label.dataset.y, label.dataset.bottom].map(Number);
      const [width, height] = [
        (label.getComputedTextLength() || 8 * unit * label.textContent.length) + 4 * unit,
        16 * unit,
      ];
      const x = Math.max(2 * unit, Math.min(left, this.size.width - width));
      const free = (y) =>
        y - height > 0 &&
        y < this.size.height &&
        placed.every((other) => Math.abs(y - other.y) >= height || x >= other.x + other.width || other.x >= x + width);
      const y = [top - 5 * unit, top + 17 * unit, bottom - 6 * unit].find(free);
      label.setAttribute('visibility', y === undefined ? 'hidden' : 'visible');
      if (y === undefined) return;
      label.setAttribute('x', String(x));
      label.setAttribute('y', String(y));
      placed.push({ x, y, width });
    }

    light({ marks, cuts }) {
      const items = marks.get(this.index) ?? [];
      const colour = colours();
      const drawn = items.slice(0, MOST_MARKS).map((item) => this.mark(item, colour(item)));
      const cut = (cuts?.get(this.index) ?? [])
        .slice(0, MOST_MARKS)
        .map(([x1, y1, x2, y2]) => s('rect', { x: x1, y: y1, width: x2 - x1, height: y2 - y1, class: 'cut' }));
      this.layer.replaceChildren(...cut, ...drawn);
      const told =
        items.slice(0, 12).map(labelOf).join(', ') +
        (items.length > 12 ? ` and ${number(items.length - 12)} more` : '');
      const pieces = cut.length ? `${plural(cut.length, 'piece')} cut out` : '';
      this.caption.textContent = [told, pieces].filter(Boolean).join('; ') || 'nothing marked';
      this.svg.setAttribute(
        'aria-label',
        `${this.index ? `image${this.index + 1}` : 'image'}: ${this.caption.textContent}`,
      );
      this.scale();
    }

    mark(item, colour) {
      const label = labelOf(item);
      const [x1, y1, , y2] = boundsOf(item);
      const words =
        item.kind === 'region' || item.kind === 'mask'
          ? s('text', { 'data-x': x1, 'data-y': y1, 'data-bottom': y2 }, short(label, 32))
          : undefined;
      const group = s(
        'g',
        { class: 'mark' },
        s('title', null, `${label} (${item.step})`),
        shapeOf(item, colour, this.run),
        words,
      );
      return this.view.pointable(group, { step: item.step });
    }
  }

  // Where an image is not there: as much room as what was found in it takes.
  function extent(run) {
    const all = [...run.steps.values()]
      .slice(0, 500)
      .flatMap((step) => run.itemsOf(step).slice(0, 100))
      .map(boundsOf);
    const most = (n) =>
      Math.min(20_000, Math.max(1, ...all.map((bounds) => Math.max(bounds[n], bounds[n + 2]))) * 1.05);
    return all.length ? { width: Math.round(most(0)), height: Math.round(most(1)) } : { width: 640, height: 240 };
  }

  class Pictures {
    constructor(view) {
      this.view = view;
      this.element = h('div', { class: 'pictures' });
      this.pictures = [];
    }

    draw(run) {
      const key = JSON.stringify(run.images);
      if (key === this.key) return;
      this.key = key;
      this.pictures = run.images.map((_, n) => new Picture(this.view, run, n));
      this.element.classList.toggle('several', this.pictures.length > 1);
      replace(
        this.element,
        this.pictures.length
          ? this.pictures.map((picture) => picture.element)
          : h('p', { class: 'note' }, run.events ? 'The run had no image.' : 'Not begun yet.'),
      );
    }

    light(lit) {
      for (const picture of this.pictures) picture.light(lit);
    }
  }

  Object.assign(lavr, { Pictures });
})((globalThis.lavr ??= {}));
