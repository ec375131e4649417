// The course of a run, told from its beginning: what was asked of the LLM, planned, done, doubted, and decided.
(function (lavr) {
  'use strict';

  const {
    count,
    fold,
    h,
    isNumber,
    isObject,
    letters,
    list,
    many,
    MARKS,
    number,
    plural,
    replace,
    text,
    time,
    written,
  } = lavr;

  // What an LLM call was for.
  const PURPOSES = {
    standalone: 'understand the question',
    translate: 'translate the question',
    plan: 'write a plan',
    sample: 'write another plan',
    decide: 'decide what to do next',
    repair: 'repair a plan',
    refine: 'word the answer',
    guess: 'guess',
    style: 'style the answer',
    ask: 'ask smaller questions',
    split: 'take the question apart',
    recall: 'recall what is known',
    look: 'look for itself',
    rationale: 'reason',
    critic: 'criticise the answer',
    arbitrate: 'weigh the answers',
    infill: 'fill a gap',
    check_fill: 'check what fills a gap',
  };

  const quoted = (words) => h('q', null, text(words));
  const noted = (name, words) => text(words) && h('p', null, h('b', null, `${name}: `), text(words));

  class Course {
    constructor(view) {
      this.view = view;
      this.element = h('div', { class: 'course' });
    }

    draw(run) {
      this.run = run;
      this.calls = new Map();
      const open = new Set(
        [...this.element.querySelectorAll('details[open][data-call]')].map((details) => Number(details.dataset.call)),
      );
      this.round = 0;
      const items = h('ol');
      replace(
        this.element,
        run.story.length
          ? many(items, run.story, (part) => this.item(part), 150)
          : h('p', { class: 'note' }, 'Nothing has happened yet.'),
      );
      for (const n of open) this.calls.get(n)?.reveal();
    }

    // Opens an LLM call, when it is chosen elsewhere.
    press(chosen) {
      const details = chosen?.call === undefined ? undefined : this.calls.get(chosen.call);
      details?.reveal();
      details?.scrollIntoView({ block: 'nearest' });
    }

    item(part) {
      const told = this[`on_${part.kind}`]
        ? this[`on_${part.kind}`](part.entry ?? part, part)
        : this.unknown(part.entry);
      return h(
        'li',
        { class: `event on-${part.kind}` },
        h('span', { class: 'when' }, time(part.t) || '0'),
        h('div', null, told),
      );
    }

    steps(ids) {
      return list(ids)
        .filter((id) => typeof id === 'string')
        .slice(0, 60)
        .map((id) => [this.view.link(id, MARKS[this.run.steps.get(id)?.state]), ' ']);
    }

    on_steps({ ids }) {
      const more = ids.length > 60 && `and ${number(ids.length - 60)} more`;
      return h('p', null, 'Ran ', this.steps([...new Set(ids)]), more);
    }

    on_llm_call(entry, { call }) {
      const tokens = `${number(count(entry.completion_tokens))} tokens from ${number(count(entry.prompt_tokens))}`;
      const cached = count(entry.cached_tokens) ? ` (+${number(entry.cached_tokens)} cached)` : '';
      const purpose = Object.hasOwn(PURPOSES, call.purpose) ? PURPOSES[call.purpose] : call.purpose;
      const head = h(
        'span',
        null,
        'LLM, to ',
        h('b', null, purpose),
        h(
          'span',
          { class: 'note' },
          ` ${tokens}${cached}, ${entry.edited ? 'written by hand' : entry.reused ? 'from the cache' : time(call.ms)}`,
        ),
        entry.error && h('span', { class: 'badge failed' }, '✕ failed'),
      );
      const details = fold({ 'data-call': call.n }, head, () => {
        const messages = list(entry.prompt).filter(isObject);
        return [
          entry.error && h('p', { class: 'wrong' }, text(entry.error.message)),
          typeof entry.reply === 'string' && [this.view.heading('Reply'), letters(entry.reply)],
          this.view.heading(`Prompt of ${plural(messages.length, 'message')}`),
          list(entry.images).length > 0 &&
            h('p', { class: 'note' }, `${plural(entry.images.length, 'image')} went with it.`),
          messages.slice(0, 200).map((message, n) => this.message(message, n === messages.length - 1)),
          entry.schema !== undefined &&
            fold(null, 'The JSON Schema that the reply had to fit', () => written(entry.schema)),
        ];
      });
      this.calls.set(call.n, details);
      return details;
    }

    message(message, last) {
      const words = text(message.content);
      const folded = fold(
        { class: 'message' },
        h(
          'span',
          null,
          h('b', null, text(message.role)),
          ' ',
          h('span', { class: 'note' }, lavr.short(words.replace(/\s+/g, ' '), 90)),
        ),
        () => letters(words),
      );
      if (last) folded.reveal();
      return folded;
    }

    on_planned(entry) {
      const steps = list(entry.plan?.steps).filter(isObject);
      const repairs = count(entry.repairs) ? `, after ${plural(entry.repairs, 'repair')}` : '';
      return [
        h(
          'p',
          null,
          h('b', null, 'Plan'),
          ` of ${plural(steps.length, 'step')}${repairs}, for `,
          h('code', null, text(entry.plan?.result).replace(/^\$/, '')),
        ),
        noted('Thought', entry.thought),
        fold(null, 'as it was written', () => written(entry.plan)),
      ];
    }

    on_rewritten(entry) {
      return h('p', null, h('b', null, 'Understood as '), quoted(entry.standalone));
    }

    on_joined(entry) {
      const plans = list(entry.plans);
      const ids = plans.flatMap((plan) => list(plan?.steps).map((step) => text(step?.id)));
      const all = new Set(ids).size;
      return [
        h(
          'p',
          null,
          h('b', null, `${plural(plans.length, 'plan')} put together`),
          `: ${plural(all, 'step')}, where apart they had ${number(ids.length)}`,
        ),
        fold(null, 'as they stand in the run', () => written(plans)),
      ];
    }

    on_faults(entry) {
      const faults = list(entry.faults).filter(isObject);
      return [
        h('p', null, h('b', null, `A plan with ${plural(faults.length, 'fault')}`), ' went back to the LLM.'),
        h(
          'ul',
          { class: 'faults' },
          faults
            .slice(0, 50)
            .map((fault) =>
              h(
                'li',
                null,
                h('code', null, text(fault.at)),
                ' ',
                text(fault.message),
                text(fault.suggestion) && h('span', { class: 'note' }, ` → ${fault.suggestion}`),
              ),
            ),
        ),
        fold(null, 'the faulty plan', () =>
          typeof entry.plan === 'string' ? letters(entry.plan) : written(entry.plan),
        ),
      ];
    }

    on_decided(entry) {
      this.round += 1;
      return [
        h(
          'p',
          null,
          h('b', null, `Round ${this.round}`),
          count(entry.repairs) > 0 && `, after ${plural(entry.repairs, 'repair')}`,
        ),
        text(entry.thought) && h('p', { class: 'thought' }, entry.thought),
        noted('Missing', entry.missing),
        list(entry.steps).length > 0 && h('p', null, 'Asks for ', this.steps(entry.steps)),
        text(entry.result) && h('p', null, 'The result is ', h('code', null, entry.result.replace(/^\$/, ''))),
      ];
    }

    on_shown(entry) {
      const to = text(entry.to).replace('-', ' ');
      const demos = list(entry.demos).map(text).filter(Boolean);
      const head = h('span', null, 'Demos for the ', h('b', null, to || 'LLM'));
      if (!demos.length) return h('p', null, head);
      return fold(null, head, () => h('ul', null, ...demos.slice(0, 30).map((demo) => h('li', null, demo))));
    }

    on_not_enough(entry) {
      return h('p', null, h('b', null, 'Not enough yet'), text(entry.missing) && `: ${entry.missing}`);
    }

    on_voted(entry) {
      const votes = list(entry.votes).filter(isObject);
      const most = votes.reduce((most, vote) => Math.max(most, count(vote.plans)), 1);
      return [
        h(
          'p',
          null,
          h('b', null, 'Vote'),
          ` of ${plural(
            votes.reduce((all, vote) => all + count(vote.plans), 0),
            'plan',
          )}`,
          entry.tie && ', a tie that the most probable plan decided',
        ),
        h(
          'ul',
          { class: 'votes' },
          votes
            .slice(0, 30)
            .map((vote, n) =>
              h(
                'li',
                { class: n === 0 ? 'won' : '' },
                h('span', null, n === 0 && '✓ ', vote.answer == null ? 'no answer' : text(vote.answer)),
                h('span', { class: 'tally', 'aria-hidden': 'true', at: { '--share': count(vote.plans) / most } }),
                h(
                  'span',
                  { class: 'note' },
                  `${plural(count(vote.plans), 'plan')} · ${[...new Set(list(vote.results).map(text))].join(', ').replaceAll('$', '')}`,
                ),
              ),
            ),
        ),
      ];
    }

    on_asked(entry) {
      return [
        h('p', null, h('b', null, 'Smaller question: '), text(entry.question)),
        h(
          'p',
          null,
          entry.answer == null ? h('em', null, 'no answer') : text(entry.answer),
          ' ',
          this.steps(entry.steps),
        ),
      ];
    }

    on_objected(entry) {
      return [
        h('p', null, h('b', null, 'The critic objects: '), text(entry.objection)),
        h('p', { class: 'note' }, 'to ', quoted(entry.answer)),
      ];
    }

    on_verified(entry) {
      return h(
        'p',
        null,
        h('b', null, `Verified, ${text(entry.finding)}: `),
        this.steps([entry.step]),
        text(entry.why),
      );
    }

    on_arbitrated(entry) {
      const item = (candidate, n) =>
        h(
          'li',
          { class: n === entry.best ? 'won' : '' },
          h('p', null, n === entry.best && '✓ ', text(candidate.answer), ' ', this.steps(candidate.steps)),
          h(
            'p',
            { class: 'note' },
            [list(candidate.tools).join(', '), text(candidate.reliability)].filter(Boolean).join(': '),
          ),
        );
      return [
        h('p', null, h('b', null, 'Answers weighed')),
        h('ul', { class: 'votes' }, list(entry.candidates).filter(isObject).slice(0, 30).map(item)),
        noted('Why', entry.why),
      ];
    }

    on_infilled(entry) {
      return [
        h(
          'p',
          null,
          h('b', null, 'Gap: '),
          text(entry.missing),
          isNumber(entry.after_image) && ` (after image ${entry.after_image})`,
        ),
        h('p', null, entry.fill == null ? h('em', null, 'Nothing fits.') : ['Filled with ', quoted(entry.fill)]),
        list(entry.tried)
          .filter(isObject)
          .slice(0, 30)
          .map((tried) => h('p', { class: 'note' }, '✕ ', quoted(tried.fill), ` ${text(tried.objection)}`)),
        h(
          'p',
          { class: 'note' },
          'before: ',
          this.steps(entry.before),
          list(entry.after).length > 0 && [' after: ', this.steps(entry.after)],
        ),
      ];
    }

    on_answered(entry) {
      return [
        h('p', null, h('b', null, 'Answered'), entry.error && ', as a limit was reached'),
        entry.error && h('p', { class: 'wrong' }, text(entry.error.message)),
      ];
    }

    on_failed(entry) {
      return [h('p', null, h('b', null, 'Failed')), h('p', { class: 'wrong' }, text(entry.error?.message))];
    }

    unknown(entry) {
      return fold(
        null,
        h(
          'span',
          null,
          h('b', null, text(entry.event)),
          h('span', { class: 'note' }, ' an event that this page does not know'),
        ),
        () => written(entry),
      );
    }
  }

  Object.assign(lavr, { Course });
})((globalThis.lavr ??= {}));
