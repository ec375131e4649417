// One run on a page: its parts, and what is chosen in all of them at once.
(function (lavr) {
  'use strict';

  const {
    AnswerPart,
    Course,
    Detail,
    facts,
    Graph,
    h,
    labelOf,
    Pictures,
    plural,
    replace,
    short,
    status,
    Steps,
    Timeline,
    Used,
  } = lavr;
  let views = 0;

  class RunView {
    // `level` is that of the question's heading; `named` is the id of the run's name, where there are
    // several; `differs(id)` says how a step differs from that of another run; `folded` folds the last parts away.
    constructor(run, { level = 1, named = '', differs = () => undefined, folded = false } = {}) {
      Object.assign(this, { run, level, differs, chosen: undefined, id: `run-${(views += 1)}` });
      this.head = h('div', { class: 'run-head' });
      this.title = `h${level}`;
      this.live = h('p', { class: 'hidden', role: 'status', 'aria-live': 'polite' });
      this.parts = {
        answer: new AnswerPart(this),
        pictures: new Pictures(this),
        graph: new Graph(this),
        detail: new Detail(this),
        steps: new Steps(this),
        timeline: new Timeline(this),
        course: new Course(this),
        used: new Used(this),
      };
      const { answer, pictures, graph, detail, steps, timeline, course, used } = this.parts;
      const part = (name, heading, ...children) =>
        h(
          'section',
          { class: `part p-${name}`, 'aria-labelledby': `${this.id}-${name} ${named}`.trim() },
          h(`h${level + 1}`, { id: `${this.id}-${name}` }, heading),
          children,
        );
      const more = [
        part('when', 'Time', timeline.element),
        h(
          'div',
          { class: 'columns last' },
          part('told', 'Course of the run', course.element),
          part('spent', 'Used', used.element),
        ),
      ];
      // Where there is no step, one part that says so is enough.
      this.one = part('one', 'Step', detail.element);
      this.all = part('all', 'Steps, one by one', steps.element);
      this.element = h(
        'div',
        { class: 'run', on: { keydown: (event) => event.key === 'Escape' && this.choose(undefined) } },
        this.head,
        h(
          'div',
          { class: 'columns' },
          h(
            'div',
            { class: 'column seen' },
            part('said', 'Answer', answer.element),
            part('looked', 'In the images', pictures.element),
          ),
          h('div', { class: 'column' }, part('planned', 'Plan', graph.element), this.one),
        ),
        this.all,
        folded ? h('details', { class: 'more-parts' }, h('summary', null, 'Time, course and use'), more) : more,
        this.live,
      );
      this.refresh();
    }

    // Draws the run as it is now: after new events.
    refresh() {
      replace(
        this.head,
        h(this.title, { class: 'question' }, this.run.question || 'A run without a question'),
        this.run.standalone &&
          h('p', { class: 'note standalone' }, 'understood as: ', h('q', null, this.run.standalone)),
        h('p', { class: 'facts' }, status(this.run), ' ', h('span', { class: 'note' }, facts(this.run))),
      );
      this.one.hidden = this.all.hidden = !this.run.steps.size;
      this.each('draw', this.run);
      this.each('press', this.chosen);
      this.light(this.chosen);
    }

    // While a run is live: `now` in milliseconds from its beginning.
    tick(now) {
      this.each('tick', now);
    }

    each(what, ...args) {
      for (const part of Object.values(this.parts)) {
        try {
          part[what]?.(...args);
        } catch (error) {
          // What cannot be drawn costs its own part, and not the page.
          console.error(error);
        }
      }
    }

    light(chosen) {
      this.each('light', this.run.light(chosen));
    }

    // A second choice of the same undoes it.
    choose(chosen) {
      const same = JSON.stringify(chosen) === JSON.stringify(this.chosen);
      this.chosen = same ? undefined : chosen;
      this.each('press', this.chosen);
      this.light(this.chosen);
      this.live.textContent = this.told(this.chosen);
    }

    // What a choice lights, in words.
    told(chosen) {
      if (chosen?.call !== undefined) return 'LLM call opened in the course of the run.';
      const { steps, marks } = this.run.light(chosen);
      const items = [...marks.values()].flat();
      const seen = items.length
        ? `${plural(items.length, 'mark')} in the picture: ${items.slice(0, 5).map(labelOf).join(', ')}`
        : 'no mark in the picture';
      if (chosen?.claim !== undefined)
        return `Claim: ${short(this.run.claims[chosen.claim]?.text, 200)} It rests on ${[...steps].join(', ') || 'no step'}; ${seen}.`;
      return chosen?.step === undefined ? 'Nothing is chosen.' : `Step ${chosen.step}; ${seen}.`;
    }

    // Pointing at it lights what belongs to it.
    lightable(element, chosen) {
      element.addEventListener('pointerenter', (event) => event.pointerType !== 'touch' && this.light(chosen));
      element.addEventListener('pointerleave', (event) => event.pointerType !== 'touch' && this.light(this.chosen));
      return element;
    }

    // And a click keeps it.
    pointable(element, chosen) {
      this.lightable(element, chosen);
      element.addEventListener('click', () => this.choose(chosen));
      return element;
    }

    // As does Enter; the focus of the keyboard lights it.
    choosable(element, chosen) {
      if (chosen.call === undefined) {
        element.addEventListener('focus', () => element.matches(':focus-visible') && this.light(chosen));
        element.addEventListener('blur', () => this.light(this.chosen));
        return this.pointable(element, chosen);
      }
      element.addEventListener('click', () => this.choose(chosen));
      return element;
    }

    // A heading inside a part.
    heading(words) {
      return h(`h${this.level + 2}`, { class: 'label' }, words);
    }

    // A step's name, by which it is chosen.
    link(id, mark, key) {
      if (!this.run.steps.has(id)) return h('code', null, id);
      const button = h(
        'button',
        { type: 'button', class: 'link', 'data-key': key },
        mark && h('i', { 'aria-hidden': 'true' }, `${mark} `),
        id || '(no id)',
      );
      return this.choosable(button, { step: id });
    }
  }

  Object.assign(lavr, { RunView });
})((globalThis.lavr ??= {}));
