'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const util = require('node:util');
const { load } = require('./load.js');

String.prototype.format = function(...args) { return util.format(String(this), ...args); }; /* as LuCI has it */

const E = (tag, attrs, children) => ({ tag: tag, attrs: attrs, children: children || [], checked: attrs.checked != null });
const all = (el) => [ el ].concat((el.children || []).flatMap(all));
const text = (el) => typeof(el) == 'string' ? el : el.children.map(text).join('\n');

/* The page with what the router answers, what it is asked and what is told. */
function page(found, answer) {
	const asked = [], told = [], location = {};
	const parts = load('wandns/parts.js', { E: E, L: { resource: (s) => s }, ui: {}, document: {} });
	parts.tell = (t, level) => told.push(level + ': ' + t);
	parts.paint = (el, key, children) => { el.children = children(); };
	const given = { view: { extend: (o) => o }, parts: parts, model: load('wandns/model.js'), E: E, location: location, L: { bind: (f, self, ...args) => f.bind(self, ...args), url: (u) => u } };
	const root = load('view/wandns/import.js', Object.assign(given, { api: { takeover: (names) => { asked.push(names); return answer; } } })).render(found);
	const press = (label) => {
		const button = all(root).find((e) => e.tag == 'button' && text(e) == label);
		return button.attrs.click({ currentTarget: button }).then(() => button);
	};
	return { root: root, press: press, asked: asked, told: told, location: location, box: (name) => all(root).find((e) => e.tag == 'input' && e.attrs.id == 'wandns-' + name) };
}

const service = (name, off) => ({ name: name, values: { hostnames: [ name ] }, secrets: [ 'password' ], from: name + '_ipv4, ' + name + '_ipv6', notes: [], off: off || [] });
const found = { error: '', notes: [], services: [ service('a'), service('b'), service('c', [ 'no provider' ]) ] };

test('the import asks the router once and shows what it did before it leads on', async () => {
	const p = page(found, Promise.resolve({ code: 0, text: 'a is taken over.\nddns-scripts goes on with b.' }));
	p.box('b').checked = false;
	await p.press('Take over');
	assert.deepEqual(p.asked, [ [ 'a' ] ]);
	assert.ok(text(p.root).includes('a is taken over.\nddns-scripts goes on with b.'));
	assert.equal(p.location.href, undefined);
	assert.equal(p.box('a'), undefined, 'nothing is left to press twice');
	all(p.root).find((e) => e.tag == 'button').attrs.click();
	assert.equal(p.location.href, 'admin/services/wandns/overview');
});

test('the import shows what was done and what could not be', async () => {
	const p = page(found, Promise.resolve({ code: 1, text: 'a is taken over.', error: 'it does not end; restart the router' }));
	await p.press('Take over');
	assert.ok(text(p.root).includes('a is taken over.') && text(p.root).includes('it does not end; restart the router'));
	assert.deepEqual(p.told, []);
});

test('an import that failed can be tried again', async () => {
	for (const [ answer, says ] of [ [ Promise.resolve({ code: 3, error: 'nothing was taken over' }), /^danger: nothing was taken over$/ ], [ Promise.resolve().then(() => { throw new Error('gone'); }), /^danger: The router did not do it/ ] ]) {
		const p = page(found, answer);
		const button = await p.press('Take over');
		assert.match(p.told.join(), says);
		assert.equal(button.disabled, false);
		assert.ok(p.box('a'));
	}
});
