// One question of a conversation: its run, live or kept, and what can be done with it.
(function (lavr) {
  'use strict';

  const { editPlan, files, h, opened, outcome, phase, plural, replace, Run, RunView, short, status, text } = lavr;
  const DIGEST = /^sha256:[0-9a-f]{64}$/;
  const REFRESH_MS = 60;
  const TICK_MS = 150;

  class Turn {
    // `record` is what is kept of it: `{ id, question, settings, about, from, edited, entries, end, made }`, where
    // `about` are the places of its images among those of the conversation; all of them, where it does not say.
    // `n` is the number of the question.
    constructor(host, record, n) {
      const images = record.about ? record.about.map((place) => host.images[place]).filter(Boolean) : [...host.images];
      Object.assign(this, { host, record, n, images, stop: new AbortController(), wanted: new Set() });
      this.summary = h('summary');
      this.tools = h('div', { class: 'tools-row' });
      this.begin();
      this.view = new RunView(this.run, { level: 2, folded: true });
      this.element = h('details', { class: 'turn', open: true, tabindex: '-1' }, this.summary, this.view.element);
      for (const entry of record.entries) this.tell(entry, false);
      if (record.end) this.ended();
      this.draw();
    }

    // A run of which nothing is known yet but what was asked.
    begin() {
      this.run = new Run({ name: this.record.id, live: !this.record.end, picture: (digest) => this.picture(digest) });
      this.run.question = this.record.question;
      this.run.images = this.images.map((_, n) => `image:${n}`);
      this.digests = new Map(this.run.images.map((name, n) => [name, n]));
    }

    // An image of the question, or one that a step made; that is fetched when it is first wanted.
    picture(digest) {
      if (this.digests.has(digest)) {
        const image = this.images[this.digests.get(digest)];
        return image?.width ? image : undefined;
      }
      const made = this.host.made.get(digest);
      if (made) return made;
      if (DIGEST.test(digest) && !this.wanted.has(digest)) {
        this.wanted.add(digest);
        this.fetch(digest);
      }
      return undefined;
    }

    async fetch(digest) {
      try {
        const kept = this.record.made[digest];
        if (!kept && !this.record.id) return;
        const blob = kept ?? (await this.host.service.blob(`${this.record.id}/blobs/${digest}`));
        const picture = await opened(blob, digest);
        if (!picture.width) return;
        this.host.made.set(digest, picture);
        this.record.made[digest] = blob;
        this.later();
        if (!kept && this.record.end) this.host.saveSoon();
      } catch {
        // The page says in its place that it is not there.
      }
    }

    tell(entry, isNew = true) {
      if (entry.event === 'started')
        for (const [n, image] of (Array.isArray(entry.images) ? entry.images : []).entries())
          if (n < this.images.length) this.digests.set(text(image?.blob ?? image), n);
      this.run.apply(entry);
      this.heard = performance.now();
      if (!isNew) return;
      this.record.entries.push(entry);
      this.announce(entry);
      this.later();
    }

    announce(entry) {
      const step = this.run.steps.get(entry.id);
      if (entry.event === 'planned') this.host.announce(`Planned ${plural(this.run.steps.size, 'step')}.`);
      if (entry.event === 'step_ended' && step) this.host.announce(`${step.id}: ${outcome(this.run, step)}.`);
    }

    later() {
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        this.draw();
      }, REFRESH_MS);
    }

    // Takes up the run where the service has it, from its beginning.
    async follow() {
      this.record.entries = [];
      const ticking = setInterval(() => this.tick(), TICK_MS);
      try {
        await this.host.service.follow(this.record.id, {
          signal: this.stop.signal,
          tell: (entry) => this.tell(entry),
          end: (end) => this.over(end),
          lost: (isLost) => this.isLost !== isLost && ((this.isLost = isLost), this.drawTools()),
        });
      } catch (error) {
        if (this.stop.signal.aborted) return;
        const gone = error.status === 404 ? 'the service no longer has this run' : error.message;
        this.over({ status: 'lost', error: { message: gone } });
      } finally {
        clearInterval(ticking);
      }
    }

    tick() {
      this.view.tick(this.run.last + performance.now() - (this.heard ?? performance.now()));
    }

    over(end) {
      this.record.end = { status: text(end.status), error: end.error ?? null };
      // What was not there yet may be now.
      this.wanted.clear();
      this.ended();
      this.draw();
      const answer = text(this.run.answer?.text);
      this.host.announce(answer ? `Answer: ${answer}` : `The run is over: ${this.record.end.status}.`);
      this.host.save();
    }

    ended() {
      this.run.live = false;
      this.isLost = false;
      if (!this.run.ended && this.record.end.error) this.run.error = this.record.end.error;
    }

    // Leaves the run alone; it goes on at the service.
    leave() {
      this.stop.abort();
      clearTimeout(this.timer);
    }

    draw() {
      this.view.refresh();
      const { from, edited } = this.record;
      const answer = text(this.run.answer?.text) || (this.run.live ? `${phase(this.run)}…` : 'No answer.');
      const again = from && `again from ${from.step}${edited ? ', with an edited plan' : ''}`;
      replace(
        this.summary,
        h('span', { class: 'count' }, `Question ${this.n}`, again && ` · ${again}`),
        status(this.run),
        h(
          'span',
          { class: 'brief' },
          h('b', null, short(this.record.question, 200)),
          h('span', null, short(answer, 240)),
        ),
      );
      this.drawTools();
    }

    drawTools() {
      const { run, record } = this;
      const button = (words, key, click, props) =>
        h(
          'button',
          { type: 'button', class: 'quiet', 'data-key': key, on: { click: () => this.do(click) }, ...props },
          words,
        );
      const canEdit = [...run.steps.values()].some((step) => step.began !== undefined);
      const key = JSON.stringify([run.live, this.isLost, this.trouble, canEdit, run.claims.length > 0]);
      if (key === this.drawn) return;
      this.drawn = key;
      // Beside what goes on; then below the picture, so that nothing stands before what the answer rests on.
      const { answer, pictures } = this.view.parts;
      (run.live ? answer : pictures).element.after(this.tools);
      const isKnown = Boolean(record.id);
      replace(
        this.tools,
        run.live && button('Stop', 'stop', () => this.host.service.cancel(record.id)),
        !run.live && canEdit && isKnown && button('Edit the plan…', 'edit', () => this.edit()),
        !run.live && button('Save the run', 'save', () => this.save()),
        !run.live && isKnown && button('Save as a page', 'page', () => this.fetched('view', 'html')),
        !run.live &&
          isKnown &&
          run.images.length > 0 &&
          run.claims.length > 0 &&
          button('Save the marked image', 'marked', () => this.fetched('images/1/annotated', 'png')),
        this.isLost && h('span', { class: 'note', role: 'status' }, 'The connection is lost; trying again …'),
        this.trouble && h('span', { class: 'wrong', role: 'alert' }, this.trouble),
      );
    }

    async do(what) {
      this.trouble = '';
      try {
        await what();
      } catch (error) {
        this.trouble = error.status === 404 ? 'The service no longer has this run.' : error.message;
      }
      this.drawTools();
    }

    name() {
      const words = this.record.question.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? ['run'];
      return words.join('-').slice(0, 50);
    }

    async save() {
      const words = await files.written(this.host.record(), [this.record]);
      files.download(new Blob([words], { type: 'application/json' }), `${this.name()}.lavr.json`);
    }

    async fetched(path, kind) {
      files.download(await this.host.service.blob(`${this.record.id}/${path}`), `${this.name()}.${kind}`);
    }

    edit() {
      const chosen = this.view.chosen?.step;
      const go = async (step, plan) => {
        const { id } = await this.host.service.goOn(this.record.id, step, plan);
        const from = { run: this.record.id, step };
        const { question, settings, about } = this.record;
        return { ...newRecord(id, question, settings, about), from, edited: Boolean(plan) };
      };
      editPlan(this.run, chosen, go, (record) => this.host.turn(record));
    }
  }

  const newRecord = (id, question, settings, about) => ({
    id,
    question,
    settings,
    about,
    entries: [],
    end: undefined,
    made: {},
  });

  Object.assign(lavr, { Turn, newRecord });
})((globalThis.lavr ??= {}));
