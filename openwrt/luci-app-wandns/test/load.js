'use strict';

/* LuCI's modules are bodies of functions; what they require comes as arguments. */

const fs = require('node:fs');
const path = require('node:path');

const root = path.join(__dirname, '..');
const resources = path.join(root, 'htdocs/luci-static/resources');

/* Every JavaScript file of the app, by its path below resources. */
function sources(dir) {
	return fs.readdirSync(dir || resources, { withFileTypes: true }).flatMap((e) => {
		const p = path.join(dir || resources, e.name);
		return e.isDirectory() ? sources(p) : e.name.endsWith('.js') ? [ [ path.relative(resources, p), fs.readFileSync(p, 'utf8') ] ] : [];
	});
}

function load(name, globals) {
	const given = Object.assign({ baseclass: { extend: (o) => o }, _: (s) => s }, globals);
	const body = fs.readFileSync(path.join(resources, name), 'utf8');
	return new Function(...Object.keys(given), body)(...Object.values(given));
}

const json = (name) => JSON.parse(fs.readFileSync(path.join(root, name), 'utf8'));

module.exports = { json, load, resources, root, sources };
