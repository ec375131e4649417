// A plan as JSON that can be edited, and the step from which it is run again.
(function (lavr) {
  'use strict';

  const { h, isObject, time } = lavr;

  // A run's steps as one plan, whatever made them: one plan, several, or rounds.
  function planOf(run) {
    const steps = [...run.steps.values()].filter((step) => step.tool && step.args !== undefined);
    const plan = { steps: steps.map(({ id, tool, args }) => ({ id, tool, args })) };
    return run.result ? { ...plan, result: run.result } : plan;
  }

  // The first of these steps, in their order, that another plan has no more, or not as it was.
  function firstChanged(order, before, words) {
    let after;
    try {
      after = new Map(JSON.parse(words).steps.map((step) => [step.id, JSON.stringify([step.tool, step.args])]));
    } catch {
      return undefined;
    }
    const was = new Map(before.steps.map((step) => [step.id, JSON.stringify([step.tool, step.args])]));
    return order.find((id) => was.has(id) && was.get(id) !== after.get(id));
  }

  // Where a step's line is in the JSON.
  function placeOf(words, id) {
    return Math.max(0, words.indexOf(`"id": ${JSON.stringify(id)}`));
  }

  function faultOf(words) {
    try {
      const plan = JSON.parse(words);
      return isObject(plan) && Array.isArray(plan.steps) ? '' : 'A plan is an object with `steps`.';
    } catch (error) {
      return `This is no JSON: ${error.message}`;
    }
  }

  // Shows the plan of a run; `go(step, plan)` runs it, and says in an error what is wrong; `show` gets what it
  // returns. A plan that is not changed is left out.
  function editPlan(run, chosen, go, show) {
    const before = JSON.stringify(planOf(run), null, 2);
    const steps = [...run.steps.values()].filter((step) => step.began !== undefined).sort((a, b) => a.began - b.began);
    const order = steps.map((step) => step.id);
    const from = h(
      'select',
      { id: 'from-step' },
      steps.map((step) => h('option', { value: step.id }, `${step.id} (began at ${time(step.began)})`)),
    );
    if (steps.some((step) => step.id === chosen)) from.value = chosen;
    const area = h('textarea', { id: 'plan', class: 'code', rows: 18, spellcheck: 'false', autocomplete: 'off' });
    area.value = before;
    // What was edited has to be done anew.
    area.addEventListener('input', () => {
      const changed = firstChanged(order, planOf(run), area.value);
      if (changed && order.indexOf(changed) < order.indexOf(from.value)) from.value = changed;
    });
    const wrong = h('p', { class: 'wrong', role: 'alert' });
    const runIt = h('button', { class: 'strong', type: 'submit' }, 'Run from here');
    const dialog = h(
      'dialog',
      { 'aria-labelledby': 'plan-title' },
      h(
        'form',
        { on: { submit: (event) => submit(event) } },
        h('h2', { id: 'plan-title' }, 'Edit the plan'),
        h('label', { for: 'from-step' }, 'Run it again from'),
        from,
        h(
          'p',
          { class: 'note' },
          'Steps that began before it are taken over with their results; an edit of one of them moves this back to it.',
        ),
        h('label', { for: 'plan' }, 'The plan as JSON'),
        area,
        wrong,
        h(
          'div',
          { class: 'buttons' },
          runIt,
          h('button', { class: 'quiet', type: 'button', on: { click: () => (area.value = before) } }, 'As it was'),
          h('button', { class: 'quiet', type: 'button', on: { click: () => dialog.close() } }, 'Back'),
        ),
      ),
    );
    async function submit(event) {
      event.preventDefault();
      wrong.textContent = faultOf(area.value);
      if (wrong.textContent) return area.focus();
      runIt.disabled = true;
      try {
        const plan = JSON.parse(area.value);
        const begun = await go(from.value, JSON.stringify(plan) === JSON.stringify(planOf(run)) ? undefined : plan);
        dialog.close();
        show(begun);
      } catch (error) {
        wrong.textContent =
          error.status === 404 ? 'The service no longer has this run; ask the question again.' : error.message;
      } finally {
        runIt.disabled = false;
      }
      return undefined;
    }
    dialog.addEventListener('close', () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    area.focus();
    if (chosen) {
      const at = placeOf(area.value, chosen);
      area.setSelectionRange(at, at);
    }
  }

  Object.assign(lavr, { editPlan, planOf });
})((globalThis.lavr ??= {}));
