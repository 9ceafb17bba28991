// The snippets of a document, by their section. A test has to take each of them.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '../..');

/** Reads a list of { section, language, text, taken }. */
function read(document) {
  const snippets = [];
  let section = '';
  let open;
  for (const line of fs.readFileSync(path.join(ROOT, document), 'utf8').split('\n')) {
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
  /** `document` is a path from the project's root. */
  constructor(document) {
    this.document = document;
    this.all = read(document);
  }

  /** Takes the next snippet of a section. The text before the first section has the name ''. */
  take(section, language) {
    const found = this.all.find((one) => one.section === section && one.language === language && !one.taken);
    if (found === undefined) {
      throw new Error(`${this.document} has no further ${language} snippet in its section "${section}"`);
    }
    found.taken = true;
    return found.text;
  }

  /** The sections and languages of the snippets that no test has taken. */
  left() {
    return this.all.filter((one) => !one.taken).map((one) => `${this.document}: ${one.section}: ${one.language}`);
  }
}

module.exports = { Snippets };
