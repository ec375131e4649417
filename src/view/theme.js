// Colours: the system's, or those that a button chooses.
(function (lavr) {
  'use strict';

  const { h } = lavr;
  const THEMES = ['auto', 'light', 'dark'];

  // A browser may refuse to remember anything for a file.
  function remembered(value) {
    try {
      if (value !== undefined) localStorage.setItem('lavr-theme', value);
      return localStorage.getItem('lavr-theme');
    } catch {
      return value;
    }
  }

  function themeButton() {
    let theme = THEMES.includes(remembered()) ? remembered() : 'auto';
    const button = h('button', {
      type: 'button',
      class: 'quiet',
      on: { click: () => set(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]) },
    });
    function set(next) {
      theme = next;
      document.documentElement.dataset.theme = theme;
      button.textContent = `Colours: ${theme}`;
      remembered(theme);
    }
    set(theme);
    return button;
  }

  Object.assign(lavr, { themeButton });
})((globalThis.lavr ??= {}));
