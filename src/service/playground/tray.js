// The images of a conversation: picked, dropped, pasted or taken, and the place in the first one that is pointed at.
(function (lavr) {
  'use strict';

  const { h, replace, s } = lavr;
  // What browsers show and the service takes; phones turn photos of other kinds into one of these.
  const TYPES = 'image/jpeg,image/png,image/webp,image/gif,image/bmp,image/tiff';

  // An image as the page shows it; one that the browser does not show has no size.
  async function opened(blob, name) {
    const image = { name, blob, url: URL.createObjectURL(blob), width: undefined, height: undefined };
    const element = new Image();
    element.src = image.url;
    try {
      await element.decode();
      Object.assign(image, { width: element.naturalWidth, height: element.naturalHeight });
    } catch {
      // It is sent all the same: the service says what is wrong with it.
    }
    return image;
  }

  class Tray {
    constructor({ changed, trouble }) {
      Object.assign(this, {
        changed,
        trouble,
        images: [],
        before: [],
        box: undefined,
        isLocked: false,
        isDocked: false,
      });
      const picked = (input) => {
        this.add([...input.files]);
        input.value = '';
      };
      const input = (props) => {
        const made = h('input', { type: 'file', hidden: true, ...props, on: { change: () => picked(made) } });
        return made;
      };
      this.files = input({ accept: TYPES, multiple: true, id: 'files' });
      this.camera = input({ accept: 'image/*', capture: 'environment' });
      this.choose = h(
        'button',
        { type: 'button', class: 'quiet', 'data-key': 'choose', on: { click: () => this.files.click() } },
        'Choose images',
      );
      this.take = h(
        'button',
        { type: 'button', class: 'quiet camera', on: { click: () => this.camera.click() } },
        'Take a photo',
      );
      this.list = h('ul', { class: 'thumbs' });
      this.hint = h('span', { class: 'note' }, 'or drop them here, or paste');
      this.element = h(
        'div',
        { class: 'tray', role: 'group', 'aria-label': 'Images' },
        this.list,
        h('div', { class: 'picks' }, this.choose, this.take, this.hint),
        this.files,
        this.camera,
      );
      this.draw();
    }

    async add(files) {
      const images = files.filter((file) => file.type.startsWith('image/'));
      if (images.length < files.length) this.trouble('Only images can be asked about; other files were left out.');
      const fresh = await Promise.all(images.map((file) => opened(file, file.name || 'pasted image')));
      if (fresh.length) this.set(this.isLocked ? fresh : [...this.images, ...fresh]);
    }

    // Locked images are those that a conversation is about: others take their place, and give it back.
    set(images, isLocked = false) {
      if (images[0] !== this.images[0]) this.box = undefined;
      if (isLocked || !images.length) this.before = images;
      Object.assign(this, { images, isLocked });
      this.draw();
      this.changed();
    }

    draw() {
      this.element.classList.toggle('empty', !this.images.length);
      const words = this.isLocked ? 'Other images' : this.images.length ? 'Add images' : 'Choose images';
      this.choose.textContent = this.isDocked && this.images.length ? '+' : words;
      this.choose.setAttribute('aria-label', words);
      this.choose.title = this.isLocked ? 'Ask about other images in this conversation' : '';
      replace(
        this.list,
        this.images.map((image, n) => this.thumb(image, n)),
      );
      this.list.hidden = !this.images.length;
    }

    thumb(image, n) {
      const remove = h(
        'button',
        {
          type: 'button',
          class: 'remove',
          'aria-label': `Remove ${image.name}`,
          on: {
            click: () => {
              const rest = this.images.filter((_, other) => other !== n);
              if (rest.length) this.set(rest);
              else this.set(this.before, this.before.length > 0);
              (this.list.querySelectorAll('.remove')[n] ?? this.choose).focus();
            },
          },
        },
        '×',
      );
      const shown = image.width
        ? h('img', { src: image.url, alt: image.name })
        : h('span', { class: 'unseen' }, image.name);
      return h('li', null, shown, n === 0 && this.box && h('i', { class: 'pointed' }, '⌖'), !this.isLocked && remove);
    }

    // Lets a box be drawn over the first image, or be written.
    point() {
      const [image] = this.images;
      if (!image?.width) return;
      const frame = s('rect', { class: 'outline' });
      const halo = s('rect', { class: 'halo' });
      const svg = s(
        'svg',
        { viewBox: `0 0 ${image.width} ${image.height}`, class: 'picture pointing', 'aria-hidden': 'true' },
        s('image', { href: image.url, width: image.width, height: image.height }),
        halo,
        frame,
      );
      const names = ['left', 'top', 'right', 'bottom'];
      const most = [image.width, image.height, image.width, image.height];
      const inputs = names.map((name, n) =>
        h('input', { type: 'number', id: `box-${name}`, min: 0, max: most[n], step: 1, on: { input: () => draw() } }),
      );
      const box = () => inputs.map((input) => Number(input.value));
      const isBox = ([left, top, right, bottom]) => right > left && bottom > top;
      const draw = () => {
        const [x, y, right, bottom] = box();
        for (const rect of [frame, halo])
          for (const [name, value] of Object.entries({ x, y, width: right - x, height: bottom - y }))
            rect.setAttribute(name, String(Math.max(0, value)));
        use.disabled = !isBox(box());
      };
      const fill = (values) => inputs.forEach((input, n) => (input.value = String(Math.round(values[n]))));
      const at = (event) => {
        const shown = svg.getBoundingClientRect();
        const inside = (value, size) => Math.max(0, Math.min(size, value * size));
        return [
          inside((event.clientX - shown.left) / shown.width, image.width),
          inside((event.clientY - shown.top) / shown.height, image.height),
        ];
      };
      let from;
      svg.addEventListener('pointerdown', (event) => {
        from = at(event);
        svg.setPointerCapture(event.pointerId);
        event.preventDefault();
      });
      svg.addEventListener('pointermove', (event) => {
        if (!from) return;
        const [[x1, y1], [x2, y2]] = [from, at(event)];
        fill([Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)]);
        draw();
      });
      svg.addEventListener('pointerup', () => (from = undefined));
      const use = h('button', { class: 'strong', value: 'use' }, 'Point at this');
      const dialog = h(
        'dialog',
        { 'aria-labelledby': 'point-title' },
        h(
          'form',
          { method: 'dialog' },
          h('h2', { id: 'point-title' }, 'Point at a place'),
          h(
            'p',
            { class: 'note' },
            'Draw a box over the image, or write its sides in pixels. “This” in the question is what is in it.',
          ),
          svg,
          h(
            'div',
            { class: 'sides' },
            names.map((name, n) => h('label', { for: `box-${name}` }, name, inputs[n])),
          ),
          h(
            'div',
            { class: 'buttons' },
            use,
            h('button', { class: 'quiet', value: 'none', formnovalidate: true }, 'Point at nothing'),
            h('button', { class: 'quiet', type: 'button', on: { click: () => dialog.close('') } }, 'Back'),
          ),
        ),
      );
      svg.style.setProperty('aspect-ratio', `${image.width} / ${image.height}`);
      fill(this.box ?? [0, 0, 0, 0]);
      draw();
      dialog.addEventListener('close', () => {
        dialog.remove();
        if (dialog.returnValue === 'none') this.box = undefined;
        if (dialog.returnValue === 'use') this.box = box();
        this.draw();
        this.changed();
      });
      document.body.append(dialog);
      dialog.showModal();
    }
  }

  Object.assign(lavr, { Tray, opened });
})((globalThis.lavr ??= {}));
