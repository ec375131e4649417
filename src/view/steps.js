// The steps one by one, in the order of the plan: what each was asked, what it returned, and a picture of that. For
// those who read, and for those who do not see the graph; it has all steps, however many there are.
(function (lavr) {
  'use strict';

  const { argument, h, isObject, kind, many, MARKS, outcome, replace, short, summary, text, thumbOf, time } = lavr;

  // So many are shown first, unless nearly all would be.
  const MOST = 12;
  const NEARLY = 16;
  // As the style has it.
  const SHAPE = 1.4;
  const MOST_ARGUMENTS = 8;
  const LONGEST_FIGURE = 6;

  // What stands where a step made or found nothing that can be shown.
  function figure(run, step) {
    const what = kind(step.result);
    const told = ['number', 'bool', 'text'].includes(what) ? summary(step.result).replace(/^“|”$/g, '') : '';
    const fits = step.state === 'done' && told && told.length <= LONGEST_FIGURE;
    const mark = step.state === 'done' && what === 'text' ? '“…”' : MARKS[step.state];
    return h('span', { class: `figure-box ${fits ? '' : step.state}`, 'aria-hidden': 'true' }, fits ? told : mark);
  }

  class Steps {
    constructor(view) {
      this.view = view;
      this.rows = new Map();
      this.element = h('div', { class: 'steps' });
    }

    draw(run) {
      this.run = run;
      const steps = [...run.steps.values()];
      const shown = Math.max(steps.length > NEARLY ? MOST : NEARLY, this.list?.childElementCount ?? 0);
      this.list = h('ol');
      replace(
        this.element,
        many(this.list, steps, (step) => this.row(step), shown),
      );
    }

    // Made once for each state: a picture that is put in anew flickers.
    row(step) {
      const { run } = this;
      const known = this.rows.get(step.id);
      const key = JSON.stringify([
        step.tool,
        step.state,
        run.status === 'running',
        step.ms,
        step.same_as,
        step.verified.length,
        step.args,
        step.refs,
      ]);
      const isSame = known?.key === key && known.result === step.result;
      const thumb = isSame && known.thumb ? known.thumb : thumbOf(run, step, SHAPE);
      if (isSame && known.thumb === thumb) return known.element;
      const element = h(
        'li',
        { class: `step ${step.state}` },
        h('div', { class: 'shown' }, thumb ?? figure(run, step)),
        h('p', { class: 'call' }, this.view.link(step.id, undefined, `list-${step.id}`), ' ', this.call(step)),
        h(
          'div',
          { class: 'came' },
          h('p', { class: step.state === 'failed' ? 'wrong' : '' }, this.came(step)),
          step.verified.map((entry) => h('p', { class: 'note' }, `${text(entry.finding)}: ${text(entry.why)}`)),
        ),
        h('p', { class: 'note took' }, step.began !== undefined && step.over !== undefined && time(step.ms)),
      );
      this.rows.set(step.id, {
        key,
        result: step.result,
        thumb,
        element: this.view.lightable(element, { step: step.id }),
      });
      return element;
    }

    call(step) {
      const args = isObject(step.args) ? step.args : isObject(step.given) ? step.given : {};
      const all = Object.entries(args);
      return [
        h('code', null, step.tool || 'unknown tool'),
        all
          .slice(0, MOST_ARGUMENTS)
          .map(([name, it], n) => [
            n > 0 ? ', ' : ' ',
            h('span', { class: 'note' }, `${name}: `),
            argument(this.view, it, 80),
          ]),
        all.length > MOST_ARGUMENTS && ' …',
      ];
    }

    // What a step brought; of one that brought nothing, why.
    came(step) {
      return step.state === 'reused'
        ? ['the same call as ', this.view.link(step.same_as)]
        : short(outcome(this.run, step), 240);
    }

    light({ steps, near }) {
      for (const [id, { element }] of this.rows) {
        element.classList.toggle('lit', steps.has(id));
        element.classList.toggle('near', !steps.has(id) && near.has(id));
      }
    }
  }

  Object.assign(lavr, { Steps });
})((globalThis.lavr ??= {}));
