// The page that stands alone: reads the runs that lie in it, and shows the one, or the two beside one another.
(function (lavr) {
  'use strict';

  const { Comparison, h, Run, RunView, themeButton } = lavr;

  function runOf({ name, entries, pictures }) {
    const run = new Run({
      name,
      picture: (digest) => (Object.hasOwn(pictures, digest) ? pictures[digest] : undefined),
    });
    for (const entry of entries) run.apply(entry);
    return run;
  }

  function show(runs) {
    const shown = runs.length > 1 ? new Comparison(runs[0], runs[1]) : new RunView(runs[0]);
    document.title = `${lavr.short(runs[0].question || runs[0].name, 80)} · lavr`;
    document.body.append(
      h(
        'header',
        { class: 'top' },
        h('p', null, h('b', null, 'lavr'), h('span', { class: 'note' }, ` ${runs.map((run) => run.name).join(' · ')}`)),
        themeButton(),
      ),
      h('main', { class: runs.length > 1 ? 'wide' : '' }, shown.element),
      h(
        'footer',
        null,
        h(
          'p',
          { class: 'note' },
          'Point at a claim, a step, a bar or a mark, and what belongs to it lights up; click, or press Enter, to keep it, and Escape to let go. Arrows go from step to step.',
        ),
      ),
    );
  }

  const data = document.getElementById('lavr-runs');
  if (data) show(JSON.parse(data.textContent).map(runOf));
})((globalThis.lavr ??= {}));
