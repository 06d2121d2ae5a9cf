'use strict';

/* The texts that are translated: those in the sources, and those by which the
 * router describes keys, fields and actions. Run as a program, it writes
 * po/templates/wandns.pot. */

const fs = require('node:fs');
const path = require('node:path');
const { json, root, sources } = require('./load.js');

function strings() {
	const found = new Map();
	const add = (text, where) => { if (text) found.set(text, (found.get(text) || new Set()).add(where)); };
	for (const [ name, text ] of sources())
		for (const m of text.matchAll(/\b_\(\s*'((?:[^'\\]|\\.)*)'/g))
			add(m[1].replace(/\\(.)/g, '$1'), 'htdocs/luci-static/resources/' + name);
	const menu = 'root/usr/share/luci/menu.d/luci-app-wandns.json';
	Object.values(json(menu)).forEach((m) => add(m.title, menu));
	const acl = 'root/usr/share/rpcd/acl.d/luci-app-wandns.json';
	Object.values(json(acl)).forEach((a) => add(a.description, acl));
	const router = json('../../cmd/wandns/testdata/rpcd/providers.json');
	router.keys.forEach((k) => add(k.help, 'wandns providers'));
	router.providers.forEach((p) => {
		p.fields.forEach((f) => add(f.help, 'wandns providers'));
		p.actions.forEach((a) => { add(a.help, 'wandns providers'); add(a.deletes, 'wandns providers'); });
	});
	return found;
}

const quote = (s) => '"' + s.replace(/[\\"]/g, '\\$&') + '"';

function template() {
	return [ 'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8"\n' ].concat([ ...strings() ].sort((a, b) => a[0] < b[0] ? -1 : 1).map(([ text, where ]) =>
		[ ...where ].sort().map((w) => '#: ' + w + '\n').join('') + 'msgid ' + quote(text) + '\nmsgstr ""\n')).join('\n');
}

/* The messages of a .po file, by their originals. */
function messages(text) {
	const out = new Map();
	const unquote = (s) => [ ...s.matchAll(/"((?:[^"\\]|\\.)*)"/g) ].map((m) => m[1].replace(/\\n/g, '\n').replace(/\\(.)/g, '$1')).join('');
	for (const m of text.matchAll(/^msgid ((?:"(?:[^"\\]|\\.)*"\s*)+)^msgstr ((?:"(?:[^"\\]|\\.)*"\s*)+)/gm))
		out.set(unquote(m[1]), unquote(m[2]));
	return out;
}

module.exports = { messages, strings, template };

if (require.main === module)
	fs.writeFileSync(path.join(root, 'po/templates/wandns.pot'), template());
