'use strict';
'require baseclass';

/* Everything that is decided in the browser. No LuCI and no DOM here, so that
 * node can test it; see test/model.test.js. */

const STATES = {
	'ok':         { word: _('up to date'),         symbol: '✔', kind: 'good' },
	'sending':    { word: _('sending'),            symbol: '➜', kind: 'busy' },
	'verifying':  { word: _('looking up'),         symbol: '?', kind: 'busy' },
	'waiting':    { word: _('waiting'),            symbol: '◷', kind: 'wait' },
	'blocked':    { word: _('blocked'),            symbol: '✖', kind: 'bad' },
	'no-address': { word: _('no address'),         symbol: '⌀', kind: 'wait' },
	'clock':      { word: _('waiting for clock'),  symbol: '◷', kind: 'wait' },
	'disabled':   { word: _('paused'),             symbol: '‖', kind: 'off' },
	'new':        { word: _('not started'),        symbol: '…', kind: 'off' }
};

const UNREACHABLE = [
	[ '100.64.0.0', 10, _('carrier-grade NAT (CGNAT): the internet cannot connect to it') ],
	[ '10.0.0.0', 8, _('private: another router or NAT is in front of this one') ],
	[ '172.16.0.0', 12, _('private: another router or NAT is in front of this one') ],
	[ '192.168.0.0', 16, _('private: another router or NAT is in front of this one') ],
	[ '192.0.0.0', 24, _('DS-Lite: the internet cannot connect to it') ],
	[ '169.254.0.0', 16, _('link-local: the WAN has got no address') ],
	[ 'fc00::', 7, _('unique local: for use inside networks only') ],
	[ 'fe80::', 10, _('link-local: for use on this link only') ]
];

function list(v) {
	if (Array.isArray(v))
		return v;
	return (v == null || v == '') ? [] : String(v).split(/\s+/);
}

function truth(v) {
	return [ '1', 'on', 'true', 'yes', 'enabled' ].indexOf(String(v)) >= 0;
}

function fill(text /*, ... */) {
	const values = Array.prototype.slice.call(arguments, 1);
	return text.replace(/%[sd]/g, function() { return String(values.shift()); });
}

/* An address as its bytes; null if it is none. */
function bytes(addr) {
	const s = String(addr).toLowerCase();
	if (s.indexOf(':') < 0) {
		const parts = s.split('.');
		if (parts.length != 4 || !parts.every(function(p) { return /^\d{1,3}$/.test(p) && +p < 256; }))
			return null;
		return parts.map(Number);
	}
	const halves = s.split('::');
	const words = halves.map(function(h) { return h == '' ? [] : h.split(':'); });
	const given = words.reduce(function(n, w) { return n + w.length; }, 0);
	if (halves.length > 2 || (halves.length == 1 ? given != 8 : given > 7))
		return null;
	const all = words[0].concat(halves.length == 2 ? new Array(8 - given).fill('0') : [], words[1] || []);
	if (!all.every(function(w) { return /^[0-9a-f]{1,4}$/.test(w); }))
		return null;
	return all.reduce(function(b, w) {
		const n = parseInt(w, 16);
		return b.concat([ n >> 8, n & 255 ]);
	}, []);
}

function within(b, prefix, bits) {
	const p = bytes(prefix);
	if (b.length != p.length)
		return false;
	for (let i = 0; i < bits; i++)
		if ((b[i >> 3] ^ p[i >> 3]) & (128 >> (i & 7)))
			return false;
	return true;
}

/* The last 64 bits of an IPv6 address, as ipv6_suffix has them. */
function suffix(b) {
	const words = [];
	for (let i = 8; i < 16; i += 2)
		words.push(((b[i] << 8) | b[i + 1]).toString(16));
	return ('::' + words.join(':')).replace(/^::(0:)+/, '::');
}

function mac(s) {
	return /^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(s);
}

/* The last 64 bits that a host makes of its MAC address (EUI-64). */
function suffixOfMAC(s) {
	const b = s.split(/[:-]/).map(function(x) { return parseInt(x, 16); });
	return suffix(new Array(8).fill(0).concat([ b[0] ^ 2, b[1], b[2], 255, 254, b[3], b[4], b[5] ]));
}

function seconds(iso, now) {
	const t = Date.parse(iso);
	return isNaN(t) ? null : Math.round((t - now) / 1000);
}

function two(n) {
	return (n < 10 ? '0' : '') + n;
}

/* A time to come: 0:05, 12:00, 3 h 05 min. */
function countdown(s) {
	if (s == null)
		return '';
	if (s <= 0)
		return _('now');
	if (s < 3600)
		return Math.floor(s / 60) + ':' + two(s % 60);
	if (s < 172800)
		return fill(_('%d h %s min'), Math.floor(s / 3600), two(Math.floor(s % 3600 / 60)));
	return fill(_('%d days'), Math.floor(s / 86400));
}

/* A time that has passed, in its largest unit. */
function ago(iso, now) {
	const s = seconds(iso, now);
	if (s == null)
		return '';
	if (s > -60)
		return _('just now');
	if (s > -3600)
		return fill(_('%d min ago'), Math.floor(-s / 60));
	if (s > -172800)
		return fill(_('%d h ago'), Math.floor(-s / 3600));
	return fill(_('%d days ago'), Math.floor(-s / 86400));
}

/* What has left today, against what the provider allows. */
function quota(sent, limits) {
	const parts = [ fill(_('%d sent today'), sent || 0) ];
	if (limits && limits.changes_of_a_name_per_day)
		parts.push(fill(_('at most %d changes of a name a day'), limits.changes_of_a_name_per_day));
	if (limits && limits.requests_per_hour)
		parts.push(fill(_('at most %d an hour'), limits.requests_per_hour));
	if (limits && limits.seconds_between_requests)
		parts.push(fill(_('%d minutes apart'), Math.round(limits.seconds_between_requests / 60)));
	return parts.join(', ');
}

function find(items, name) {
	return (items || []).filter(function(x) { return x.name == name; })[0];
}

/* A reason ends with the command that is the next step; here that is a button. */
function pressed(reason) {
	const told = reason.replace(/, then run: wandns resume \S+$/, '');
	return told == reason ? reason : told + '. ' + _('Then press Resume.');
}

function paused(service) {
	return !!service && service.values.enabled != null && !truth(service.values.enabled);
}

/* A service as the overview shows it: what the configuration has, if that is
 * known yet, and what the daemon says of it. Times are the router's. */
function rows(config, status, providers, up) {
	const known = config;
	config = config || { services: [], mistakes: [] };
	const told = (up && status && status.services) || [];
	const names = config.services.map(function(s) { return s.name; });
	const sound = known && !known.error && !known.mistakes.some(function(m) { return m.service == ''; });
	told.forEach(function(s) {
		if (names.indexOf(s.name) < 0 && !sound)
			names.push(s.name); // else it is deleted, and the daemon is about to know
	});
	return names.map(function(name) {
		const own = find(config.services, name);
		const said = find(told, name);
		const provider = (own && own.values.provider) || (said && said.provider) || '';
		const about = find(providers, provider);
		const wrong = config.mistakes.filter(function(m) { return m.service == name; });
		const off = paused(own);
		const state = said ? said.state : (off ? 'disabled' : 'new');
		const look = STATES[state] || { word: state, symbol: '?', kind: 'wait' };
		const records = (said && said.records || []).map(function(r) {
			return {
				hostname: r.hostname, type: r.type, published: r.published, wanted: r.wanted,
				since: r.since, differs: r.wanted != '' && r.wanted != r.published
			};
		});
		if (!records.length && own)
			list(own.values.hostnames).forEach(function(h) {
				records.push({ hostname: h, type: '', published: '', wanted: '', since: '', differs: false });
			});
		return {
			name: name, provider: about ? about.title : provider, state: state,
			word: look.word, symbol: look.symbol, kind: look.kind,
			reason: said && !wrong.length ? pressed(said.reason) : '', next: said ? said.next : '',
			mistakes: wrong.map(function(m) { return (m.key ? m.key + ': ' : '') + m.text; }),
			answer: said ? said.last_answer : '', error: said && said.reason.indexOf(said.last_error) < 0 ? said.last_error : '',
			records: records, quota: quota(said && said.sent_today, own && own.limits),
			paused: off, configured: !!own || !known,
			can: {
				update: !!said && state != 'disabled' && state != 'blocked',
				resume: state == 'blocked' && !wrong.length,
				pause: (!!own || !known) && !off,
				start: off
			}
		};
	});
}

/* The WAN as the daemon sees it. */
function wan(status) {
	return (status && status.wan || []).map(function(w) {
		const roles = [];
		if (w.default4) roles.push('IPv4');
		if (w.default6) roles.push('IPv6');
		return {
			device: w.device, roles: roles.join(', '), prefixes: w.prefixes || [], omitted: w.omitted || 0,
			addresses: (w.ipv4 || []).concat(w.ipv6 || []).map(function(a) { return { address: a, note: reach(a) }; })
		};
	});
}

/* Why the internet cannot reach an address; nothing if it may. */
function reach(addr) {
	const b = bytes(addr);
	const hit = b && UNREACHABLE.filter(function(u) { return within(b, u[0], u[1]); })[0];
	return hit ? hit[2] : '';
}

/* What stands above the services, the gravest first; next names a button. */
function notices(config, status, up) {
	const out = [];
	const say = function(level, text, next) { out.push({ level: level, text: text, next: next || '' }); };
	const wrong = config.mistakes.some(function(m) { return !paused(find(config.services, m.service)); });
	if (config.error)
		say('danger', config.error, 'retry');
	config.mistakes.forEach(function(m) {
		if (m.service == '')
			say('danger', fill(_('%s, line %d: %s'), config.file, m.line, (m.key ? m.key + ': ' : '') + m.text));
	});
	if (!config.error && !config.services.length && !wrong)
		say('info', _('There is no name to keep up to date yet. Add the first one: choose the provider, and type the name and the login that you have there.'), 'add');
	else if (!config.error && !config.enabled)
		say('warning', _('wandns is switched off, so no name is updated. Switch it on when the services below are right.'), 'enable');
	else if (!config.error && !up && wrong)
		say('danger', _('wandns is not running, because the configuration has mistakes. Correct what is marked here and below.'));
	else if (!config.error && !up)
		say('danger', _('wandns is not running. Start it on the page System → Startup; the log says why it stopped.'), 'start');
	else if (wrong)
		say('danger', _('The configuration has mistakes. What they are in goes on as it was before, or waits until they are corrected; all else works. Correct what is marked here and below.'));
	if (up && status) {
		(status.problems || []).forEach(function(p) { say('warning', p); });
		if (status.clock == 'waiting')
			say('warning', _('The clock of the router is not right yet. wandns goes on by itself when it is; NTP sets it.'));
	}
	(config.warnings || []).forEach(function(w) { say('warning', w); });
	return out;
}

/* Whether something is about to happen that one waits for. */
function busy(status) {
	return (status && status.services || []).some(function(s) { return (STATES[s.state] || {}).kind == 'busy'; });
}

/* The providers that fit what was typed, by name, title and address. */
function search(providers, text) {
	const words = text.toLowerCase().split(/\s+/).filter(Boolean);
	return providers.filter(function(p) {
		const hay = [ p.name, p.title, p.url ].join(' ').toLowerCase();
		return words.every(function(w) { return hay.indexOf(w) >= 0; });
	});
}

/* A name that no service has yet. */
function suggest(services) {
	let name = 'home', n = 1;
	while (find(services, name))
		name = 'home' + (++n);
	return name;
}

/* What is wrong with a value while it is typed; the router has the last word. */
const check = {
	name: function(v) {
		return /^[0-9A-Za-z_]+$/.test(v) ? '' : _('letters, digits and _ only');
	},
	hostname: function(v) {
		return /^[^\s,;'"<>:]+$/.test(v) && !/^[\d.]*\.[\d.]*$/.test(v) && v.length < 254 && !/[^.]{64}/.test(v) ? '' : _('a name like home.example.com; each on a line of its own');
	},
	ipv6_mac: function(v) {
		return v == '' || mac(v) ? '' : _('a MAC address like 00:11:22:33:44:55');
	},
	ipv6_suffix: function(v) {
		const b = bytes(v);
		return v == '' || (b && b.length == 16 && b[0] == 0) ? '' : _('the end of an address like ::1234:5678:9abc:def0');
	},
	url: function(v) {
		return v == '' || /^https?:\/\/[^\s\/@]+(\/\S*)?$/.test(v) ? '' : _('an address like https://ip.example.com/');
	},
	path: function(v) {
		return v == '' || /^\/etc\/(wandns|ssl)\/./.test(v) ? '' : _('a file below /etc/wandns or /etc/ssl');
	}
};

/* The hosts of the LAN that have a MAC address, for a choice. */
function hosts(hints) {
	const out = [];
	Object.keys(hints || {}).forEach(function(address) {
		if (!mac(address))
			return;
		const h = hints[address];
		const own = suffixOfMAC(address);
		const others = {};
		(h.ip6addrs || list(h.ipv6)).forEach(function(ip) {
			const b = bytes(ip);
			if (b && b.length == 16 && (b[0] & 0xe0) == 0x20 && suffix(b) != own)
				others[suffix(b)] = true;
		});
		out.push({ mac: address, name: h.name || (h.ipaddrs || list(h.ipv4))[0] || address, suffixes: Object.keys(others) });
	});
	return out.sort(function(a, b) { return a.name < b.name ? -1 : a.name > b.name ? 1 : 0; });
}

/* A service of the configuration as the form begins with it. */
function form(service, provider, keys) {
	const data = { enabled: '1' };
	const lists = [ 'hostnames', 'web_url4', 'web_url6' ];
	keys.concat(provider.fields).forEach(function(k) {
		const v = service && service.values[k.name];
		if (v != null && !k.secret)
			data[k.name] = lists.indexOf(k.name) >= 0 ? list(v) : v;
		if (k.secret && service && service.values.provider == provider.name && service.values[k.name + '_file'] != null)
			data[k.name + '_file'] = service.values[k.name + '_file'];
	});
	if (service)
		data.enabled = service.values.enabled == null || truth(service.values.enabled) ? '1' : '0';
	data.provider = provider.name;
	return data;
}

/* What the form has become: values to write, and secrets to forget. A secret
 * that was not typed anew stays. */
function draft(name, data, service, provider) {
	const out = { service: name, values: {}, drop: [] };
	Object.keys(data).forEach(function(k) {
		const v = data[k];
		if (k.charAt(0) == '.' || k.charAt(0) == '_' || v == null || v === '' || (Array.isArray(v) && !v.length))
			return;
		out.values[k] = v;
	});
	const known = provider.fields.filter(function(f) { return f.secret; }).map(function(f) { return f.name; });
	(service ? service.secrets : []).forEach(function(k) {
		const of = k.replace(/_file$/, '');
		if (service.values.provider != provider.name || (k != 'ca_file' && known.indexOf(of) < 0) ||
			out.values[of + '_file'] != null || truth(data['_forget_' + k]) || truth(data['_forget_' + of]))
			out.drop.push(k);
	});
	return out;
}

/* Whether the secrets would go to somebody else, and so have to be typed anew. */
function moved(service, provider, value) {
	const targets = provider.fields.filter(function(f) { return f.target; }).map(function(f) { return f.name; });
	return !!service && (service.values.provider != provider.name || [ 'server', 'ca_file' ].concat(targets).some(function(key) {
		return (value(key) || '') != (service.values[key] || '');
	}));
}

/* The arguments of an action: HOST [TYPE]. */
function args(text) {
	return list(text).map(function(w) {
		return { name: w.replace(/[[\]]/g, ''), optional: w.charAt(0) == '[' };
	});
}

/* The columns of a row by which an action can be called for it. */
const COLUMNS = { ID: [ 'id' ], HOST: [ 'hostname', 'host' ], NAME: [ 'name', 'hostname' ] };

/* The value of the only argument of an action that belongs to a row. */
function argOf(action, row) {
	const a = args(action.args);
	if (a.length != 1)
		return null;
	const column = (COLUMNS[a[0].name] || []).filter(function(c) { return row[c] != null && row[c] !== ''; })[0];
	return column ? row[column] : null;
}

/* The columns that hold something, those that name the row first. */
function columns(table) {
	const first = [ 'hostname', 'host', 'name', 'id', 'at' ];
	const rank = function(c) { return first.indexOf(c) < 0 ? first.length : first.indexOf(c); };
	return Object.keys(table[0] || {}).filter(function(c) {
		return table.some(function(r) { return r[c] !== '' && r[c] != null; });
	}).sort(function(a, b) { return rank(a) - rank(b); });
}

/* The answer of an action: single values, and tables. */
function answer(data) {
	const out = { facts: [], tables: [], words: data.answer || '', note: data.note || '' };
	Object.keys(data).forEach(function(k) {
		const v = data[k];
		if ([ 'service', 'provider', 'action', 'answer', 'note' ].indexOf(k) >= 0)
			return;
		if (Array.isArray(v) && (!v.length || typeof(v[0]) == 'object'))
			out.tables.push({ name: k, columns: columns(v), rows: v });
		else if (v !== '')
			out.facts.push([ k, Array.isArray(v) ? v.join(', ') : v === true ? _('yes') : v === false ? _('no') : String(v) ]);
	});
	return out;
}

/* The same as lines of text. */
function plain(data) {
	const a = answer(data);
	return a.facts.map(function(f) { return f.join(': '); }).concat(a.tables.reduce(function(all, t) {
		return all.concat(t.rows.length ? t.rows.map(function(r) {
			return t.columns.map(function(c) { return c + ': ' + r[c]; }).join(', ');
		}) : [ t.name + ': ' + _('none') ]);
	}, []), a.note || []);
}

/* The lines of the system's log that wandns wrote, the newest first. */
function log(entries, service, text) {
	const word = text.toLowerCase();
	return entries.map(function(e) {
		const m = /^wandns(?:\[\d+\])?: ?(.*)$/.exec(e.msg);
		return m ? { time: e.time, level: e.priority & 7, text: m[1] } : null;
	}).filter(function(l) {
		return l && (service == '' || l.text.indexOf(service + ': ') == 0) && l.text.toLowerCase().indexOf(word) >= 0;
	}).reverse();
}

return baseclass.extend({
	ago: ago, answer: answer, argOf: argOf, args: args, busy: busy, bytes: bytes, check: check,
	countdown: countdown, draft: draft, fill: fill, find: find, form: form, hosts: hosts, list: list,
	log: log, moved: moved, notices: notices, plain: plain, quota: quota, reach: reach, rows: rows,
	search: search, seconds: seconds, suggest: suggest, suffixOfMAC: suffixOfMAC, truth: truth, wan: wan
});
