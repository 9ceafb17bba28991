// The pieces of code in docs/browser.md, by their section. Each has to be taken by a test.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const DOCUMENT = path.join(__dirname, '../../docs/browser.md');

/** A list of { section, language, text, taken }. */
function read() {
  const snippets = [];
  let section = '';
  let open;
  for (const line of fs.readFileSync(DOCUMENT, 'utf8').split('\n')) {
    if (open !== undefined) {
      if (line === '```') {
        snippets.push({ ...open, text: open.lines.join('\n'), taken: false });
        open = undefined;
      } else {
        open.lines.push(line);
      }
    } else if (line.startsWith('```')) {
      open = { section, language: line.slice(3), lines: [] };
    } else if (line.startsWith('## ')) {
      section = line.slice(3);
    }
  }
  return snippets;
}

class Snippets {
  constructor() {
    this.all = read();
  }

  /** The next one of a section that was not taken. */
  take(section, language) {
    const found = this.all.find((one) => one.section === section && one.language === language && !one.taken);
    if (found === undefined) {
      throw new Error(`docs/browser.md has no further ${language} snippet in its section "${section}"`);
    }
    found.taken = true;
    return found.text;
  }

  /** Where those are that no test has taken. */
  left() {
    return this.all.filter((one) => !one.taken).map((one) => `${one.section}: ${one.language}`);
  }
}

module.exports = { Snippets };
