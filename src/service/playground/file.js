// Conversations as files: saved to be given to others, and opened again, as are traces of `lavr ask --trace`.
(function (lavr) {
  'use strict';

  const { h, isObject, list, text } = lavr;
  const FORMAT = 'lavr-runs';
  const VERSION = 1;
  const LARGEST = 200 << 20;
  const SHOWN = /^data:(image\/(?:png|jpeg|webp|gif|bmp|tiff));base64,([A-Za-z0-9+/=]*)$/;
  const RUN_ID = /^run-[0-9a-f]{32}$/;
  const DIGEST = /^sha256:[0-9a-f]{64}$/;

  const newId = () => `t${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;

  function download(blob, name) {
    const url = URL.createObjectURL(blob);
    const link = h('a', { href: url, download: name, hidden: true });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }

  const encoded = (blob) =>
    new Promise((done, failed) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.onerror = () => failed(reader.error);
      reader.readAsDataURL(blob);
    });

  // What a file says is an image; what else it may be is left out.
  function decoded(url) {
    const [, type, base64] = SHOWN.exec(text(url)) ?? [];
    if (!type) return undefined;
    const letters = atob(base64);
    return new Blob([Uint8Array.from(letters, (letter) => letter.charCodeAt(0))], { type });
  }

  // A conversation, or some of its runs, as the text of a file, with the images that these are about.
  async function written(record, turns = record.turns) {
    const all = [...record.images.keys()];
    const kept = all.filter((place) => turns.some((turn) => (turn.about ?? all).includes(place)));
    const images = [];
    for (const place of kept)
      images.push({ name: record.images[place].name, url: await encoded(record.images[place].blob) });
    const told = [];
    for (const turn of turns) {
      const made = {};
      for (const [digest, blob] of Object.entries(turn.made)) made[digest] = await encoded(blob);
      told.push({ ...turn, about: (turn.about ?? all).map((place) => kept.indexOf(place)), made });
    }
    return JSON.stringify({ format: FORMAT, version: VERSION, images, turns: told });
  }

  function turnOf(told) {
    if (!isObject(told)) throw new Error('a run in it is no object');
    const made = {};
    for (const [digest, url] of Object.entries(isObject(told.made) ? told.made : {})) {
      const blob = DIGEST.test(digest) ? decoded(url) : undefined;
      if (blob) made[digest] = blob;
    }
    const entries = list(told.entries).filter((entry) => isObject(entry) && typeof entry.event === 'string');
    const from = isObject(told.from) ? { run: text(told.from.run), step: text(told.from.step) } : undefined;
    return {
      id: RUN_ID.test(text(told.id)) ? told.id : '',
      question: text(told.question) || text(entries[0]?.question),
      settings: isObject(told.settings) ? told.settings : {},
      // Files of before do not say it: there each run is about all images.
      about: Array.isArray(told.about) ? told.about.filter(Number.isInteger) : undefined,
      from,
      edited: told.edited === true,
      entries,
      // A run in a file goes on nowhere.
      end: isObject(told.end) ? told.end : { status: 'cut' },
      made,
    };
  }

  function parsed(words) {
    try {
      return JSON.parse(words);
    } catch {
      // One JSON value a line is a trace.
      const lines = words.split('\n').filter((line) => line.trim());
      const entries = lines.flatMap((line) => {
        try {
          return [JSON.parse(line)];
        } catch {
          return [];
        }
      });
      if (!entries.some((entry) => isObject(entry) && entry.event === 'started'))
        throw new Error('it is neither a saved run nor a trace');
      return { format: FORMAT, version: VERSION, images: [], turns: [{ entries }] };
    }
  }

  // The conversation in a file.
  async function read(file) {
    if (file.size > LARGEST) throw new Error(`${file.name} is larger than 200 MB`);
    const told = parsed(await file.text());
    if (told?.event === 'started') throw new Error('there is nothing in it but the beginning of a run');
    if (told?.format !== FORMAT) throw new Error(`${file.name} is neither a saved run nor a trace`);
    if (told.version !== VERSION) throw new Error(`${file.name} is of another version of this page`);
    const images = list(told.images).map((image) => {
      const blob = decoded(image?.url);
      if (!blob) throw new Error(`an image in ${file.name} is none`);
      return { name: text(image.name) || 'image', blob };
    });
    const turns = list(told.turns).map(turnOf);
    if (!turns.length) throw new Error(`there is no run in ${file.name}`);
    return { id: newId(), at: Date.now(), images, turns };
  }

  const isRuns = (file) => /\.(json|jsonl)$/i.test(file.name) || file.type === 'application/json';

  Object.assign(lavr, { files: { download, written, read, isRuns, newId } });
})((globalThis.lavr ??= {}));
