// What is asked, and how: the question, its images, and the settings of the run.
(function (lavr) {
  'use strict';

  const { h, replace, Tray } = lavr;
  const MODES = [
    ['', 'as the service is set'],
    ['auto', 'auto: a plan first, rounds where it does not suffice'],
    ['controller', 'controller: one plan'],
    ['decision-maker', 'decision maker: round by round'],
  ];
  const CHAINS = [
    'critic=on',
    'votes=3',
    'verify=on',
    'stages=two',
    'stop=3',
    'questions=ask',
    'questions=split',
    'think=on',
  ];
  const STYLES = ['length=short', 'tone=formal', 'audience=children', 'language=zh-Hant', 'language=de'];

  class Compose {
    constructor(ask) {
      this.ask = ask;
      this.alert = h('p', { class: 'wrong', role: 'alert' });
      this.tray = new Tray({ changed: () => this.draw(), trouble: (words) => this.trouble(words) });
      this.question = h('textarea', {
        id: 'question',
        rows: 1,
        maxlength: 4000,
        enterkeyhint: 'send',
        on: {
          keydown: (event) => {
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            this.form.requestSubmit();
          },
          input: () => this.fit(),
        },
      });
      this.label = h('label', { for: 'question', class: 'hidden' }, 'Question');
      this.send = h('button', { class: 'strong', type: 'submit' }, 'Ask');
      this.model = h('select', { id: 'model' }, h('option', { value: '' }, 'lavr'));
      this.mode = h(
        'select',
        { id: 'mode' },
        MODES.map(([value, words]) => h('option', { value }, words)),
      );
      const written = (id, words, known) => {
        const input = h('input', {
          id,
          type: 'text',
          placeholder: words,
          list: `${id}s`,
          autocomplete: 'off',
          spellcheck: 'false',
        });
        const choices = h(
          'datalist',
          { id: `${id}s` },
          known.map((value) => h('option', { value })),
        );
        return [input, choices];
      };
      const [chain, chains] = written('chain', 'votes=3,critic=on', CHAINS);
      const [style, styles] = written('style', 'length=short,tone=formal', STYLES);
      this.guess = h('input', { type: 'checkbox', id: 'guess' });
      Object.assign(this, { chain, style });
      this.point = h(
        'button',
        { type: 'button', class: 'quiet', on: { click: () => this.tray.point() } },
        'Point at a place…',
      );
      this.pointed = h('span', { class: 'note' });
      const field = (id, words, ...parts) => h('div', { class: 'field' }, h('label', { for: id }, words), parts);
      this.told = h('span', { class: 'note' });
      this.options = h(
        'details',
        { class: 'options', on: { input: () => this.tell(), change: () => this.tell() } },
        h('summary', null, 'How it is asked', this.told),
        h(
          'div',
          { class: 'fields' },
          field('mode', 'Mode', this.mode),
          field('model', 'Model', this.model),
          field('chain', 'Chain', chain, chains),
          field('style', 'Style', style, styles),
          h('label', { class: 'check' }, this.guess, ' Guess where the evidence does not answer'),
          h('div', { class: 'place' }, this.point, this.pointed),
        ),
      );
      this.form = h(
        'form',
        {
          class: 'asking',
          'aria-label': 'Ask',
          on: {
            submit: (event) => {
              event.preventDefault();
              this.submit();
            },
          },
        },
        this.tray.element,
        h('div', { class: 'line' }, this.label, this.question, this.send),
        this.options,
        this.alert,
      );
      this.draw();
    }

    // In a conversation the images are those of its last question, until others are chosen.
    dock(isDocked, images) {
      this.isDocked = this.tray.isDocked = isDocked;
      this.form.classList.toggle('docked', isDocked);
      // Images that were chosen for the next question stay.
      const chosen = isDocked && !this.tray.isLocked && this.tray.images.some((image) => !images.includes(image));
      if (!chosen) this.tray.set(images, images.length > 0);
      this.options.open = false;
    }

    draw() {
      const { images, box, isLocked } = this.tray;
      const others = images.length > 1 ? 'the new images' : 'the new image';
      this.question.placeholder = !this.isDocked
        ? 'What would you like to know?'
        : isLocked || !images.length
          ? 'Ask a follow-up'
          : `Ask about ${others}`;
      this.pointed.textContent = box ? ` ${box.join(', ')}` : '';
      this.point.disabled = !images[0]?.width;
      this.alert.textContent = '';
      this.tell();
    }

    fit() {
      this.question.style.setProperty('height', 'auto');
      this.question.style.setProperty('height', `${Math.min(200, this.question.scrollHeight + 2)}px`);
    }

    // The settings that differ from the service's own.
    settings() {
      const settings = { model: this.model.value, mode: this.mode.value, chain: this.chain.value.trim() };
      settings.style = this.style.value.trim();
      if (this.guess.checked) settings.guess = true;
      if (this.tray.box) settings.box = this.tray.box;
      return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== ''));
    }

    tell() {
      const told = Object.entries(this.settings()).map(([name, value]) => (value === true ? name : `${name} ${value}`));
      this.told.textContent = told.length ? ` ${told.join(' · ')}` : '';
    }

    models(names) {
      const value = this.model.value;
      replace(
        this.model,
        names.map((name, n) => h('option', { value: n ? name : '' }, name)),
      );
      this.model.value = names.includes(value) ? value : '';
    }

    trouble(words) {
      this.alert.textContent = words;
    }

    async submit() {
      if (this.send.disabled) return;
      const question = this.question.value.trim();
      if (!this.tray.images.length) {
        this.trouble('Choose an image first.');
        this.tray.choose.focus();
        return;
      }
      if (!question) {
        this.trouble('Write a question first.');
        this.question.focus();
        return;
      }
      this.send.disabled = true;
      this.send.textContent = 'Asking…';
      this.trouble('');
      try {
        await this.ask(question, this.settings());
        this.question.value = '';
        this.fit();
      } catch (error) {
        this.trouble(`It was not asked: ${error.message}`);
      } finally {
        this.send.disabled = false;
        this.send.textContent = 'Ask';
      }
    }
  }

  // A question as the service takes it.
  function formOf(question, settings, images, earlier) {
    const form = new FormData();
    form.append('question', question);
    for (const asked of earlier) form.append('earlier', asked);
    for (const { blob, name } of images) form.append('image', blob, name);
    for (const [name, value] of Object.entries(settings))
      form.append(name, typeof value === 'string' ? value : JSON.stringify(value));
    return form;
  }

  Object.assign(lavr, { Compose, formOf });
})((globalThis.lavr ??= {}));
