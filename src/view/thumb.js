// A step's result as a small picture: the image that it made, or the place in the image where it found something.
(function (lavr) {
  'use strict';

  const { boundsOf, h, images, s } = lavr;
  const MOST_BOXES = 12;
  const MOST_ITEMS = 400;

  // `shape` is its width for a height of one.
  function thumbOf(run, step, shape = 1) {
    if (step.result === undefined) return undefined;
    const made = images(step.result)
      .slice(0, 8)
      .map((image) => run.picture(image.blob))
      .find(Boolean);
    if (made) return h('img', { class: 'thumb', src: made.url, alt: '' });
    const items = run.itemsOf(step);
    const looked = [...run.looksAt(step.id)];
    const source = looked.length === 1 ? run.picture(run.images[looked[0]]) : undefined;
    return items.length && source ? placeOf(items.slice(0, MOST_ITEMS).map(boundsOf), source, shape) : undefined;
  }

  // A part of an image with as much of these as there is room for, and a little around them.
  function placeOf(boxes, { url, width, height }, shape) {
    const [x1, y1] = [0, 1].map((n) => Math.min(...boxes.map((box) => Math.min(box[n], box[n + 2]))));
    const [x2, y2] = [2, 3].map((n) => Math.max(...boxes.map((box) => Math.max(box[n], box[n - 2]))));
    const most = Math.min(width / shape, height);
    const tall = Math.min(most, Math.max((x2 - x1) / shape, y2 - y1, most / 5) * 1.2);
    const from = (low, high, size, side) => Math.max(0, Math.min(size - side, (low + high - side) / 2));
    const view = [from(x1, x2, width, tall * shape), from(y1, y2, height, tall), tall * shape, tall];
    return s(
      'svg',
      {
        class: 'thumb',
        viewBox: view.join(' '),
        preserveAspectRatio: 'xMidYMid slice',
        'aria-hidden': 'true',
        focusable: 'false',
      },
      s('image', { href: url, width, height, preserveAspectRatio: 'none' }),
      boxes.slice(0, MOST_BOXES).map(([left, top, right, bottom]) =>
        s('rect', {
          x: Math.min(left, right),
          y: Math.min(top, bottom),
          width: Math.abs(right - left),
          height: Math.abs(bottom - top),
          class: 'outline',
        }),
      ),
    );
  }

  Object.assign(lavr, { thumbOf });
})((globalThis.lavr ??= {}));
