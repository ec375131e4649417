// What ran when: LLM calls and steps as bars, in as many lanes as ran at the same time.
(function (lavr) {
  'use strict';

  const { h, MARKS, number, replace, rest, rove, time } = lavr;

  const MOST_BARS = 1500;
  const MOST_LANES = 16;
  const ROW = 30;
  const ZOOMS = [1, 2, 4, 8, 16, 32, 64];

  // Gives each stretch the first lane that is free.
  function lanes(spans) {
    const free = [];
    for (const span of spans.toSorted?.((a, b) => a.from - b.from) ?? [...spans].sort((a, b) => a.from - b.from)) {
      let lane = free.findIndex((until) => until <= span.from);
      if (lane < 0) lane = free.length < MOST_LANES ? free.length : MOST_LANES - 1;
      free[lane] = Math.max(free[lane] ?? 0, span.to, span.from + 1);
      span.lane = lane;
    }
    return free.length;
  }

  // Round moments, about as many as there is room for.
  function ticks(last, wanted) {
    const rough = last / wanted;
    const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough) ?? power * 10;
    return Array.from({ length: Math.floor(last / step) + 1 }, (_, n) => n * step).slice(0, 400);
  }

  class Timeline {
    constructor(view) {
      this.view = view;
      this.zoom = 0;
      this.track = h('div', { class: 'track' });
      this.names = h('div', { class: 'lane-names', 'aria-hidden': 'true' });
      this.scroll = h('div', { class: 'scroll' }, this.track);
      this.out = h(
        'button',
        { type: 'button', class: 'quiet', 'aria-label': 'Zoom out', on: { click: () => this.scaled(-1) } },
        '−',
      );
      this.in = h(
        'button',
        { type: 'button', class: 'quiet', 'aria-label': 'Zoom in', on: { click: () => this.scaled(1) } },
        '+',
      );
      this.note = h('span', { class: 'note' });
      this.element = h(
        'div',
        { class: 'timeline' },
        h('div', { class: 'tools' }, this.note, this.out, this.in),
        h('div', { class: 'lanes' }, this.names, this.scroll),
      );
      if (globalThis.ResizeObserver) new ResizeObserver(() => this.run && this.ruled()).observe(this.scroll);
      rove(
        this.track,
        (key, buttons, at) => buttons[at + ({ ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 }[key] ?? NaN)],
      );
    }

    draw(run) {
      this.run = run;
      const all = run.spans;
      const spans = all.slice(0, MOST_BARS);
      const last = Math.max(1, run.last);
      const calls = spans.filter((span) => span.llm);
      const steps = spans.filter((span) => !span.llm);
      const above = lanes(calls);
      const rows = above + lanes(steps);
      for (const span of steps) span.lane += above;
      this.note.textContent =
        all.length > spans.length ? `The first ${number(MOST_BARS)} of ${number(all.length)} are drawn.` : '';
      this.track.style.setProperty('height', `${Math.max(1, rows) * ROW + 26}px`);
      this.bars = spans.sort((a, b) => a.from - b.from || a.lane - b.lane).map((span) => this.bar(span, last));
      replace(
        this.names,
        above > 0 && h('span', { at: { top: '26px' } }, 'LLM'),
        rows > above && h('span', { at: { top: `${26 + above * ROW}px` } }, 'steps'),
      );
      replace(
        this.track,
        this.axis(last),
        above > 0 && rows > above && h('div', { class: 'divide', at: { top: `${24 + above * ROW}px` } }),
        this.bars.map(({ button }) => button),
      );
      rest(this.track);
      this.scaled(0);
    }

    axis(last) {
      const width = (this.scroll.clientWidth || 600) * ZOOMS[this.zoom];
      const wanted = Math.max(2, Math.round(width / 110));
      const isLast = (t) => (1 - t / last) * width < 56;
      return h(
        'div',
        { class: 'axis', 'aria-hidden': 'true' },
        ticks(last, wanted).map((t) =>
          h(
            'span',
            { class: isLast(t) ? 'tick end' : 'tick', at: { left: `${(t / last) * 100}%` } },
            t >= 1000 && t < 60_000 ? `${t / 1000} s` : t ? time(t) : '0',
          ),
        ),
      );
    }

    bar(span, last) {
      const share = (ms) => `${(ms / last) * 100}%`;
      const took = time(span.to - span.from);
      const label = `${span.llm ? `LLM call, ${span.name}` : `Step ${span.name}`}, ${took}, from ${time(span.from) || '0'}${span.state === 'done' ? '' : `, ${lavr.STATES[span.state]}`}`;
      const at = {
        left: `min(${share(span.from)}, calc(100% - 6px))`,
        width: `max(6px, ${share(span.to - span.from)})`,
        top: `${26 + span.lane * ROW}px`,
      };
      const button = h(
        'button',
        {
          type: 'button',
          class: `bar ${span.llm ? 'llm' : 'step'} ${span.state}`,
          at,
          'data-key': span.key,
          'aria-label': label,
          title: label,
        },
        h('span', null, span.state === 'done' ? '' : `${MARKS[span.state]} `, span.name, ' ', h('small', null, took)),
      );
      return { span, button: this.view.choosable(button, span.llm ? { call: span.call } : { step: span.step }) };
    }

    scaled(by) {
      this.zoom = Math.min(ZOOMS.length - 1, Math.max(0, this.zoom + by));
      this.track.style.setProperty('width', `${ZOOMS[this.zoom] * 100}%`);
      [this.out.disabled, this.in.disabled] = [this.zoom === 0, this.zoom === ZOOMS.length - 1];
      if (by) this.ruled();
    }

    ruled() {
      this.track.querySelector('.axis')?.replaceWith(this.axis(Math.max(1, this.run.last)));
    }

    light({ steps, near }) {
      for (const { span, button } of this.bars) {
        button.classList.toggle('lit', steps.has(span.step));
        button.classList.toggle('near', !steps.has(span.step) && near.has(span.step));
      }
    }

    press(chosen) {
      for (const { span, button } of this.bars) {
        const pressed = span.llm ? chosen?.call === span.call : chosen?.step === span.step && span.step !== undefined;
        button.setAttribute('aria-pressed', String(pressed));
        // Only along the track: the page stays where it is.
        if (pressed && this.zoom) this.scroll.scrollLeft = button.offsetLeft - this.scroll.clientWidth / 3;
      }
    }
  }

  Object.assign(lavr, { Timeline });
})((globalThis.lavr ??= {}));
