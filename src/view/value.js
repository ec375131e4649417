// What flows between steps, as it stands in a trace: what kind it is, in short, and what of it has a place in an image.
(function (lavr) {
  'use strict';

  const { number, percent, plural, short, str } = lavr;

  const isObject = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);
  const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);
  const isBox = (value) => Array.isArray(value) && value.length === 4 && value.every(isNumber);
  const isPolygon = (value) =>
    Array.isArray(value) &&
    value.length > 2 &&
    value.every((p) => Array.isArray(p) && p.length === 2 && p.every(isNumber));
  const has = (value, ...keys) => keys.every((key) => Object.hasOwn(value, key));

  // `region`, `line`, `image` ...; what is none of them is `json`.
  function kind(value) {
    if (value === null || value === undefined) return 'nothing';
    if (typeof value === 'boolean') return 'bool';
    if (typeof value === 'number') return 'number';
    if (typeof value === 'string') return 'text';
    if (Array.isArray(value)) return 'list';
    if (typeof value.blob === 'string') return 'image';
    if (has(value, 'label', 'score')) {
      if (isBox(value.box)) return typeof value.mask?.blob === 'string' ? 'mask' : 'region';
      if (isNumber(value.x) && isNumber(value.y)) return 'point';
      if (Object.keys(value).length === 2) return 'label';
    }
    if (has(value, 'text', 'score') && isPolygon(value.polygon)) return 'line';
    if (Array.isArray(value.rows) && value.rows.every(Array.isArray)) return 'table';
    if (isNumber(value.width) && isNumber(value.height) && isBox(value.box) && Array.isArray(value.data)) return 'map';
    return 'json';
  }

  // The kind that all elements of a list have, if they do.
  function kindOfAll(list) {
    const first = kind(list[0]);
    return list.every((item) => kind(item) === first) ? first : 'json';
  }

  const PLACED = new Set(['region', 'mask', 'line', 'point']);

  // The regions, masks, lines and points anywhere inside a value.
  function placed(value, found = []) {
    if (Array.isArray(value)) {
      if (!isNumber(value[0])) for (const item of value) placed(item, found);
    } else if (isObject(value)) {
      const what = kind(value);
      if (PLACED.has(what)) found.push({ kind: what, value });
      else if (what !== 'map' && what !== 'image') for (const item of Object.values(value)) placed(item, found);
    }
    return found;
  }

  // The images anywhere inside a value, without the pixels of masks.
  function images(value, found = []) {
    if (Array.isArray(value)) {
      if (!isNumber(value[0])) for (const item of value) images(item, found);
    } else if (isObject(value)) {
      const what = kind(value);
      if (what === 'image') found.push(value);
      else if (what === 'json') for (const item of Object.values(value)) images(item, found);
    }
    return found;
  }

  const nameOf = ({ kind: what, value }) => str((what === 'line' ? value.text : value.label) ?? '');

  // A box around an item: left, top, right, bottom.
  function boundsOf({ kind: what, value }) {
    if (what === 'point') return [value.x, value.y, value.x, value.y];
    if (what !== 'line') return value.box;
    const box = [Infinity, Infinity, -Infinity, -Infinity];
    for (const [x, y] of value.polygon) {
      box[0] = Math.min(box[0], x);
      box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x);
      box[3] = Math.max(box[3], y);
    }
    return box;
  }

  function labelOf(item) {
    if (item.kind === 'line') return `“${short(item.value.text, 60)}”`;
    const sure = isNumber(item.value.score) && item.value.score < 1 ? ` ${percent(item.value.score)}` : '';
    return `${short(item.value.label, 40)}${sure}`;
  }

  const squash = (text) =>
    (
      str(text)
        .toLowerCase()
        .match(/[\p{Alphabetic}\p{N}]/gu) ?? []
    ).join('');

  // Whether a claim quotes this line of text.
  function isQuoted(item, claim) {
    if (item.kind !== 'line') return false;
    const line = squash(item.value.text);
    return Array.from(line).length > 1 && squash(claim).includes(line);
  }

  function counted(items) {
    const counts = new Map();
    for (const item of items) counts.set(str(item.label), (counts.get(str(item.label)) ?? 0) + 1);
    const told = [...counts].slice(0, 4).map(([label, n]) => `${number(n)} × ${short(label, 24)}`);
    return told.join(', ') + (counts.size > 4 ? ' …' : '');
  }

  // A value in a few words.
  function summary(value) {
    switch (kind(value)) {
      case 'nothing':
        return 'nothing';
      case 'bool':
        return value ? 'yes' : 'no';
      case 'number':
        return Number.isInteger(value) ? number(value) : String(Number(value.toPrecision(6)));
      case 'text':
        return `“${short(value, 80)}”`;
      case 'image':
        return 'an image';
      case 'region':
      case 'mask':
      case 'point':
      case 'label':
        return labelOf({ kind: 'region', value });
      case 'line':
        return `“${short(value.text, 80)}”`;
      case 'table':
        return `a table of ${plural(value.rows.length, 'row')}`;
      case 'map':
        return `a map of ${number(value.width)} × ${number(value.height)}`;
      case 'list':
        return ofList(value);
      default:
        return short(JSON.stringify(value), 80);
    }
  }

  function ofList(list) {
    if (list.length === 0) return 'nothing found';
    switch (kindOfAll(list)) {
      case 'region':
      case 'mask':
        return counted(list);
      case 'line':
        return (
          short(
            list
              .slice(0, 3)
              .map((line) => `“${short(line.text, 40)}”`)
              .join(', '),
            70,
          ) + (list.length > 3 ? ` and ${number(list.length - 3)} more` : '')
        );
      case 'point':
        return plural(list.length, 'point');
      case 'label':
        return list
          .slice(0, 2)
          .map((label) => labelOf({ kind: 'region', value: label }))
          .join(', ');
      case 'image':
        return plural(list.length, 'image');
      case 'number':
        return list.length > 6 ? plural(list.length, 'number') : list.map(summary).join(', ');
      case 'text':
      case 'bool':
        return short(list.map(summary).join(', '), 80);
      // The joints of several people, the labels of several pieces.
      case 'list':
        return ofList(list.flat());
      default:
        return plural(list.length, 'item');
    }
  }

  Object.assign(lavr, {
    kind,
    kindOfAll,
    placed,
    images,
    nameOf,
    boundsOf,
    labelOf,
    isQuoted,
    summary,
    isObject,
    isNumber,
  });
})((globalThis.lavr ??= {}));
