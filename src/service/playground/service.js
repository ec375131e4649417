// The service as the page asks it: requests with a key where one is wanted, and the events of a run as they come.
(function (lavr) {
  'use strict';

  const { h } = lavr;
  const KEY = 'lavr-key';
  // The service shows every ten seconds that a silent stream lives.
  const SILENCE_MS = 35_000;
  const LONGEST_WAIT_MS = 15_000;

  // The service may be mounted anywhere.
  const BASE = location.pathname.endsWith('/') ? location.pathname : `${location.pathname}/`;

  // A refusal of the service, in its own words.
  class Refused extends Error {
    constructor(status, message) {
      super(message);
      this.status = status;
    }

    // Whether the same request would be refused again.
    get isFinal() {
      return this.status >= 400 && this.status < 500 && ![408, 425, 429].includes(this.status);
    }
  }

  async function refusal(response) {
    let message;
    try {
      message = (await response.json()).error.message;
    } catch {
      message = `the service answered with the status ${response.status}`;
    }
    const after = Number(response.headers.get('retry-after'));
    const when = response.status === 429 && after > 0 ? `; ask again in ${after} s` : '';
    return new Refused(response.status, `${message}${when}`);
  }

  const wait = (ms, signal) =>
    new Promise((done, failed) => {
      const timer = setTimeout(done, ms);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        failed(signal.reason);
      });
    });

  // The events in a stream of bytes: `{ id, event, data }`.
  async function* eventsOf(body, alive) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      alive();
      rest += value;
      const parts = rest.split(/\r?\n\r?\n/);
      rest = parts.pop();
      for (const part of parts) {
        const told = { id: undefined, event: 'message', data: [] };
        for (const line of part.split(/\r?\n/)) {
          const [, name, text] = /^(\w+): ?(.*)$/.exec(line) ?? [];
          if (name === 'data') told.data.push(text);
          else if (name === 'id' || name === 'event') told[name] = text;
        }
        if (told.data.length) yield { ...told, data: told.data.join('\n') };
      }
    }
  }

  function newKey() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  }

  class Service {
    constructor() {
      this.key = remembered();
      this.asking = undefined;
    }

    // An answer that is no refusal; asks for the key where the service wants one.
    async call(path, { headers = {}, ...options } = {}) {
      for (;;) {
        const key = this.key;
        const response = await fetch(`${BASE}${path}`, {
          ...options,
          headers: key ? { ...headers, authorization: `Bearer ${key}` } : headers,
        });
        if (response.ok) return response;
        const why = await refusal(response);
        if (response.status !== 401) throw why;
        // Another request may have asked for it meanwhile.
        if (key === this.key && !(await this.wantKey(key ? why.message : ''))) throw why;
      }
    }

    wantKey(wrong) {
      this.asking ??= askForKey(wrong).then((given) => {
        this.asking = undefined;
        if (!given) return false;
        this.key = given.key;
        remembered(given.keep ? given.key : null);
        return true;
      });
      return this.asking;
    }

    async models() {
      const { data } = await (await this.call('v1/models')).json();
      return data.map((model) => String(model.id));
    }

    // Asks for a run. A request whose answer is lost is sent again under the same name, and begins no second run.
    async begin(body, headers = {}) {
      const named = { ...headers, 'idempotency-key': newKey() };
      for (let left = 2; ; left -= 1) {
        try {
          return await (await this.call('v1/runs', { method: 'POST', body, headers: named })).json();
        } catch (error) {
          if (error instanceof Refused) throw error;
          if (left === 0) throw new Error('the service cannot be reached');
          await wait(700);
        }
      }
    }

    // Goes on with a run from one of its steps, with another plan where one is given.
    goOn(run, step, plan) {
      const body = JSON.stringify({ from: { run, step }, ...(plan && { plan }) });
      return this.begin(body, { 'content-type': 'application/json' });
    }

    async cancel(id) {
      return (await this.call(`v1/runs/${id}/cancel`, { method: 'POST' })).json();
    }

    async blob(path, options) {
      return (await this.call(`v1/runs/${path}`, options)).blob();
    }

    // Tells the events of a run, from its first on; where the stream breaks off, it is taken up again.
    async follow(id, { signal, tell, end, lost }) {
      let last;
      for (let pause = 500; ; pause = Math.min(pause * 2, LONGEST_WAIT_MS)) {
        try {
          const headers = { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) };
          for await (const event of this.stream(`v1/runs/${id}/events`, headers, signal)) {
            pause = 500;
            lost(false);
            last = event.id ?? last;
            const told = JSON.parse(event.data);
            if (event.event === 'end') return end(told);
            tell(told);
          }
        } catch (error) {
          if (signal.aborted || (error instanceof Refused && error.isFinal)) throw error;
        }
        lost(true);
        await wait(pause * (0.75 + Math.random() / 2), signal);
      }
    }

    async *stream(path, headers, signal) {
      const silent = new AbortController();
      const stop = () => silent.abort(signal.reason);
      signal.addEventListener('abort', stop);
      let timer;
      const alive = () => {
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), SILENCE_MS);
      };
      try {
        const response = await this.call(path, { headers, signal: silent.signal });
        alive();
        yield* eventsOf(response.body, alive);
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
        silent.abort();
      }
    }
  }

  // A key is kept in memory, and until the tab is closed where that was chosen.
  function remembered(key) {
    try {
      if (key) sessionStorage.setItem(KEY, key);
      else if (key === null) sessionStorage.removeItem(KEY);
      return sessionStorage.getItem(KEY) ?? undefined;
    } catch {
      return undefined;
    }
  }

  function askForKey(wrong) {
    return new Promise((done) => {
      const key = h('input', { type: 'password', id: 'key', autocomplete: 'off', spellcheck: 'false', required: true });
      const keep = h('input', { type: 'checkbox' });
      const dialog = h(
        'dialog',
        { class: 'small', 'aria-labelledby': 'key-title' },
        h(
          'form',
          { method: 'dialog' },
          h('h2', { id: 'key-title' }, 'This service wants an API key'),
          wrong && h('p', { class: 'wrong', role: 'alert' }, wrong),
          h('label', { for: 'key' }, 'API key'),
          key,
          h('label', { class: 'check' }, keep, ' Keep it until this tab is closed'),
          h('p', { class: 'note' }, 'Otherwise it is forgotten when the page is left. It goes to this service alone.'),
          h(
            'div',
            { class: 'buttons' },
            h('button', { class: 'strong', value: 'given' }, 'Use this key'),
            h('button', { class: 'quiet', type: 'button', on: { click: () => dialog.close('') } }, 'Not now'),
          ),
        ),
      );
      dialog.addEventListener('close', () => {
        dialog.remove();
        done(dialog.returnValue === 'given' ? { key: key.value.trim(), keep: keep.checked } : undefined);
      });
      document.body.append(dialog);
      dialog.showModal();
    });
  }

  Object.assign(lavr, { Service, Refused });
})((globalThis.lavr ??= {}));
