// The plan as a graph: images at the top, the answer at the bottom, and each step below what it is made from.
(function (lavr) {
  'use strict';

  const { h, s, imageIndex, number, plural, replace, rest, rove, short, summary, text, thumbOf, time } = lavr;

  const NODE = { width: 176, height: 66 };
  const GAP = { x: 20, y: 46, edge: 12 };
  const MOST_NODES = 200;
  const MOST_THUMBS = 60;
  const SWEEPS = 6;

  const MARKS = { planned: '○', running: '…', done: '✓', failed: '✕', skipped: '–', reused: '↺' };
  const STATES = {
    planned: 'not run',
    running: 'did not end',
    done: 'done',
    failed: 'failed',
    skipped: 'skipped',
    reused: 'same call as an earlier step',
  };

  const stateOf = (run, step) =>
    step.state === 'running' && run.status === 'running' ? 'running' : STATES[step.state];

  // What a step brought, in a few words.
  function outcome(run, step) {
    if (step.state === 'reused') return `as ${step.same_as}`;
    if (step.state === 'failed') return `failed: ${text(step.error?.message) || text(step.error?.kind)}`;
    return step.state === 'done' ? summary(step.result) : stateOf(run, step);
  }

  // The nodes that are drawn, with the nodes above each; of very many steps those that the answer rests on.
  function nodesOf(run) {
    let steps = [...run.steps.values()];
    const all = steps.length;
    if (all > MOST_NODES) {
      const wanted = run.behind(run.claims.flatMap((claim) => claim.steps));
      steps = [...steps.filter((step) => wanted.has(step.id)), ...steps.filter((step) => !wanted.has(step.id))];
      steps = steps.slice(0, MOST_NODES).sort((a, b) => a.n - b.n);
    }
    const nodes = new Map();
    for (const n of run.images.keys())
      nodes.set(n ? `image${n + 1}` : 'image', { id: n ? `image${n + 1}` : 'image', kind: 'image', above: [] });
    for (const step of steps) {
      const above = [...new Set(step.refs.map((ref) => (imageIndex(ref.id) === 0 ? 'image' : ref.id)))].filter((id) =>
        nodes.has(id),
      );
      nodes.set(step.id, { id: step.id, kind: 'step', step, above });
    }
    if (run.ended && text(run.answer?.text)) {
      const claimed = [...new Set(run.claims.flatMap((claim) => claim.steps))].filter((id) => nodes.has(id));
      const named = lavr.REFERENCE.exec(text(run.result))?.[1];
      const above = claimed.length || !nodes.has(named) ? claimed : [named];
      // No id of a step has a capital letter.
      nodes.set('Answer', { id: 'Answer', kind: 'answer', above, weak: !claimed.length });
    }
    return { nodes, left: all - steps.length };
  }

  // Layers from the top, none wider than there is room for, with stand-ins where edges pass a layer, so that they go
  // around the nodes there; edges from the same node go together.
  function layersOf(nodes, most) {
    const taken = [];
    for (const node of nodes.values()) {
      node.layer = Math.max(node.kind === 'step' ? 1 : 0, ...node.above.map((id) => nodes.get(id).layer + 1));
      while (taken[node.layer] >= most) node.layer += 1;
      taken[node.layer] = (taken[node.layer] ?? 0) + 1;
    }
    const deepest = Math.max(...[...nodes.values()].map((node) => (node.kind === 'answer' ? 0 : node.layer)));
    if (nodes.has('Answer')) nodes.get('Answer').layer = deepest + 1;
    const layers = [];
    const put = (node) => (layers[node.layer] ??= []).push(node);
    const edges = [];
    for (const node of nodes.values()) {
      put(node);
      for (const id of node.above) {
        const from = nodes.get(id);
        const via = [from];
        const stands = (from.stands ??= []);
        for (let layer = from.layer + 1; layer < node.layer; layer += 1) {
          if (!stands[layer]) put((stands[layer] = { layer, width: 2, ups: [], downs: [] }));
          via.push(stands[layer]);
        }
        via.push(node);
        edges.push({ from, to: node, via });
      }
    }
    for (const node of nodes.values()) Object.assign(node, { width: NODE.width, ups: [], downs: [] });
    for (const { via } of edges)
      for (let n = 1; n < via.length; n += 1) {
        if (via[n].ups.includes(via[n - 1])) continue;
        via[n].ups.push(via[n - 1]);
        via[n - 1].downs.push(via[n]);
      }
    return { layers: Array.from(layers, (layer) => layer ?? []), edges };
  }

  const gapAfter = (node) => (node.id ? GAP.x : GAP.edge);
  const mean = (nodes, of) => nodes.reduce((all, node) => all + of(node), 0) / nodes.length;

  // Orders each layer by where its neighbours are, then places it as near to them as there is room.
  function place(layers, most) {
    const wideness = (layer) => layer.reduce((all, node) => all + node.width + gapAfter(node), -GAP.x);
    const room = Math.max(most * (NODE.width + GAP.x) - GAP.x, ...layers.map(wideness)) / 2;
    const middle = (node) => node.x + node.width / 2;
    const settle = (layer) => {
      let at = -Infinity;
      for (const node of layer) {
        node.x = Math.max(at, node.want);
        at = node.x + node.width + gapAfter(node);
      }
      const shift = layer.length ? mean(layer, (node) => node.want - node.x) : 0;
      let [left, right] = [-room, room];
      for (const node of layer) {
        node.x = Math.max(left, node.x + shift);
        left = node.x + node.width + gapAfter(node);
      }
      for (let n = layer.length - 1; n >= 0; n -= 1) {
        layer[n].x = Math.min(right - layer[n].width, layer[n].x);
        right = layer[n].x - (n ? gapAfter(layer[n - 1]) : 0);
      }
    };
    for (const layer of layers) {
      let x = -wideness(layer) / 2;
      for (const node of layer) {
        node.x = x;
        x += node.width + gapAfter(node);
      }
    }
    for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
      const down = sweep % 2 === 0;
      for (const layer of down ? layers : [...layers].reverse()) {
        for (const node of layer) {
          const near = down ? node.ups : node.downs;
          node.want = near.length ? mean(near, middle) - node.width / 2 : node.x;
        }
        layer.sort((a, b) => a.want - b.want);
        settle(layer);
      }
    }
    const all = layers.flat();
    const left = Math.min(...all.map((node) => node.x));
    for (const node of all) Object.assign(node, { x: node.x - left + 2, y: node.layer * (NODE.height + GAP.y) + 2 });
    return {
      width: Math.max(...all.map((node) => node.x + node.width)) + 2,
      height: layers.length * (NODE.height + GAP.y) - GAP.y + 4,
    };
  }

  function pathOf(via) {
    const points = via
      .map((node, n) => {
        const x = node.x + node.width / 2;
        if (n === 0) return [[x, node.y + NODE.height]];
        return n === via.length - 1
          ? [[x, node.y]]
          : [
              [x, node.y],
              [x, node.y + NODE.height],
            ];
      })
      .flat();
    let path = `M${points[0][0]} ${points[0][1]}`;
    for (let n = 1; n < points.length; n += 1) {
      const [[x1, y1], [x2, y2]] = [points[n - 1], points[n]];
      const bend = (y2 - y1) / 2;
      path += x1 === x2 ? `L${x2} ${y2}` : `C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
    }
    return path;
  }

  class Graph {
    constructor(view) {
      this.view = view;
      this.thumbs = new Map();
      this.states = new Map();
      this.box = h('div', { class: 'graph' });
      this.note = h('p', { class: 'note' });
      this.scroll = h('div', { class: 'scroll' }, this.box);
      this.element = h('div', { class: 'graph-frame' }, this.scroll, this.note);
      [this.most, this.wide] = globalThis.innerWidth < 480 ? [2, 148] : [3, 164];
      if (globalThis.ResizeObserver) new ResizeObserver(() => this.fit()).observe(this.scroll);
      rove(this.box, (key, buttons, at) => this.next(key, buttons[at]));
    }

    // Draws anew when there is room for more nodes beside one another, or for fewer.
    fit() {
      const room = this.scroll.clientWidth;
      const most = Math.max(2, Math.floor((room + GAP.x) / 172));
      const wide = Math.round(Math.min(176, Math.max(148, (room - 44 + GAP.x) / most - GAP.x)));
      if (!this.run || !room || room === this.room) return;
      [this.most, this.wide, this.room] = [most, wide, room];
      this.draw(this.run);
      this.press(this.view.chosen);
      this.light(this.run.light(this.view.chosen));
    }

    draw(run) {
      this.run = run;
      const { nodes, left } = nodesOf(run);
      this.nodes = nodes;
      NODE.width = this.wide;
      this.note.textContent = left
        ? `The first ${number(MOST_NODES)} steps are drawn; ${plural(left, 'more is', 'more are')} in the list of steps.`
        : '';
      if (!run.steps.size) {
        this.edges = [];
        const none = run.status === 'running' ? 'No step is planned yet.' : 'No step was planned.';
        replace(this.box, h('p', { class: 'note' }, none));
        return;
      }
      const { layers, edges } = layersOf(nodes, this.most);
      const size = place(layers, this.most);
      this.edges = edges.map(({ from, to, via }) => ({
        from,
        to,
        line: s('path', { d: pathOf(via), class: to.weak ? 'edge weak' : 'edge' }),
      }));
      const svg = s(
        'svg',
        { width: size.width, height: size.height, 'aria-hidden': 'true', focusable: 'false' },
        this.edges.map((edge) => edge.line),
      );
      // A graph that is a little too wide is drawn a little smaller; one that is much too wide can be scrolled.
      const fits = ((this.scroll.clientWidth || size.width + 6) - 6) / size.width;
      this.zoom = fits < 1 && fits > 0.75 ? fits : 1;
      this.box.style.setProperty('zoom', String(this.zoom));
      this.box.style.setProperty('width', `${size.width}px`);
      this.box.style.setProperty('height', `${size.height}px`);
      replace(
        this.box,
        svg,
        layers
          .flat()
          .filter((node) => node.id)
          .map((node) => this.node(run, node)),
      );
      rest(this.box);
      for (const { id, state } of run.steps.values()) this.states.set(id, state);
    }

    // Made once for each result: a picture that is put in anew flickers.
    thumb(run, step) {
      const known = this.thumbs.get(step.id);
      if (known?.found && known.result === step.result) return known.found;
      const found = run.steps.size <= MOST_THUMBS ? thumbOf(run, step) : undefined;
      this.thumbs.set(step.id, { result: step.result, found });
      return found;
    }

    // Says how long the steps have run that are running, `now` in milliseconds from the run's beginning.
    tick(now) {
      for (const node of this.nodes?.values() ?? [])
        if (node.step?.state === 'running' && node.took)
          node.took.textContent = time(Math.max(0, now - node.step.began));
    }

    node(run, node) {
      const at = { left: `${node.x}px`, top: `${node.y}px`, width: `${NODE.width}px`, height: `${NODE.height}px` };
      if (node.kind === 'image') return this.image(run, node, at);
      if (node.kind === 'answer')
        return (node.button = h(
          'div',
          { class: 'node answer-node', at },
          h('b', null, 'Answer'),
          h('span', null, short(run.answer.short ?? run.answer.text, 60)),
        ));
      const { step } = node;
      const round = [...step.from].find((from) => from.startsWith('round'));
      const differs = this.view.differs(step.id);
      const took = step.state === 'done' || step.state === 'failed' ? time(step.ms) : '';
      const thumb = this.thumb(run, step);
      const known = this.states.get(step.id);
      const fresh = run.live && known !== step.state && step.state !== 'planned' ? ' fresh' : '';
      node.took = h('small', null, step.began === undefined ? '' : took);
      const title = `${step.id}: ${step.tool || 'unknown tool'}, ${outcome(run, step)}${differs ? `, ${differs}` : ''}`;
      node.button = h(
        'button',
        {
          type: 'button',
          class: `node ${step.state}${thumb ? ' pictured' : ''}${fresh}`,
          at,
          'data-key': step.id,
          'aria-pressed': 'false',
          title,
        },
        h(
          'span',
          { class: 'head' },
          h('i', { class: 'state', 'aria-hidden': 'true' }, MARKS[step.state]),
          h('b', null, step.id),
          differs && h('em', { 'aria-label': differs, role: 'img' }, '≠'),
          round && h('small', null, round),
          !round && node.took,
        ),
        h('span', { class: 'tool' }, step.tool),
        thumb,
        h('span', { class: 'out' }, short(outcome(run, step), 60)),
      );
      return this.view.choosable(node.button, { step: step.id });
    }

    image(run, node, at) {
      const picture = run.picture(run.images[imageIndex(node.id)]);
      return (node.button = h(
        'div',
        { class: 'node image-node', at },
        picture && h('img', { src: picture.url, alt: '' }),
        h('b', null, node.id),
      ));
    }

    light({ steps, near }) {
      for (const node of this.nodes.values()) {
        const lit = steps.has(node.id);
        node.button?.classList.toggle('lit', lit);
        node.button?.classList.toggle('near', !lit && near.has(node.id));
      }
      for (const { from, to, line } of this.edges) {
        const towards = to.kind === 'answer' ? steps.has(from.id) : steps.has(to.id) || near.has(to.id);
        const lit = towards && near.size > 0;
        line.classList.toggle('lit', lit);
        // What is drawn last lies on top.
        if (lit) line.parentNode.append(line);
      }
    }

    press(chosen) {
      for (const node of this.nodes.values()) {
        if (node.kind !== 'step' || !node.button) continue;
        const pressed = chosen?.step === node.id;
        node.button.setAttribute('aria-pressed', String(pressed));
        if (pressed && this.isHidden(node))
          this.scroll.scrollTo({
            top: node.y * this.zoom - this.scroll.clientHeight / 3,
            left: node.x * this.zoom - this.scroll.clientWidth / 3,
          });
      }
    }

    isHidden(node) {
      const [x, y] = [node.x * this.zoom, node.y * this.zoom];
      const { scrollTop, scrollLeft, clientHeight, clientWidth } = this.scroll;
      return (
        y < scrollTop ||
        y + NODE.height > scrollTop + clientHeight ||
        x < scrollLeft ||
        x + NODE.width > scrollLeft + clientWidth
      );
    }

    // Up and down go to the nearest node of another layer, left and right along one.
    next(key, button) {
      const from = this.nodes.get(button.dataset.key);
      const others = [...this.nodes.values()].filter((node) => node.kind === 'step' && node !== from);
      const along = { ArrowLeft: -1, ArrowRight: 1 }[key];
      const across = { ArrowUp: -1, ArrowDown: 1 }[key];
      const far = (node) => Math.abs(node.layer - from.layer) * 10_000 + Math.abs(node.x - from.x);
      const right = (node) =>
        along
          ? node.layer === from.layer && Math.sign(node.x - from.x) === along
          : Math.sign(node.layer - from.layer) === across;
      if (!along && !across) return undefined;
      return others.filter(right).sort((a, b) => far(a) - far(b))[0]?.button;
    }
  }

  Object.assign(lavr, { Graph, MARKS, STATES, stateOf, outcome });
})((globalThis.lavr ??= {}));
