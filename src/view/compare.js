// Two runs beside one another, and what differs between them.
(function (lavr) {
  'use strict';

  const { count, h, isObject, number, outcome, plural, RunView, short, status, table, text, time } = lavr;

  // A step's call, with the calls that it refers to in place of their names: alike in two runs, whatever the ids are.
  function callsOf(run) {
    const calls = new Map();
    const spelled = (value) => {
      if (typeof value === 'string') {
        const match = lavr.REFERENCE.exec(value);
        return match && calls.has(match[1]) ? { from: calls.get(match[1]), path: match[2] } : value;
      }
      if (Array.isArray(value)) return value.map(spelled);
      return isObject(value)
        ? Object.fromEntries(Object.entries(value).map(([name, item]) => [name, spelled(item)]))
        : value;
    };
    const numbers = new Map();
    for (const step of run.steps.values()) {
      const call = JSON.stringify([step.tool, spelled(step.args ?? step.given ?? null)]);
      // A number in place of the call itself: chains of calls would grow with every step.
      if (!numbers.has(call)) numbers.set(call, hash(call));
      calls.set(step.id, numbers.get(call));
    }
    return calls;
  }

  function hash(words) {
    let [a, b] = [0x811c9dc5, 0x1b873593];
    for (let n = 0; n < words.length; n += 1) {
      a = Math.imul(a ^ words.charCodeAt(n), 0x01000193);
      b = Math.imul(b ^ words.charCodeAt(n), 0x5bd1e995);
    }
    return `${(a >>> 0).toString(36)}.${(b >>> 0).toString(36)}.${words.length}`;
  }

  // Steps of both runs side by side: the same call first, then the same name.
  function pairsOf(a, b) {
    const [callsA, callsB] = [callsOf(a), callsOf(b)];
    const free = new Set(b.steps.keys());
    const byCall = new Map();
    for (const [id, call] of callsB) byCall.set(call, [...(byCall.get(call) ?? []), id]);
    const partner = new Map();
    const take = (id, other) => {
      if (other === undefined || !free.has(other)) return;
      free.delete(other);
      partner.set(id, other);
    };
    for (const [id, call] of callsA)
      take(
        id,
        byCall.get(call)?.find((other) => free.has(other)),
      );
    for (const [id] of callsA) if (!partner.has(id) && b.steps.get(id)?.tool === a.steps.get(id).tool) take(id, id);
    const pairs = [...a.steps.values()].map((step) => {
      const other = b.steps.get(partner.get(step.id));
      return {
        a: step,
        b: other,
        differs: other ? difference(step, other, callsA.get(step.id) === callsB.get(other.id)) : 'only in A',
      };
    });
    return [...pairs, ...[...free].map((id) => ({ a: undefined, b: b.steps.get(id), differs: 'only in B' }))];
  }

  function difference(a, b, sameCall) {
    const parts = [];
    if (!sameCall) parts.push('arguments');
    if (a.state !== b.state) parts.push('state');
    if (JSON.stringify(a.result) !== JSON.stringify(b.result)) parts.push('result');
    return parts.length ? `other ${parts.join(', ')}` : undefined;
  }

  const differenceOf = (form) => (a, b) => (a === b ? '' : `${b > a ? '+' : '−'}${form(Math.abs(b - a))}`);

  // What is told of both runs, and how B differs from A.
  function rowsOf(a, b) {
    const [used, other] = [a.usage, b.usage];
    const tokens = (usage) => count(usage.prompt_tokens) + count(usage.completion_tokens);
    const figures = [
      ['time', a.last, b.last, time],
      ['tokens', tokens(used), tokens(other), number],
      ['cached tokens', count(used.cached_tokens), count(other.cached_tokens), number],
      ['LLM calls', count(used.llm_calls), count(other.llm_calls), number],
      ['steps', count(used.steps), count(other.steps), number],
      ['rounds', count(used.rounds), count(other.rounds), number],
    ];
    if (used.cost_usd !== undefined || other.cost_usd !== undefined)
      figures.push(['cost', count(used.cost_usd), count(other.cost_usd), (usd) => `$${usd.toFixed(6)}`]);
    const words = (name, of) => ({ name, a: of(a), b: of(b), change: of(a) === of(b) ? '' : '≠ differs' });
    return [
      words('question', (run) => run.question),
      words('answer', (run) => text(run.answer?.text) || 'none'),
      words('short', (run) => text(run.answer?.short)),
      { name: 'ended', a: status(a), b: status(b), change: a.status === b.status ? '' : '≠ differs' },
      words('LLM', (run) => run.model),
      words(
        'images',
        (run) =>
          plural(run.images.length, 'image') +
          (run.images.length ? ` (${run.images.map((blob) => blob.slice(7, 13)).join(', ')})` : ''),
      ),
      ...figures.map(([name, left, right, form]) => ({
        name,
        a: form(left) || '0',
        b: form(right) || '0',
        change: differenceOf(form)(left, right),
        figure: true,
      })),
    ].filter((row) => row.a !== '' || row.b !== '');
  }

  class Comparison {
    constructor(a, b) {
      const pairs = pairsOf(a, b);
      const marks = (side) =>
        new Map(pairs.filter((pair) => pair[side] && pair.differs).map((pair) => [pair[side].id, pair.differs]));
      const [marksA, marksB] = [marks('a'), marks('b')];
      this.views = [
        new RunView(a, { level: 3, named: 'side-A', differs: (id) => marksA.get(id) }),
        new RunView(b, { level: 3, named: 'side-B', differs: (id) => marksB.get(id) }),
      ];
      const same = a.question === b.question;
      const changed = pairs.filter((pair) => pair.differs).length;
      const row = ({ name, a: left, b: right, change, figure }) =>
        h(
          'tr',
          { class: change ? 'differs' : '' },
          h('th', { scope: 'row' }, name),
          h('td', { class: figure ? 'n' : '' }, left),
          h('td', { class: figure ? 'n' : '' }, right),
          h('td', null, change),
        );
      const took = ({ a: left, b: right }) => {
        const change =
          left?.began !== undefined && right?.began !== undefined ? differenceOf(time)(left.ms, right.ms) : '';
        return change && h('span', { class: 'note' }, ` ${change}`);
      };
      const cell = (run, step) =>
        step
          ? [
              h('b', null, step.id),
              ' ',
              h('code', null, step.tool),
              h('br'),
              short(outcome(run, step), 100),
              step.began !== undefined && h('span', { class: 'note' }, ` ${time(step.ms)}`),
            ]
          : h('span', { class: 'note' }, 'none');
      this.element = h(
        'div',
        { class: 'comparison' },
        h(
          'div',
          { class: 'run-head' },
          h('h1', { class: 'question' }, same ? a.question || 'Two runs' : 'Two runs compared'),
          h('p', { class: 'facts note' }, 'A ', h('b', null, a.name), ' beside B ', h('b', null, b.name)),
        ),
        h(
          'section',
          { class: 'part', 'aria-labelledby': 'what-differs' },
          h('h2', { id: 'what-differs' }, 'What differs'),
          table('The two runs', ['', 'A', 'B', 'B against A'], rowsOf(a, b).map(row), { kind: 'diff' }),
          h('h3', null, `Steps: ${changed ? `${number(changed)} of ${number(pairs.length)} differ` : 'no difference'}`),
          table(
            'The steps of the two runs',
            ['A', 'B', 'difference'],
            pairs.map((pair) =>
              h(
                'tr',
                { class: pair.differs ? 'differs' : '' },
                h('td', null, cell(a, pair.a)),
                h('td', null, cell(b, pair.b)),
                h('td', null, pair.differs ? `≠ ${pair.differs}` : 'same', took(pair)),
              ),
            ),
            { kind: 'diff', most: 100 },
          ),
        ),
        h(
          'div',
          { class: 'beside' },
          this.views.map((view, n) =>
            h(
              'section',
              { class: 'side', 'aria-label': `Run ${'AB'[n]}` },
              h('h2', { class: 'side-name', id: `side-${'AB'[n]}` }, h('b', null, 'AB'[n]), ' ', [a, b][n].name),
              view.element,
            ),
          ),
        ),
      );
    }
  }

  Object.assign(lavr, { Comparison });
})((globalThis.lavr ??= {}));
