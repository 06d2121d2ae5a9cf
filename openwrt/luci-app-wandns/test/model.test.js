'use strict';

const test = require('node:test');
const assert = require('node:assert/strict');
const { load } = require('./load.js');

const model = load('wandns/model.js');
const now = Date.parse('2026-11-22T10:00:00Z');

const providers = [
	{ name: 'some', title: 'Some DNS', url: 'https://some.example', fields: [ { name: 'username' }, { name: 'password', secret: true, required: true }, { name: 'key', secret: true } ], actions: [] },
	{ name: 'other', title: 'Other', url: 'https://other.example', fields: [ { name: 'token', secret: true } ], actions: [] }
];

const config = (services, more) => Object.assign({ file: '/etc/config/wandns', error: '', enabled: true, mistakes: [], warnings: [], services: services }, more);
const service = (name, values, secrets) => ({ name: name, values: Object.assign({ provider: 'some', hostnames: [ name + '.example' ] }, values), secrets: secrets || [ 'password' ], limits: {} });

test('rows join the configuration and what the daemon says', () => {
	const status = { services: [
		{ name: 'home', provider: 'some', state: 'blocked', reason: 'Some DNS says no (badauth); correct password, then run: wandns resume home', next: '', last_answer: 'badauth', last_error: 'Some DNS says no (badauth)', sent_today: 2,
			records: [ { hostname: 'home.example', type: 'A', wanted: '84.0.0.2', published: '84.0.0.1', since: '2026-11-22T09:00:00Z' } ] },
		{ name: 'gone', provider: 'other', state: 'ok', reason: '', next: '', records: [], last_answer: '', last_error: '', sent_today: 0 },
		{ name: 'odd', provider: 'other', state: 'future', reason: '', next: '', records: [], last_answer: '', last_error: '', sent_today: 0 }
	] };
	const c = config([ service('home'), service('off', { enabled: '0' }), service('fresh') ], { mistakes: [ { service: 'fresh', key: 'password', text: 'is missing', line: 9 } ] });
	const rows = model.rows(c, status, providers, true);
	assert.deepEqual(rows.map((r) => [ r.name, r.provider, r.state, r.kind, r.word ]), [
		[ 'home', 'Some DNS', 'blocked', 'bad', 'blocked' ],
		[ 'off', 'Some DNS', 'disabled', 'off', 'paused' ],
		[ 'fresh', 'Some DNS', 'new', 'off', 'not started' ]
	], 'what is deleted is not shown as up to date until the daemon knows');
	assert.equal(rows[0].reason, 'Some DNS says no (badauth); correct password. Then press Resume.');
	assert.equal(rows[0].error, '', 'the reason says it already');
	assert.equal(rows[0].records[0].differs, true);
	assert.deepEqual(rows[0].can, { update: false, resume: true, pause: true, start: false });
	assert.deepEqual(rows[1].can, { update: false, resume: false, pause: false, start: true });
	assert.deepEqual(rows[2].mistakes, [ 'password: is missing' ]);
	assert.deepEqual(rows[2].records.map((r) => r.hostname), [ 'fresh.example' ]);
	const unknown = model.rows(config([], { mistakes: [ { service: '', key: '', text: 'a quote has no end', line: 1 } ] }), status, providers, true);
	assert.deepEqual(unknown.map((r) => [ r.name, r.state, r.kind, r.word, r.configured ]), [
		[ 'home', 'blocked', 'bad', 'blocked', false ],
		[ 'gone', 'ok', 'good', 'up to date', false ],
		[ 'odd', 'future', 'wait', 'future', false ]
	]);
	const faulty = model.rows(config([ service('home') ], { mistakes: [ { service: 'home', key: 'password', text: 'is missing', line: 9 } ] }), status, providers, true)[0];
	assert.deepEqual([ faulty.reason, faulty.mistakes, faulty.can.resume ], [ '', [ 'password: is missing' ], false ]);
	assert.ok(new Set([ 'ok', 'sending', 'verifying', 'waiting', 'blocked', 'no-address', 'clock', 'disabled' ].map((state) =>
		JSON.stringify(model.rows(null, { services: [ Object.assign({}, status.services[1], { state: state }) ] }, [], true).map((r) => [ r.word ])))).size == 8, 'every state has a word of its own');
});

test('without a daemon nothing old is shown as true', () => {
	const status = { services: [ { name: 'home', provider: 'some', state: 'ok', records: [], reason: '', next: '' } ] };
	assert.deepEqual(model.rows(config([ service('home') ]), status, providers, false).map((r) => r.state), [ 'new' ]);
	assert.deepEqual(model.rows(null, status, [], true).map((r) => [ r.state, r.configured ]), [ [ 'ok', true ] ]);
});

test('every situation says what to do next', () => {
	const levels = (c, status, running) => model.notices(c, status, running).map((n) => n.level + ' ' + n.next);
	assert.deepEqual(levels(config([]), null, false), [ 'info add' ]);
	assert.deepEqual(levels(config([ service('home') ], { enabled: false }), null, false), [ 'warning enable' ]);
	assert.deepEqual(levels(config([ service('home') ]), null, false), [ 'danger start' ]);
	assert.deepEqual(levels(config([ service('home') ]), { services: [] }, true), []);
	assert.deepEqual(levels(config([], { error: 'the configuration could not be read' }), null, false), [ 'danger retry' ]);
	assert.deepEqual(levels(config([], { mistakes: [ { line: 1, service: '', key: '', text: 'this is TOML' } ] }), { services: [] }, true), [ 'danger ', 'danger ' ]);
	const paused = [ { line: 3, service: 'home', key: 'password', text: 'is missing' } ];
	assert.deepEqual(levels(config([ service('home') ], { mistakes: paused }), { services: [] }, true), [ 'danger ' ]);
	assert.deepEqual(levels(config([ service('home', { enabled: '0' }) ], { mistakes: paused }), { services: [] }, true), []);
	const broken = config([ service('home') ], { mistakes: [ { line: 3, service: '', key: '', text: 'a quote has no end' } ], warnings: [ 'run: chmod 600' ] });
	const said = model.notices(broken, { problems: [ 'flash is full' ], clock: 'waiting' }, true);
	assert.deepEqual(said.map((n) => n.level), [ 'danger', 'danger', 'warning', 'warning', 'warning' ]);
	assert.match(said[0].text, /^\/etc\/config\/wandns, line 3: a quote has no end$/);
});

test('times', () => {
	for (const [ s, want ] of [ [ null, '' ], [ -5, 'now' ], [ 5, '0:05' ], [ 725, '12:05' ], [ 3900, '1 h 05 min' ], [ 200000, '2 days' ] ])
		assert.equal(model.countdown(s), want);
	for (const [ iso, want ] of [ [ '', '' ], [ '2026-11-22T09:59:30Z', 'just now' ], [ '2026-11-22T09:50:00Z', '10 min ago' ], [ '2026-11-22T01:00:00Z', '9 h ago' ], [ '2026-11-01T01:00:00Z', '21 days ago' ] ])
		assert.equal(model.ago(iso, now), want);
	assert.equal(model.seconds('2026-11-22T10:01:30Z', now), 90);
});

test('sends against the quota', () => {
	assert.equal(model.quota(1, { changes_of_a_name_per_day: 2, requests_per_hour: 60, seconds_between_requests: 300 }), '1 sent today, at most 2 changes of a name a day, at most 60 an hour, 5 minutes apart');
	assert.equal(model.quota(undefined, null), '0 sent today');
});

test('addresses that the internet cannot reach are named', () => {
	for (const [ a, word ] of [
		[ '100.64.0.1', 'CGNAT' ], [ '100.127.255.254', 'CGNAT' ], [ '10.1.2.3', 'private' ], [ '172.31.0.1', 'private' ], [ '192.168.1.1', 'private' ],
		[ '192.0.0.2', 'DS-Lite' ], [ '169.254.1.1', 'link-local' ], [ 'fd12::1', 'unique local' ], [ 'fe80::1', 'link-local' ]
	])
		assert.match(model.reach(a), new RegExp(word), a);
	for (const a of [ '84.0.0.2', '100.128.0.1', '172.32.0.1', '2a00:1:2:3::1', 'nonsense', '1.2.3', '1::2::3', '' ])
		assert.equal(model.reach(a), '', a);
	assert.deepEqual(model.wan({ wan: [ { device: 'wan', default4: true, default6: false, ipv4: [ '10.0.0.2' ], ipv6: [], prefixes: [] } ] })[0].roles, 'IPv4');
	assert.deepEqual(model.wan(null), []);
});

test('hosts of the LAN become a MAC or a suffix', () => {
	assert.equal(model.suffixOfMAC('00:11:22:33:44:55'), '::211:22ff:fe33:4455');
	const hints = {
		'00:11:22:33:44:55': { name: 'nas', ipaddrs: [ '192.168.1.2' ], ip6addrs: [ 'fe80::1', '2a00:1:2:100:211:22ff:fe33:4455', '2a00:1:2:100::10', 'fd00::10' ] },
		'00:11:22:33:44:66': { ipv4: '192.168.1.3', ipv6: '2a00:1:2:100:0:0:0:20' },
		'nonsense': { name: 'x' }
	};
	assert.deepEqual(model.hosts(hints), [
		{ mac: '00:11:22:33:44:66', name: '192.168.1.3', suffixes: [ '::20' ] },
		{ mac: '00:11:22:33:44:55', name: 'nas', suffixes: [ '::10' ] }
	]);
	assert.deepEqual(model.hosts(null), []);
});

test('the form never has a secret, and keeps what was not typed anew', () => {
	const keys = [ { name: 'enabled' }, { name: 'provider' }, { name: 'hostnames' }, { name: 'server' } ];
	const old = service('home', { hostnames: 'a.example b.example', username: 'me', server: 'https://x', enabled: '0' }, [ 'password', 'key' ]);
	const data = model.form(old, providers[0], keys);
	assert.deepEqual(data, { enabled: '0', provider: 'some', hostnames: [ 'a.example', 'b.example' ], server: 'https://x', username: 'me' });

	data['.name'] = 'service';
	data._start = '1';
	data.server = '';
	let d = model.draft('home', data, old, providers[0]);
	assert.deepEqual(d, { service: 'home', values: { enabled: '0', provider: 'some', hostnames: [ 'a.example', 'b.example' ], username: 'me' }, drop: [] });

	data.password = 'new';
	data._forget_key = '1';
	d = model.draft('home', data, old, providers[0]);
	assert.equal(d.values.password, 'new');
	assert.deepEqual(d.drop, [ 'key' ]);

	d = model.draft('home', { provider: 'other', token: 't' }, old, providers[1]);
	assert.deepEqual(d.drop, [ 'password', 'key' ], 'another provider has no use for them');
	d = model.draft('home', { password_file: '/etc/x' }, old, providers[0]);
	assert.deepEqual(d.drop, [ 'password' ], 'a file takes its place');
	assert.deepEqual(model.draft('n', { hostnames: [ 'x' ] }, null, providers[0]), { service: 'n', values: { hostnames: [ 'x' ] }, drop: [] });

	const hidden = service('home', {}, [ 'password_file', 'ca_file', 'passwort' ]);
	assert.deepEqual(model.draft('home', {}, hidden, providers[0]).drop, [ 'passwort' ], 'paths that are not shown are kept');
	assert.deepEqual(model.draft('home', { _forget_ca_file: '1', _forget_password: '1' }, hidden, providers[0]).drop, [ 'password_file', 'ca_file', 'passwort' ]);
	const shared = service('home', { password_file: '/etc/wandns/x' }, []);
	assert.equal(model.form(shared, providers[0], keys).password_file, '/etc/wandns/x');
	assert.equal(model.form(shared, Object.assign({}, providers[0], { name: 'same' }), keys).password_file, undefined, 'it is for another provider');
});

test('a secret is not kept for somebody else', () => {
	const old = service('home', { server: 'https://x' });
	const given = (values) => (key) => values[key];
	assert.equal(model.moved(null, providers[0], given({ server: 'https://y' })), false);
	assert.equal(model.moved(old, providers[0], given({ server: 'https://x', ca_file: null })), false);
	assert.equal(model.moved(old, providers[0], given({ server: 'https://y' })), true);
	assert.equal(model.moved(old, providers[0], given({ server: '' })), true);
	assert.equal(model.moved(old, providers[0], given({ server: 'https://x', ca_file: '/etc/ssl/x' })), true);
	assert.equal(model.moved(old, providers[1], given({ server: 'https://x' })), true);

	const own = Object.assign({}, providers[0], { fields: [ { name: 'update_url', target: true }, { name: 'path', target: false } ] });
	const url = service('home', { update_url: 'https://x/{token}' });
	assert.equal(model.moved(url, own, given({ update_url: 'https://x/{token}', path: 'p' })), false);
	assert.equal(model.moved(url, own, given({ update_url: 'https://y/{token}' })), true);
	assert.equal(model.moved(url, own, given({})), true);
});

test('what is typed is checked at once', () => {
	for (const [ check, good, bad ] of [
		[ 'name', [ 'home', 'a_1' ], [ '', 'a b', 'a-b', 'ä' ] ],
		[ 'hostname', [ 'home.example.com', '*.example.com', 'group1', '1234', '@' ], [ 'a b', 'a,b', '<b>', '192.0.2.1', '2001:db8::1', 'a'.repeat(64) + '.example.com', 'a.'.repeat(127) ] ],
		[ 'ipv6_mac', [ '', '00:11:22:33:44:55', '00-11-22-aa-BB-55' ], [ '00:11', '00:11:22:33:44:5g' ] ],
		[ 'ipv6_suffix', [ '', '::10', '::1234:5678:9abc:def0' ], [ '10', '2a00::1', '1.2.3.4' ] ],
		[ 'url', [ '', 'http://127.0.0.1:80', 'https://a.example/x' ], [ 'a.example', 'https://user:pw@x', 'ftp://x' ] ],
		[ 'path', [ '', '/etc/ssl/x', '/etc/wandns/x' ], [ 'x', '/etc/x', '/etc/ssl/' ] ]
	]) {
		good.forEach((v) => assert.equal(model.check[check](v), '', check + ' ' + v));
		bad.forEach((v) => assert.notEqual(model.check[check](v), '', check + ' ' + v));
	}
});

test('the name that is suggested is free', () => {
	assert.equal(model.suggest([]), 'home');
	assert.equal(model.suggest([ service('work') ]), 'home');
	assert.equal(model.suggest([ service('home'), service('home3') ]), 'home2');
	assert.equal(model.suggest([ service('home3'), service('home'), service('home2') ]), 'home4');
	assert.equal(model.check.name(model.suggest([ service('home') ])), '');
});

test('providers are found by what one types', () => {
	assert.deepEqual(model.search(providers, 'SOME dns').map((p) => p.name), [ 'some' ]);
	assert.equal(model.search(providers, '').length, 2);
	assert.deepEqual(model.search(providers, 'nothing'), []);
});

test('actions and their answers', () => {
	assert.deepEqual(model.args('NAME TYPE [VALUE]'), [ { name: 'NAME', optional: false }, { name: 'TYPE', optional: false }, { name: 'VALUE', optional: true } ]);
	assert.equal(model.argOf({ args: 'ID' }, { id: 'k1' }), 'k1');
	assert.equal(model.argOf({ args: 'HOST [TYPE]' }, { host: 'x' }), null);
	assert.equal(model.argOf({ args: 'ID' }, { host: 'x' }), null);
	assert.deepEqual(model.answer({ service: 's', provider: 'p', action: 'key list', answer: 'ok', note: 'n', offline: true, keys: [ { address: '', id: 'k1', host: 'h', enabled: false } ] }), {
		facts: [ [ 'offline', 'yes' ] ], tables: [ { name: 'keys', columns: [ 'host', 'id', 'enabled' ], rows: [ { address: '', id: 'k1', host: 'h', enabled: false } ] } ], words: 'ok', note: 'n'
	});
});

test('an answer as text', () => {
	assert.deepEqual(model.plain({ answer: 'x', note: 'n', key: 'k', hosts: [ { ipv4: '1', hostname: 'h' } ], others: [] }), [ 'key: k', 'hostname: h, ipv4: 1', 'others: none', 'n' ]);
});

test('the log of one service, the newest first', () => {
	const entries = [
		{ msg: 'wandns[1]: home: published', priority: 30, time: 1 }, { msg: 'wandns[1]: homes: published', priority: 30, time: 2 },
		{ msg: 'dnsmasq[1]: home: x', priority: 30, time: 3 }, { msg: 'wandns: home: blocked: <b>', priority: 27, time: 4 }
	];
	assert.deepEqual(model.log(entries, 'home', ''), [ { time: 4, level: 3, text: 'home: blocked: <b>' }, { time: 1, level: 6, text: 'home: published' } ]);
	assert.deepEqual(model.log(entries, '', 'PUBL').map((l) => l.time), [ 2, 1 ]);
});

test('something under way is looked at more often', () => {
	assert.equal(model.busy(null), false);
	assert.equal(model.busy({ services: [ { state: 'ok' }, { state: 'future' } ] }), false);
	assert.equal(model.busy({ services: [ { state: 'ok' }, { state: 'sending' } ] }), true);
});
