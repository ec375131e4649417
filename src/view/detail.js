// One step in full: what it was given, what it returned, and what became of it.
(function (lavr) {
  'use strict';

  const {
    fold,
    h,
    images,
    isObject,
    kind,
    kindOfAll,
    many,
    MARKS,
    number,
    outcome,
    percent,
    plural,
    replace,
    s,
    stateOf,
    summary,
    table,
    text,
    str,
    time,
  } = lavr;

  const MOST_LETTERS = 4_000;

  // Long text in part, and a button for the rest.
  function letters(words, tag = 'pre') {
    const whole = str(words);
    const box = h(tag, { class: 'letters' }, whole.slice(0, MOST_LETTERS));
    if (whole.length <= MOST_LETTERS) return box;
    const more = h(
      'button',
      {
        type: 'button',
        class: 'quiet',
        on: {
          click: () => {
            box.textContent = whole;
            more.remove();
          },
        },
      },
      `Show all ${number(whole.length)} characters`,
    );
    return [box, more];
  }

  const written = (value) => letters(JSON.stringify(value, null, 2) ?? '');

  // A made image, in its own size at most.
  function thumbnail(run, image, name) {
    const picture = run.picture(image.blob);
    if (!picture)
      return h('p', { class: 'missing' }, `The image ${String(image.blob).slice(0, 20)}… is not beside the trace.`);
    return h('img', {
      class: 'made',
      src: picture.url,
      width: picture.width,
      height: picture.height,
      alt: name,
      loading: 'lazy',
    });
  }

  // A grid of numbers as a picture: the lowest dark, the highest bright.
  function drawn(map) {
    const [width, height] = [Math.min(2048, map.width), Math.min(2048, map.height)];
    const numbers = map.data.filter(Number.isFinite);
    const least = numbers.reduce((a, b) => Math.min(a, b), Infinity);
    const most = numbers.reduce((a, b) => Math.max(a, b), -Infinity);
    const canvas = h('canvas', {
      width,
      height,
      class: 'made',
      role: 'img',
      'aria-label': `${summary(map)}, from ${least} to ${most}`,
    });
    const context = canvas.getContext('2d');
    const whole = [width, height, map.width].every((n) => Number.isInteger(n) && n > 0);
    if (!context || !whole) return written(map);
    const pixels = context.createImageData(width, height);
    for (let n = 0; n < width * height; n += 1) {
      const at = (map.data[Math.floor(n / width) * map.width + (n % width)] - least) / (most - least || 1);
      pixels.data.set([255 * at, 255 * at, 255 * at, 255], n * 4);
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }

  const whole = (numbers) => numbers.map((n) => Math.round(n)).join(', ');
  const score = (value) => (typeof value === 'number' ? percent(value) : '');

  function scored(labels) {
    const bar = (share) =>
      s(
        'svg',
        { viewBox: '0 0 100 8', class: 'share', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
        s('rect', { width: Math.max(0, Math.min(100, share * 100)), height: 8 }),
      );
    return table(
      'labels',
      ['label', 'score', ''],
      labels.slice(0, 500).map(({ label, score: share }) => [label, score(share), bar(Number(share) || 0)]),
    );
  }

  // A value in full.
  function value(run, it) {
    switch (kind(it)) {
      case 'nothing':
        return h('p', { class: 'note' }, 'nothing');
      case 'number':
      case 'bool':
        return h('p', { class: 'big' }, summary(it));
      case 'text':
        return letters(it, 'blockquote');
      case 'image':
        return thumbnail(run, it, 'the image that the step made');
      case 'map':
        return drawn(it);
      case 'table':
        return table('table', undefined, it.rows);
      case 'list':
        return it.length ? values(run, it) : h('p', { class: 'note' }, 'nothing found');
      case 'json':
        return [
          images(it)
            .slice(0, 20)
            .map((image, n) => thumbnail(run, image, `image ${n + 1}`)),
          written(it),
        ];
      default:
        return values(run, [it]);
    }
  }

  function values(run, items) {
    switch (kindOfAll(items)) {
      case 'region':
      case 'mask':
        return table(
          'regions',
          ['label', 'score', 'box'],
          items.map((item) => [item.label, score(item.score), whole(item.box)]),
        );
      case 'line':
        return table(
          'lines of text',
          ['text', 'score'],
          items.map((item) => [item.text, score(item.score)]),
        );
      case 'point':
        return table(
          'points',
          ['label', 'score', 'x, y'],
          items.map((item) => [item.label, score(item.score), whole([item.x, item.y])]),
        );
      case 'label':
        return scored(items);
      case 'image': {
        const row = h('div', { class: 'row' });
        return many(row, items, (item, n) => thumbnail(run, item, `image ${n + 1} of ${items.length}`), 24);
      }
      case 'list':
        return ['point', 'label'].includes(kindOfAll(items.flat())) ? values(run, items.flat()) : written(items);
      case 'text':
      case 'number':
      case 'bool':
        return items.length > 64 ? written(items) : h('p', null, items.map(summary).join(', '));
      default:
        return [
          images(items)
            .slice(0, 20)
            .map((image, n) => thumbnail(run, image, `image ${n + 1}`)),
          written(items),
        ];
    }
  }

  // An argument as it was written, the steps in it as links.
  function argument(view, it, most = 400) {
    const match = typeof it === 'string' ? lavr.REFERENCE.exec(it) : undefined;
    if (match) return view.run.steps.has(match[1]) ? [view.link(match[1]), match[2]] : [h('code', null, it.slice(1))];
    if (Array.isArray(it) && it.length && it.length < 30 && it.every((part) => typeof part === 'string'))
      return it.map((part, n) => [n > 0 && ', ', argument(view, part, most)]);
    if (typeof it === 'string') return `“${lavr.short(it.startsWith('$$') ? it.slice(1) : it, most)}”`;
    return summary(it);
  }

  class Detail {
    constructor(view) {
      this.view = view;
      this.element = h('div', { class: 'detail' });
    }

    draw(run) {
      this.run = run;
      this.show(this.view.chosen);
    }

    press(chosen) {
      this.show(chosen);
    }

    show(chosen) {
      const step = this.run.steps.get(chosen?.step ?? this.resting(chosen));
      const focused = this.element.contains(document.activeElement);
      if (step) replace(this.element, this.step(step));
      else
        replace(
          this.element,
          h(
            'p',
            { class: 'note' },
            this.run.steps.size
              ? 'Choose a step, a bar or a mark to see what the step was given and what it returned.'
              : this.run.status === 'running'
                ? 'There is no step to choose yet.'
                : 'There are no steps to choose.',
          ),
        );
      if (focused) this.element.firstElementChild?.focus({ preventScroll: true });
    }

    // The step of a claim; with nothing chosen, the one that the run was for.
    resting(chosen) {
      const { claims, result } = this.run;
      const claim = claims[chosen?.claim] ?? claims.at(-1);
      return claim?.steps[0] ?? lavr.REFERENCE.exec(result ?? '')?.[1];
    }

    step(step) {
      const { run } = this;
      const head = h(
        'p',
        { class: 'title', tabindex: '-1' },
        h('b', null, step.id),
        ' ',
        h('code', null, step.tool || 'unknown tool'),
        ' ',
        h('span', { class: `badge ${step.state}` }, `${MARKS[step.state]} ${stateOf(run, step)}`),
      );
      const facts = [
        step.ms !== undefined && step.began !== undefined && `took ${time(step.ms)}`,
        step.began !== undefined && `began at ${time(step.began) || '0'}`,
        step.from.size > 0 && [...step.from].slice(0, 6).join(', '),
        step.type && `returns ${step.type}`,
      ].filter(Boolean);
      const users = [...run.steps.values()]
        .filter((other) => other.refs.some((ref) => ref.id === step.id))
        .slice(0, 20);
      return [
        head,
        h('p', { class: 'note' }, facts.join(' · ')),
        this.arguments(step),
        step.same_as && h('p', null, 'The same call as ', this.view.link(step.same_as), ', and answered from it.'),
        step.verified.map((entry) =>
          h('p', { class: 'verified' }, h('b', null, `${text(entry.finding)}: `), text(entry.why)),
        ),
        this.view.heading(step.error ? 'What went wrong' : 'Result'),
        step.error ? h('p', { class: 'wrong' }, text(step.error.message) || written(step.error)) : this.result(step),
        users.length > 0 &&
          h(
            'p',
            { class: 'note' },
            'Used by ',
            users.map((other, n) => [n > 0 && ', ', this.view.link(other.id)]),
          ),
      ];
    }

    result(step) {
      return step.result === undefined
        ? h('p', { class: 'note' }, outcome(this.run, step))
        : value(this.run, step.result);
    }

    arguments(step) {
      const args = isObject(step.args) ? step.args : isObject(step.given) ? step.given : {};
      const rows = Object.entries(args).map(([name, it]) => [
        h('dt', null, name),
        h('dd', null, argument(this.view, it)),
      ]);
      const given =
        isObject(step.given) && step.args !== undefined && JSON.stringify(step.given) !== JSON.stringify(step.args);
      return [
        this.view.heading('Arguments'),
        rows.length ? h('dl', null, rows) : h('p', { class: 'note' }, 'none'),
        given && fold(null, 'as the tool got them', () => written(step.given)),
      ];
    }
  }

  Object.assign(lavr, { Detail, argument, letters, written });
})((globalThis.lavr ??= {}));
