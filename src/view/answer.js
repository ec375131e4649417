// The answer with its claims, how the run ended, and what it used.
(function (lavr) {
  'use strict';

  const { count, fold, h, isObject, number, plural, replace, s, text, time, written } = lavr;

  const ENDS = {
    answered: ['✓', 'answered'],
    guessed: ['≈', 'guessed'],
    unanswerable: ['∅', 'not answerable from the evidence'],
    budget: ['◔', 'a limit was reached'],
    failed: ['✕', 'failed'],
    stopped: ['■', 'stopped'],
    cut: ['✂', 'cut off: the run was stopped before it ended'],
    running: ['…', 'running'],
  };

  function status(run) {
    const known = Object.hasOwn(ENDS, run.status);
    const [mark, words] = known ? ENDS[run.status] : ['?', run.status];
    return h(
      'span',
      { class: `badge ${known ? run.status : ''}` },
      h('i', { 'aria-hidden': 'true' }, mark),
      ` ${words}`,
    );
  }

  // What a run that goes on is at.
  function phase(run) {
    const steps = [...run.steps.values()];
    const running = steps.filter((step) => step.state === 'running').map((step) => step.id);
    if (running.length) return `Looking: ${running.slice(0, 5).join(', ')}`;
    if (!run.events) return 'Waiting for its turn';
    if (!steps.length) return 'Planning';
    return steps.some((step) => step.state === 'planned') ? 'Going on' : 'Weighing what was found';
  }

  class AnswerPart {
    constructor(view) {
      this.view = view;
      this.element = h('div', { class: 'answer' });
    }

    draw(run) {
      const answer = run.answer ?? {};
      const claims = run.claims;
      const worded = text(answer.text) && claims.map((claim) => claim.text).join(' ') !== answer.text;
      this.buttons = claims.map((claim, n) => this.claim(claim, n));
      replace(
        this.element,
        !answer.text &&
          (run.status === 'running'
            ? h('p', { class: 'big waiting' }, phase(run))
            : h('p', { class: 'big' }, 'There is no answer.')),
        worded && h('p', { class: 'big words' }, answer.text),
        claims.length > 0 &&
          h(
            'ul',
            { class: worded ? 'claims small' : 'claims' },
            this.buttons.map((button, n) =>
              h(
                'li',
                null,
                button,
                h(
                  'span',
                  { class: 'rests' },
                  'from ',
                  claims[n].steps.slice(0, 12).map((id) => [this.view.link(id), ' ']),
                  !claims[n].steps.length && 'no step',
                ),
              ),
            ),
          ),
        claims.length > 0 && h('p', { class: 'note hint' }, 'Choose a statement to see what it rests on.'),
        run.error && h('p', { class: 'wrong' }, text(run.error.message)),
        [
          ['Why', answer.rationale],
          ['But', answer.against],
          ['Besides, not from the images', answer.added],
          ['Not as it was asked for', answer.unstyled],
        ].map(([name, words]) => text(words) && h('p', { class: 'aside' }, h('b', null, `${name}: `), words)),
        answer.data !== undefined && fold(null, 'as JSON', () => written(answer.data)),
      );
    }

    claim(claim, n) {
      const button = h(
        'button',
        { type: 'button', class: 'claim', 'data-key': `claim-${n}`, 'aria-pressed': 'false' },
        claim.text || '(no words)',
      );
      return this.view.choosable(button, { claim: n });
    }

    light({ claims }) {
      this.buttons.forEach((button, n) => button.classList.toggle('lit', claims.has(n)));
    }

    press(chosen) {
      this.buttons.forEach((button, n) => button.setAttribute('aria-pressed', String(chosen?.claim === n)));
    }
  }

  // What was used of the limits, as far as the trace tells of limits.
  class Used {
    constructor() {
      this.element = h('div', { class: 'used' });
    }

    draw(run) {
      const { usage } = run;
      const limits = isObject(run.task?.budget) ? run.task.budget : {};
      const tokens = count(usage.prompt_tokens) + count(usage.completion_tokens);
      const rows = [
        ['time', run.last, limits.timeout_ms, time],
        [
          'tokens',
          tokens,
          limits.max_tokens,
          number,
          `${number(count(usage.prompt_tokens))} read, ${number(count(usage.completion_tokens))} written, ${number(count(usage.cached_tokens))} cached`,
        ],
        ['steps', count(usage.steps), limits.max_steps, number],
        ['rounds', count(usage.rounds), limits.max_rounds, number],
        [
          'LLM calls',
          count(usage.llm_calls),
          undefined,
          number,
          count(usage.reused_calls) ? `${number(usage.reused_calls)} from the cache` : '',
        ],
        ...(typeof usage.cost_usd === 'number'
          ? [['cost', usage.cost_usd, undefined, (usd) => `$${usd.toFixed(6)}`]]
          : []),
      ];
      replace(
        this.element,
        h(
          'dl',
          { class: 'gauges' },
          rows.map((row) => this.gauge(...row)),
        ),
        run.task !== undefined && fold(null, 'All settings', () => written(run.task)),
      );
    }

    gauge(name, used, limit, form, more) {
      const limited = typeof limit === 'number' && limit > 0;
      const share = limited ? Math.min(1, used / limit) : 0;
      const bar =
        limited &&
        s(
          'svg',
          {
            viewBox: '0 0 100 4',
            class: share >= 1 ? 'gauge full' : 'gauge',
            preserveAspectRatio: 'none',
            'aria-hidden': 'true',
          },
          s('rect', { width: 100, height: 4, class: 'whole' }),
          s('rect', { width: share * 100, height: 4 }),
        );
      return h(
        'div',
        null,
        h('dt', null, name),
        h(
          'dd',
          null,
          h('span', { class: 'figure' }, form(used)),
          limited && h('span', { class: 'note' }, ` of ${form(limit)}`),
          bar,
          more && h('span', { class: 'note more' }, more),
        ),
      );
    }
  }

  const facts = (run) =>
    [run.model, plural(run.steps.size, 'step'), run.last > 0 && time(run.last), run.version && `lavr ${run.version}`]
      .filter(Boolean)
      .join(' · ');

  Object.assign(lavr, { AnswerPart, Used, status, facts, phase });
})((globalThis.lavr ??= {}));
