'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const fs = require('node:fs');
const path = require('node:path');
const { json, root, sources } = require('./load.js');
const { messages, strings, template } = require('./strings.js');

const acl = json('root/usr/share/rpcd/acl.d/luci-app-wandns.json')['luci-app-wandns'];
const list = json('../../cmd/wandns/testdata/rpcd/list.json');
const declared = sources().flatMap(([ , text ]) => [ ...text.matchAll(/rpc\.declare\(\{\s*object: '([^']+)',\s*method: '([^']+)'(?:,\s*params: \[([^\]]*)\])?/g) ])
	.map((m) => ({ object: m[1], method: m[2], params: (m[3] || '').split(',').map((p) => p.trim().replace(/'/g, '')).filter(Boolean) }));

test('every call has its right, and every right its call', () => {
	const called = new Set(declared.map((d) => d.object + ' ' + d.method));
	const granted = [ 'read', 'write' ].flatMap((mode) => Object.entries(acl[mode].ubus).flatMap(([ object, methods ]) => methods.map((m) => object + ' ' + m)));
	assert.deepEqual([ ...called ].sort(), [ ...granted ].sort());
	assert.equal(new Set(granted).size, granted.length, 'a right stands in both read and write');
	assert.ok(declared.length == sources().map(([ , text ]) => text.split('rpc.declare(').length - 1).reduce((a, b) => a + b), 'a declaration is written otherwise');
});

test('every right to the plugin is a method of it, with the arguments that are sent', () => {
	const mine = declared.filter((d) => d.object == 'wandns');
	assert.deepEqual(mine.map((d) => d.method).sort(), Object.keys(list).sort());
	mine.forEach((d) => assert.deepEqual(d.params, Object.keys(list[d.method]), d.method));
});

test('there is no right but to the methods of the plugin, and to the names of hosts', () => {
	assert.deepEqual(acl, {
		description: acl.description,
		read: { ubus: { 'luci-rpc': [ 'getHostHints' ], wandns: [ 'check', 'config', 'log', 'preview', 'providers', 'status', 'wan' ] } },
		write: { ubus: { wandns: [ 'account', 'enable', 'rehearse', 'remove', 'resume', 'save', 'takeover', 'update' ] } }
	});
});

test('foreign text never becomes HTML', () => {
	for (const [ name, text ] of sources()) {
		assert.doesNotMatch(text, /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function/, name);
		for (const m of text.matchAll(/\bE\('[a-z0-9]+', (?:\{(?:[^{}]|\{[^{}]*\})*\}), ([^\[\s])/g))
			assert.ok(/[a-z(]/.test(m[1]) && !/^['"_]/.test(m[1]), name + ': E() takes a string for HTML; give it a list: ' + m[0]);
		for (const m of text.matchAll(/showModal\(([^)])/g))
			assert.equal(m[1], '[', name + ': showModal() takes a string for HTML; give it a list');
	}
});

test('no provider is known to the sources', () => {
	const names = json('../../cmd/wandns/testdata/rpcd/providers.json').providers.flatMap((p) => [ p.name, p.title ]);
	for (const [ name, text ] of sources())
		names.forEach((n) => assert.ok(!new RegExp("['\" ]" + n.replace('.', '\\.') + "['\" ]", 'i').test(text), name + ' names ' + n));
});

test('the template is complete; npm run pot writes it', () => {
	assert.equal(fs.readFileSync(path.join(root, 'po/templates/wandns.pot'), 'utf8'), template());
});

for (const lang of [ 'de', 'zh_Hans' ])
	test('everything is translated: ' + lang, () => {
		const have = messages(fs.readFileSync(path.join(root, 'po', lang, 'wandns.po'), 'utf8'));
		const places = (s) => (s.match(/%[sd]/g) || []).join('');
		for (const text of strings().keys()) {
			assert.ok(have.get(text), 'it lacks: ' + text);
			assert.equal(places(have.get(text)), places(text), 'other places for values: ' + text);
		}
		have.delete('');
		assert.deepEqual([ ...have.keys() ].filter((k) => !strings().has(k)), [], 'it has what is no longer there');
	});

test('the plugin is wandns itself, and no shell', () => {
	const file = path.join(root, 'root/usr/libexec/rpcd/wandns');
	assert.equal(fs.readFileSync(file, 'utf8'), '#!/usr/sbin/wandns rpcd\n');
	assert.ok(fs.statSync(file).mode & 0o100);
	assert.ok(fs.statSync(path.join(root, 'root/usr/libexec/wandns/takeover')).mode & 0o100, 'wandns cannot run its script');
});
