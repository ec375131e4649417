// Where conversations are kept: in this browser alone, and only for this visit where that is switched off.
(function (lavr) {
  'use strict';

  const NAME = 'lavr-playground';
  const STORE = 'threads';
  const SWITCH = 'lavr-history';
  const MOST = 40;

  const asked = (request) =>
    new Promise((done, failed) => {
      request.onsuccess = () => done(request.result);
      request.onerror = () => failed(request.error);
    });

  function open() {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: 'id' });
    return asked(request);
  }

  // Some browsers keep nothing for a page in a private window.
  function setting(value) {
    try {
      if (value !== undefined) localStorage.setItem(SWITCH, value);
      return localStorage.getItem(SWITCH);
    } catch {
      return undefined;
    }
  }

  class Shelf {
    constructor() {
      this.visit = new Map();
      this.isOn = setting() !== 'off';
      this.trouble = '';
      this.isFull = false;
    }

    switch(isOn) {
      this.isOn = isOn;
      setting(isOn ? 'on' : 'off');
      return isOn ? Promise.all([...this.visit.values()].map((record) => this.keep(record))) : undefined;
    }

    // Does something with what is kept; what cannot be kept is told, and harms nothing else.
    async with(mode, work) {
      try {
        this.db ??= await open();
        const transaction = this.db.transaction(STORE, mode);
        const done = new Promise((ended, failed) => {
          transaction.oncomplete = ended;
          transaction.onabort = () => failed(transaction.error);
        });
        const result = await work(transaction.objectStore(STORE));
        await done;
        Object.assign(this, { trouble: '', isFull: false });
        return result;
      } catch (error) {
        this.isFull = error?.name === 'QuotaExceededError';
        this.trouble = `This browser does not keep conversations: ${error?.message || error?.name || 'it refuses'}`;
        return undefined;
      }
    }

    // Keeps a conversation, and forgets the oldest where there are too many, or no room.
    async keep(record) {
      this.visit.set(record.id, record);
      if (!this.isOn) return;
      await this.with('readwrite', (store) => asked(store.put(record)));
      if (this.trouble && !this.isFull) return;
      const { isFull } = this;
      const all = await this.heads();
      const surplus = (isFull ? all.slice(-3) : all.slice(MOST)).filter((head) => head.id !== record.id);
      for (const { id } of surplus) await this.forget(id);
      if (isFull && surplus.length) await this.with('readwrite', (store) => asked(store.put(record)));
    }

    async get(id) {
      return this.visit.get(id) ?? (await this.with('readonly', (store) => asked(store.get(id))));
    }

    // What there is, the newest first, without images.
    async heads() {
      const kept = (await this.with('readonly', (store) => asked(store.getAll()))) ?? [];
      const all = new Map([...kept, ...this.visit.values()].map((record) => [record.id, record]));
      return [...all.values()]
        .map(({ id, at, turns }) => {
          // Another plan for a question does not ask it again.
          const asked = turns.filter((turn, n) => n === 0 || !turn.from);
          return { id, at, questions: asked.map((turn) => turn.question) };
        })
        .sort((a, b) => b.at - a.at);
    }

    async forget(id) {
      this.visit.delete(id);
      await this.with('readwrite', (store) => asked(store.delete(id)));
    }

    async clear() {
      this.visit.clear();
      await this.with('readwrite', (store) => asked(store.clear()));
    }
  }

  Object.assign(lavr, { Shelf });
})((globalThis.lavr ??= {}));
