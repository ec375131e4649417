// A run, told event by event: `run.apply(entry)` takes one line of a trace, or one event of a live run.
(function (lavr) {
  'use strict';

  const { boundsOf, images, isObject, isNumber, isQuoted, placed } = lavr;

  const REFERENCE = /^\$([a-z][a-z0-9_]*)((?:\.[^.[\]]+|\[\d+\])*)$/;
  const IMAGE = /^image([2-9]|[1-9]\d+)?$/;
  const MOST_ITEMS = 400;

  const list = (value) => (Array.isArray(value) ? value : []);
  const count = (value) => (isNumber(value) ? value : 0);
  const text = (value) => (typeof value === 'string' ? value : '');

  // `$image` is the first image.
  function imageIndex(id) {
    const match = IMAGE.exec(id);
    return match ? Number(match[1] ?? 1) - 1 : -1;
  }

  // The references anywhere in written arguments: `{ id, path, arg }`.
  function references(value, arg, found = []) {
    if (typeof value === 'string') {
      const match = REFERENCE.exec(value);
      if (match) found.push({ id: match[1], path: match[2], arg });
    } else if (Array.isArray(value)) {
      for (const item of value) references(item, arg, found);
    } else if (isObject(value)) {
      for (const [name, item] of Object.entries(value)) references(item, arg ?? name, found);
    }
    return found;
  }

  // Arguments with the steps that they name called otherwise.
  function renamed(value, names) {
    if (typeof value === 'string') {
      const match = REFERENCE.exec(value);
      return match && names.has(match[1]) ? `$${names.get(match[1])}${match[2]}` : value;
    }
    if (Array.isArray(value)) return value.map((item) => renamed(item, names));
    if (isObject(value))
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, renamed(item, names)]));
    return value;
  }

  class Run {
    // `picture(digest)` is `{ url, width, height }`, or nothing where the image is not there.
    constructor({ name = '', picture = () => undefined, live = false } = {}) {
      Object.assign(this, { name, picture, live });
      Object.assign(this, { question: '', standalone: '', model: '', version: '', task: undefined, images: [] });
      Object.assign(this, { steps: new Map(), taken: 0, calls: [], story: [], plans: 0, rounds: 0, result: undefined });
      Object.assign(this, { answer: undefined, error: undefined, used: undefined, ended: false, last: 0, events: 0 });
      this.signatures = new Map();
      // The number that the next step of a name gets that is taken.
      this.numbers = new Map();
      this.memory = new Map();
    }

    apply(entry) {
      if (!isObject(entry) || typeof entry.event !== 'string') return;
      const t = count(entry.t_ms);
      this.last = Math.max(this.last, t);
      this.events += 1;
      this.memory.clear();
      const tell = TOLD.has(entry.event) ? (this[entry.event].call(this, entry, t) ?? entry.event) : 'unknown';
      if (tell !== 'silent')
        this.story.push({ t, kind: tell, entry, call: tell === 'llm_call' ? this.calls.at(-1) : undefined });
    }

    started(entry) {
      this.question = text(entry.question);
      this.model = text(entry.model);
      this.version = text(entry.lavr);
      this.task = isObject(entry.task) ? entry.task : undefined;
      this.images = list(entry.images).map((image) => text(image?.blob ?? image));
      return 'silent';
    }

    // The question as it stands alone, without those that were asked before it.
    rewritten(entry) {
      this.standalone = text(entry.standalone);
    }

    llm_call(entry, t) {
      const ms = Math.min(count(entry.ms), t);
      this.calls.push({
        n: this.calls.length,
        purpose: text(entry.purpose) || 'llm',
        from: t - ms,
        to: t,
        ms: count(entry.ms),
        entry,
      });
    }

    // How a plan is put together with others is told later; until then, and in traces that do not tell, it is guessed.
    planned(entry) {
      this.plans += 1;
      this.join(list(entry.plan?.steps), `plan ${this.plans}`);
      this.result = text(entry.plan?.result) || this.result;
    }

    // The last plans as they stand in the run, in place of what was guessed of them.
    joined(entry) {
      const plans = list(entry.plans).slice(-1000);
      const names = plans.map((_, n) => `plan ${this.plans - plans.length + n + 1}`);
      for (const step of this.steps.values()) {
        const guessed = names.filter((name) => step.from.delete(name));
        // What has happened stays, whatever the plan.
        if (guessed.length && !step.from.size && step.began === undefined && step.over === undefined)
          this.steps.delete(step.id);
      }
      this.signatures = new Map([...this.signatures].filter(([, id]) => this.steps.has(id)));
      this.numbers.clear();
      for (const [n, plan] of plans.entries())
        for (const step of list(plan?.steps).filter(isObject)) {
          const [id, tool] = [text(step.id), text(step.tool)];
          if (this.steps.has(id)) this.adopt(this.steps.get(id), step.args, names[n]);
          else this.plan(id, tool, step.args, names[n]);
          this.signatures.set(JSON.stringify([tool, step.args]), id);
        }
      this.result = text(plans[0]?.result) || this.result;
      return plans.length > 1 ? undefined : 'silent';
    }

    voted(entry) {
      this.result = text(list(list(entry.votes)[0]?.results)[0]) || this.result;
    }

    decided(entry) {
      this.rounds += 1;
      const ids = list(entry.steps);
      const names = new Map();
      for (const [n, call] of list(entry.calls).entries()) {
        if (!isObject(call)) continue;
        const id = text(ids[n]) || text(call.id);
        names.set(text(call.id), id);
        this.plan(id, text(call.tool), renamed(call.args, names), `round ${this.rounds}`);
      }
      for (const id of ids)
        if (typeof id === 'string' && !this.steps.has(id)) this.plan(id, '', undefined, `round ${this.rounds}`);
      this.result = text(entry.result) || this.result;
    }

    // Steps that are the same call run once, under the first name; a name that is taken gets a number.
    join(steps, from) {
      const names = new Map();
      const added = [];
      for (const step of steps) {
        if (!isObject(step)) continue;
        const [id, tool, args] = [text(step.id), text(step.tool), renamed(step.args, names)];
        const signature = JSON.stringify([tool, args]);
        const same = this.signatures.get(signature);
        if (same) {
          names.set(id, same);
          this.steps.get(same).from.add(from);
          continue;
        }
        const taken = this.steps.get(id);
        // It was taken over from another run, before the plan that has it.
        if (taken && !taken.from.size && taken.tool === tool) {
          this.adopt(taken, args, from);
          added.push([signature, id]);
          continue;
        }
        let free = id;
        for (let n = this.numbers.get(id) ?? 2; this.steps.has(free); n += 1) {
          free = `${id.slice(0, 20)}_${n}`;
          this.numbers.set(id, n + 1);
        }
        if (free !== id) names.set(id, free);
        this.plan(free, tool, args, from);
        added.push([signature, free]);
      }
      for (const [signature, id] of added) if (!this.signatures.has(signature)) this.signatures.set(signature, id);
    }

    // A step that is known is one of this plan's.
    adopt(step, args, from) {
      step.from.add(from);
      step.args = args;
      step.refs = references(args);
    }

    plan(id, tool, args, from) {
      const step = {
        id,
        tool,
        args,
        given: undefined,
        refs: references(args),
        from: new Set(from ? [from] : []),
        state: 'planned',
        result: undefined,
        type: undefined,
        error: undefined,
        same_as: undefined,
        ms: undefined,
        began: undefined,
        over: undefined,
        verified: [],
        n: (this.taken += 1),
      };
      this.steps.set(id, step);
      return step;
    }

    // A step that no plan has told of, such as the one that says what the user points at.
    known(entry) {
      const id = text(entry.id);
      const step = this.steps.get(id);
      if (step) {
        step.tool ||= text(entry.tool);
        return step;
      }
      const made = this.plan(id, text(entry.tool), undefined, undefined);
      const shown = new Set(images(entry.args).map((image) => image.blob));
      made.refs = this.images.flatMap((blob, n) =>
        shown.has(blob) ? [{ id: n ? `image${n + 1}` : 'image', path: '', arg: 'image' }] : [],
      );
      return made;
    }

    step_started(entry, t) {
      const step = this.known(entry);
      Object.assign(step, { state: 'running', given: entry.args, began: t });
      return this.tell(step, t);
    }

    step_ended(entry, t) {
      const step = this.known(entry);
      const fresh = step.began === undefined;
      step.over = t;
      step.ms = count(entry.ms);
      step.error = entry.error;
      step.type = text(entry.type) || undefined;
      step.same_as = text(entry.same_as) || undefined;
      step.result = Object.hasOwn(entry, 'result') ? entry.result : undefined;
      step.placed = undefined;
      const skipped = fresh && text(entry.error?.message).startsWith('skipped');
      step.state = skipped ? 'skipped' : entry.error ? 'failed' : 'done';
      if (step.same_as && !skipped) step.state = entry.error ? 'failed' : 'reused';
      return fresh ? this.tell(step, t) : 'silent';
    }

    // Steps one after the other are one part of the story.
    tell(step, t) {
      const last = this.story.at(-1);
      if (last?.kind === 'steps') last.ids.push(step.id);
      else this.story.push({ t, kind: 'steps', ids: [step.id] });
      return 'silent';
    }

    verified(entry) {
      this.steps.get(entry.step)?.verified.push(entry);
    }

    answered(entry) {
      this.end(entry);
      this.answer = isObject(entry.answer) ? entry.answer : undefined;
    }

    failed(entry) {
      this.end(entry);
    }

    end(entry) {
      this.ended = true;
      this.error = isObject(entry.error) ? entry.error : undefined;
      this.used = isObject(entry.usage) ? entry.usage : undefined;
    }

    faults() {}
    shown() {}
    not_enough() {}
    asked() {}
    objected() {}
    arbitrated() {}
    infilled() {}

    // How the run ended: `answered`, `guessed`, `unanswerable`, `budget`, `failed`, `stopped`, `cut`, or `running`.
    get status() {
      if (!this.ended) return this.live ? 'running' : 'cut';
      return text(this.answer?.status) || (this.error?.kind === 'cancelled' ? 'stopped' : 'failed');
    }

    get claims() {
      const claims = list(this.answer?.claims).filter(isObject);
      return claims.map((claim) => ({
        text: text(claim.text),
        steps: list(claim.steps).filter((id) => typeof id === 'string'),
      }));
    }

    // What the run used: as it says itself, else as far as its events tell.
    get usage() {
      if (this.used) return this.used;
      const sum = (key) => this.calls.reduce((all, call) => all + count(call.entry[key]), 0);
      return {
        llm_calls: this.calls.length,
        prompt_tokens: sum('prompt_tokens'),
        cached_tokens: sum('cached_tokens'),
        completion_tokens: sum('completion_tokens'),
        steps: [...this.steps.values()].filter((step) => step.began !== undefined).length,
        rounds: Math.max(this.rounds, this.plans),
      };
    }

    remember(key, make) {
      if (!this.memory.has(key)) this.memory.set(key, make());
      return this.memory.get(key);
    }

    // A step's result as items with a place.
    itemsOf(step) {
      step.placed ??= placed(step.result).map((item) => Object.assign(item, { step: step.id }));
      return step.placed;
    }

    // These steps and all that they were made from.
    behind(ids) {
      const seen = new Set();
      const open = ids.filter((id) => this.steps.has(id));
      while (open.length) {
        const id = open.pop();
        if (seen.has(id)) continue;
        seen.add(id);
        for (const { id: other } of this.steps.get(id).refs) if (this.steps.has(other)) open.push(other);
      }
      return seen;
    }

    // The images, from 0, that a step's result comes from.
    looksAt(id) {
      const all = this.remember('looks', () => {
        const looks = new Map();
        for (const step of this.steps.values()) {
          const seen = new Set();
          for (const ref of step.refs) {
            if (imageIndex(ref.id) >= 0) seen.add(imageIndex(ref.id));
            for (const n of looks.get(ref.id) ?? []) seen.add(n);
          }
          looks.set(step.id, seen);
        }
        return looks;
      });
      return all.get(id) ?? new Set();
    }

    // What these steps rest on in each image: what they returned that has a place, else what they were made from.
    evidence(ids, claim) {
      const found = new Map(this.images.map((_, n) => [n, []]));
      const [seen, open] = [new Set(), [...ids].reverse()];
      while (open.length) {
        const step = this.steps.get(open.pop());
        if (!step || seen.has(step.id)) continue;
        seen.add(step.id);
        const own = this.itemsOf(step);
        for (const n of this.looksAt(step.id)) for (const item of own) found.get(n)?.push(item);
        if (!own.length) for (const ref of step.refs) open.push(ref.id);
      }
      for (const [n, items] of found) {
        const quotes = claim !== undefined && items.some((item) => isQuoted(item, claim));
        const kept = items.filter((item) => !quotes || item.kind !== 'line' || isQuoted(item, claim));
        found.set(n, distinct(kept.slice(0, MOST_ITEMS)));
      }
      return found;
    }

    // What is lit when a claim or a step is chosen; with nothing chosen, what the answer rests on.
    light(chosen) {
      const claim = chosen?.claim !== undefined ? this.claims[chosen.claim] : undefined;
      if (claim)
        return {
          steps: new Set(claim.steps),
          near: this.behind(claim.steps),
          claims: new Set([chosen.claim]),
          marks: this.evidence(claim.steps, claim.text),
        };
      const step = chosen?.step !== undefined ? this.steps.get(chosen.step) : undefined;
      if (step) {
        const resting = this.claims.flatMap((other, n) => (this.behind(other.steps).has(step.id) ? [n] : []));
        return {
          steps: new Set([step.id]),
          near: this.behind([step.id]),
          claims: new Set(resting),
          marks: this.evidence([step.id]),
          cuts: this.cutsOf(step),
        };
      }
      return {
        steps: new Set(),
        near: new Set(),
        claims: new Set(),
        marks: this.remember('all', () => this.evidenceOfAll()),
      };
    }

    evidenceOfAll() {
      const all = new Map(this.images.map((_, n) => [n, []]));
      const parts = this.claims.map((claim) => this.evidence(claim.steps, claim.text));
      // Without any claim: what was found by then.
      if (!parts.length) parts.push(this.evidence([...this.steps.keys()]));
      const pointed = [...this.steps.values()].filter((step) => step.tool === 'point_at').map((step) => step.id);
      for (const part of [this.evidence(pointed), ...parts])
        for (const [n, items] of part) for (const item of items) all.get(n).push(item);
      return new Map([...all].map(([n, items]) => [n, distinct(items)]));
    }

    // Where the images that a step made lie in the image that they were cut from.
    cutsOf(step) {
      const cuts = images(step.result).flatMap(({ blob, frame }) => {
        const size = this.picture(blob);
        if (!size || !isObject(frame) || ![frame.x, frame.y, frame.scale].every(isNumber) || frame.scale <= 0)
          return [];
        return [[frame.x, frame.y, frame.x + size.width / frame.scale, frame.y + size.height / frame.scale]];
      });
      return new Map([...this.looksAt(step.id)].map((n) => [n, cuts]));
    }

    // LLM calls and steps as stretches of time.
    get spans() {
      const calls = this.calls.map(({ n, purpose, from, to, entry }) => ({
        key: `call-${n}`,
        call: n,
        llm: true,
        name: purpose,
        from,
        to,
        state: entry.error ? 'failed' : entry.reused ? 'reused' : 'done',
      }));
      const steps = [...this.steps.values()].filter((step) => step.began !== undefined || step.over !== undefined);
      return [
        ...calls,
        ...steps.map((step) => ({
          key: `step-${step.id}`,
          step: step.id,
          llm: false,
          name: step.id,
          from: step.began ?? step.over,
          to: step.over ?? this.last,
          state: step.state,
        })),
      ];
    }
  }

  const TOLD = new Set([
    'started',
    'rewritten',
    'shown',
    'llm_call',
    'planned',
    'joined',
    'decided',
    'step_started',
    'step_ended',
    'verified',
    'answered',
    'failed',
    'faults',
    'not_enough',
    'voted',
    'asked',
    'objected',
    'arbitrated',
    'infilled',
  ]);

  // Each item once, the same place and name being the same item.
  function distinct(items) {
    const seen = new Map();
    for (const item of items) {
      const key = JSON.stringify([item.kind, item.value.label ?? item.value.text, boundsOf(item)]);
      if (!seen.has(key)) seen.set(key, item);
    }
    return [...seen.values()];
  }

  Object.assign(lavr, { Run, imageIndex, REFERENCE, list, text, count });
})((globalThis.lavr ??= {}));
