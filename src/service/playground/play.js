// The playground: conversations about images, one run a question. A question sends along those that were asked before
// it in its conversation, and never their answers: what an answer says rests on what the tools see.
(function (lavr) {
  'use strict';

  const {
    Compose,
    files,
    formOf,
    h,
    newRecord,
    number,
    opened,
    plural,
    replace,
    Service,
    Shelf,
    short,
    Turn,
    themeButton,
  } = lavr;

  const EXAMPLES = [
    [
      'gallery.jpg',
      'A wall with photos',
      ['What does the sign say, and how many people are there?', 'How many people are there?'],
    ],
    ['receipt.png', 'A receipt', ['What is the total?']],
    ['road.jpg', 'A road sign', ['How far is it to Lakeside?']],
  ];

  // As many as the service takes.
  const MOST_EARLIER = 4;

  class Playground {
    constructor() {
      this.service = new Service();
      this.shelf = new Shelf();
      this.compose = new Compose((question, settings) => this.ask(question, settings));
      this.said = h('p', { class: 'hidden', role: 'status', 'aria-live': 'polite' });
      this.thread = h('div', { class: 'thread' });
      this.intro = this.makeIntro();
      this.fresh = h(
        'button',
        { type: 'button', class: 'quiet new', on: { click: () => this.begin(true) } },
        h('span', { 'aria-hidden': 'true' }, '+ '),
        'New conversation',
      );
      this.saver = h(
        'button',
        { type: 'button', class: 'quiet wide-only', on: { click: () => this.saveFile() } },
        'Save all',
      );
      this.opener = h('button', { type: 'button', class: 'quiet', on: { click: () => this.showShelf() } }, 'History');
      this.file = h('input', {
        type: 'file',
        accept: '.json,.jsonl',
        hidden: true,
        on: { change: () => this.picked() },
      });
      this.compose.form.append(this.fresh);
      this.clear();
      document.body.append(
        h(
          'header',
          { class: 'top' },
          h('p', null, h('b', null, 'lavr'), h('span', { class: 'note wide-only' }, ' playground')),
          h('div', { class: 'top-buttons' }, this.saver, this.opener, themeButton()),
        ),
        h('main', null, this.intro.head, this.thread, this.compose.form, this.intro.tail, this.said, this.file),
      );
      this.listen();
    }

    makeIntro() {
      const card = ([name, words, questions]) => {
        const image = h('img', { alt: words, class: 'card-image' });
        const blob = this.exampleOf(name);
        blob.then((made) => (image.src = URL.createObjectURL(made))).catch(() => image.remove());
        const ask = async (question) => {
          this.compose.trouble('');
          try {
            this.compose.tray.set([await opened(await blob, name)]);
            this.compose.question.value = question;
            this.compose.fit();
            this.compose.form.requestSubmit();
          } catch (error) {
            this.compose.trouble(`The example cannot be had: ${error.message}`);
          }
        };
        return h(
          'li',
          { class: 'card' },
          image,
          questions.map((question) => h('button', { type: 'button', on: { click: () => ask(question) } }, question)),
        );
      };
      const head = h(
        'div',
        { class: 'intro' },
        h('h1', null, 'Ask about your images'),
        h(
          'p',
          null,
          'A small LLM plans, expert models look, and every statement of the answer shows what it rests on.',
        ),
      );
      const tail = h(
        'section',
        { class: 'examples', 'aria-labelledby': 'examples' },
        h('h2', { id: 'examples' }, 'Or begin with one of these'),
        h('ul', { class: 'cards' }, EXAMPLES.map(card)),
      );
      return { head, tail };
    }

    async exampleOf(name) {
      return (await this.service.call(`examples/${name}`)).blob();
    }

    listen() {
      const isFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');
      let depth = 0;
      const drag = (on) => document.body.classList.toggle('dragging', on);
      addEventListener('dragenter', (event) => isFiles(event) && drag((depth += 1) > 0));
      addEventListener('dragleave', (event) => isFiles(event) && drag((depth -= 1) > 0));
      addEventListener('dragover', (event) => isFiles(event) && event.preventDefault());
      addEventListener('drop', (event) => {
        if (!isFiles(event)) return;
        event.preventDefault();
        drag((depth = 0) > 0);
        this.given([...event.dataTransfer.files]);
      });
      addEventListener('paste', (event) => {
        const given = [...(event.clipboardData?.files ?? [])];
        if (!given.length || document.querySelector('dialog[open]')) return;
        event.preventDefault();
        this.given(given);
      });
      addEventListener('popstate', () => this.restore());
    }

    // Files that were dropped or pasted: images for a question, or runs that were saved.
    async given(given) {
      const runs = given.find(files.isRuns);
      return runs ? this.openFile(runs) : this.compose.tray.add(given);
    }

    announce(words) {
      this.said.textContent = words;
    }

    // Lets go of the conversation that is shown.
    clear() {
      for (const turn of this.turns ?? []) turn.leave();
      Object.assign(this, { id: files.newId(), at: Date.now(), images: [], made: new Map(), turns: [] });
      replace(this.thread);
      this.arrange();
    }

    arrange() {
      const isEmpty = !this.turns.length;
      this.intro.head.classList.toggle('hidden', !isEmpty);
      this.intro.tail.hidden = !isEmpty;
      this.fresh.hidden = this.saver.hidden = isEmpty;
      this.compose.dock(!isEmpty, this.turns.at(-1)?.images ?? []);
    }

    begin(isChosen) {
      this.clear();
      this.announce(isChosen ? 'A new conversation begins.' : '');
      document.title = 'lavr';
      if (!isChosen) return;
      if (location.hash) history.pushState(null, '', location.pathname);
      this.compose.tray.choose.focus();
    }

    async ask(question, settings) {
      const { images } = this.compose.tray;
      const conversation = this.id;
      const { id } = await this.service.begin(formOf(question, settings, images, this.earlier()));
      // Another conversation may have begun meanwhile; the run goes on without it.
      if (conversation !== this.id) return;
      this.images.push(...images.filter((image) => !this.images.includes(image)));
      const about = images.map((image) => this.images.indexOf(image));
      this.turn(newRecord(id, question, settings, about));
    }

    // The user's own questions before the next one. Another plan for a question does not ask it again.
    earlier() {
      const asked = this.turns.filter((turn, n) => !n || !turn.record.from).map((turn) => turn.record.question);
      return asked.slice(-MOST_EARLIER);
    }

    // Another question of this conversation, whose run has begun.
    turn(record) {
      const isFirst = !this.turns.length;
      this.show(record).follow();
      if (isFirst) history.pushState(null, '', `#${this.id}`);
      this.save();
      const { element } = this.turns.at(-1);
      element.scrollIntoView({ block: 'start' });
      // What was clicked may be gone.
      const { activeElement } = document;
      if (activeElement === document.body || !activeElement.checkVisibility()) element.focus({ preventScroll: true });
    }

    show(record) {
      for (const turn of this.turns) turn.element.open = false;
      const again = record.from && this.turns.find((turn) => turn.record.id === record.from.run);
      const asked = this.turns.filter((turn) => !turn.record.from).length;
      const turn = new Turn(this, record, again ? again.n : asked + 1);
      this.turns.push(turn);
      this.thread.append(turn.element);
      this.arrange();
      document.title = `${short(this.turns[0].record.question, 80)} · lavr`;
      return turn;
    }

    record() {
      const images = this.images.map(({ name, blob }) => ({ name, blob }));
      return { id: this.id, at: this.at, images, turns: this.turns.map((turn) => turn.record) };
    }

    // What is kept goes on with the page, so it is kept as it is now.
    save() {
      const record = this.record();
      const turns = record.turns.map((turn) => ({
        ...turn,
        entries: turn.end ? turn.entries : [],
        made: { ...turn.made },
      }));
      return this.shelf.keep({ ...record, turns });
    }

    // Many images of steps may come one after the other.
    saveSoon() {
      const { id } = this;
      clearTimeout(this.saving);
      this.saving = setTimeout(() => id === this.id && this.save(), 500);
    }

    // Shows a conversation that was kept or opened; its runs that have no end are taken up.
    async load(record) {
      this.clear();
      Object.assign(this, { id: record.id, at: record.at });
      this.images = await Promise.all(record.images.map(({ blob, name }) => opened(blob, name)));
      for (const turn of record.turns) {
        const shown = this.show({ ...turn, made: { ...turn.made } });
        if (!turn.end) shown.follow();
      }
    }

    async restore() {
      const id = location.hash.slice(1);
      if (id === this.id && this.turns.length) return;
      const record = id ? await this.shelf.get(id) : undefined;
      if (record) await this.load(record);
      else this.begin(false);
    }

    async openFile(file) {
      try {
        const record = await files.read(file);
        await this.load(record).catch((error) => {
          this.begin(false);
          throw error;
        });
        history.pushState(null, '', `#${this.id}`);
        await this.save();
        this.announce(`${file.name} is opened: ${plural(this.turns.length, 'question')}.`);
      } catch (error) {
        this.compose.trouble(`The file cannot be opened: ${error.message}`);
      }
    }

    picked() {
      const [file] = this.file.files;
      this.file.value = '';
      if (file) this.openFile(file);
    }

    async saveFile() {
      const words = await files.written(this.record());
      files.download(new Blob([words], { type: 'application/json' }), `${this.turns[0].name()}-all.lavr.json`);
    }

    // What was asked before, and whether it is kept.
    async showShelf() {
      const list = h('ul', { class: 'kept' });
      const note = h('p', { class: 'note', role: 'status' });
      const draw = async () => {
        const heads = await this.shelf.heads();
        const open = async (id) => {
          dialog.close();
          history.pushState(null, '', `#${id}`);
          await this.restore();
        };
        replace(
          list,
          heads.map((head) => this.kept(head, open, draw)),
        );
        const where = this.shelf.isOn ? 'Kept in this browser, and nowhere else.' : 'Kept until this page is left.';
        note.textContent = this.shelf.trouble || (heads.length ? where : `Nothing was asked yet. ${where}`);
        clear.disabled = !heads.length;
        clear.textContent = 'Clear all';
        sure = false;
      };
      let sure = false;
      const clear = h('button', { type: 'button', class: 'quiet' });
      clear.addEventListener('click', async () => {
        if (!sure) {
          sure = true;
          clear.textContent = `Really clear ${number(list.childElementCount)}?`;
          return;
        }
        await this.shelf.clear();
        await draw();
      });
      const keep = h('input', { type: 'checkbox', id: 'keep', checked: this.shelf.isOn });
      keep.addEventListener('change', async () => {
        await this.shelf.switch(keep.checked);
        await draw();
      });
      const dialog = h(
        'dialog',
        { class: 'small', 'aria-labelledby': 'shelf-title' },
        h('h2', { id: 'shelf-title' }, 'History'),
        h('label', { class: 'check', for: 'keep' }, keep, ' Keep conversations and their images in this browser'),
        note,
        list,
        h(
          'div',
          { class: 'buttons' },
          h(
            'button',
            { type: 'button', class: 'quiet', on: { click: () => (dialog.close(), this.file.click()) } },
            'Open a file…',
          ),
          clear,
          h('button', { type: 'button', class: 'quiet', on: { click: () => dialog.close() } }, 'Back'),
        ),
      );
      dialog.addEventListener('close', () => dialog.remove());
      await draw();
      document.body.append(dialog);
      dialog.showModal();
    }

    kept({ id, at, questions }, open, draw) {
      const more = questions.length > 1 ? ` and ${plural(questions.length - 1, 'more question')}` : '';
      const when = new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
      const forget = async () => {
        await this.shelf.forget(id);
        await draw();
      };
      return h(
        'li',
        null,
        h(
          'button',
          { type: 'button', class: 'open', 'data-key': `open-${id}`, on: { click: () => open(id) } },
          h('b', null, short(questions[0] ?? '', 120)),
          h('span', { class: 'note' }, `${when}${more}`),
        ),
        h(
          'button',
          {
            type: 'button',
            class: 'quiet',
            'aria-label': `Forget: ${short(questions[0] ?? '', 80)}`,
            on: { click: forget },
          },
          'Forget',
        ),
      );
    }

    async start() {
      await this.restore();
      try {
        this.compose.models(await this.service.models());
      } catch (error) {
        this.compose.trouble(`The service does not answer: ${error.message}`);
      }
    }
  }

  new Playground().start();
})((globalThis.lavr ??= {}));
