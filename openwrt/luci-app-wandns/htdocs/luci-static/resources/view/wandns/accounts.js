'use strict';
'require view';
'require ui';
'require wandns.api as api';
'require wandns.model as model';
'require wandns.parts as parts';

/* What the accounts offer besides updating, as the providers' data has it. */

const OPTIONS = { preference: _('Preference (MX)'), replace: _('Value to replace (MX)'), ttl: _('Seconds to remember (TTL)') };

const ARGS = { HOST: _('Name'), NAME: _('Name'), TYPE: _('Type'), VALUE: _('Value'), ID: _('ID') };

const LABELS = {
	'record set': _('Write a record'), 'record delete': _('Delete a record'),
	'host list': _('List names'), 'host attach': _('Connect'), 'host detach': _('Disconnect'),
	'key list': _('List keys'), 'key create': _('Make a key'), 'key enable': _('Enable'),
	'key disable': _('Disable'), 'key delete': _('Delete'), 'key log': _('History'),
	'client create': _('Register this router'), 'client show': _('Show this router'), 'client delete': _('End the registration'),
	'presence offline': _('Take offline'), 'presence online': _('Back online'),
	'probe ping': _('Is it there?'), 'probe ip': _('Which address does it see?')
};

function label(a) {
	return LABELS[a.verb + ' ' + a.action] || a.verb + ' ' + a.action;
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load: function() { return Promise.all([ api.config(), api.providers() ]); },

	render: function(data) {
		const cards = data[0].services.map(L.bind(function(s) {
			const provider = model.find(data[1].providers, s.values.provider);
			return provider && provider.actions.length ? this.service(s, provider) : null;
		}, this)).filter(Boolean);
		return E('div', {}, [
			parts.style(),
			E('h2', {}, [ _('Accounts') ]),
			E('p', {}, [ _('What your providers offer besides updating. Nothing is asked of them before you press a button, and their limits are kept.') ]),
			E('div', { 'class': 'wandns-cards' }, cards.length ? cards : [ E('em', {}, [ _('No service has a provider with more to offer. Add one on the page Overview.') ]) ])
		]);
	},

	service: function(s, provider) {
		const answer = E('div', { 'aria-live': 'polite' });
		const verbs = {};
		provider.actions.forEach(function(a) { (verbs[a.verb] = verbs[a.verb] || []).push(a); });
		return E('div', { 'class': 'wandns-card', 'data-service': s.name }, [
			E('div', { 'class': 'wandns-head' }, [ E('h4', {}, [ s.name ]), E('span', { 'class': 'wandns-dim' }, [ provider.title ]) ])
		].concat(Object.keys(verbs).map(L.bind(function(verb) {
			return E('div', { 'class': 'wandns-buttons' }, verbs[verb].filter(function(a) {
				return !(a.args == 'ID' && verbs[verb].some(function(b) { return b.args == ''; }));
			}).map(L.bind(function(a) {
				const b = parts.button(label(a), a.deletes ? 'negative' : 'neutral', L.bind(this.begin, this, s, provider, a, answer));
				b.setAttribute('title', _(a.help));
				b.setAttribute('data-action', a.verb + ' ' + a.action);
				return b;
			}, this)));
		}, this)), [ answer ]));
	},

	/* Asks for the arguments, if there are any. */
	begin: function(s, provider, a, answer) {
		const fields = model.args(a.args).map(function(x) {
			return { name: x.name, label: ARGS[x.name] || x.name, optional: x.optional, input: E('input', { 'type': 'text', 'class': 'cbi-input-text', 'aria-label': ARGS[x.name] || x.name, 'name': x.name }) };
		});
		const options = a.options.map(function(o) {
			return { name: o, label: OPTIONS[o] || o, optional: true, input: E('input', { 'type': 'text', 'class': 'cbi-input-text', 'aria-label': OPTIONS[o] || o, 'name': o }) };
		});
		if (!fields.length && !options.length)
			return this.run(s, provider, a, [], {}, answer);
		const go = L.bind(function() {
			const args = fields.map(function(f) { return f.input.value.trim(); });
			while (args.length && args[args.length - 1] == '')
				args.pop();
			const given = {};
			options.forEach(function(o) { if (o.input.value.trim() != '') given[o.name] = o.input.value.trim(); });
			ui.hideModal();
			return this.run(s, provider, a, args, given, answer);
		}, this);
		ui.showModal([ provider.title + ': ' + label(a) ], [ E('p', {}, [ _(a.help) ]) ].concat(
			fields.concat(options).map(function(f) {
				return E('div', { 'class': 'cbi-value' }, [
					E('label', { 'class': 'cbi-value-title' }, [ f.optional ? _('%s (optional)').format(f.label) : f.label ]),
					E('div', { 'class': 'cbi-value-field' }, [ f.input ])
				]);
			}), [
				E('p', { 'class': 'wandns-dim' }, [ _('Example: %s').format(a.example) ]),
				E('div', { 'class': 'right' }, [
					E('button', { 'class': 'btn', 'click': ui.hideModal }, [ _('Cancel') ]), ' ',
					E('button', { 'class': 'btn cbi-button-positive important', 'click': go }, [ _('Continue') ])
				])
			]));
	},

	run: function(s, provider, a, args, options, answer) {
		const sure = a.deletes ? parts.ask(_('Are you sure?'), _('Delete %s at %s? This cannot be undone here.').format(a.deletes + ' ' + args.join(' '), provider.title), _('Delete')) : Promise.resolve(true);
		return sure.then(function(yes) {
			if (!yes)
				return null;
			return a.needs_password ? parts.login(provider.title) : { username: '', password: '' };
		}).then(L.bind(function(login) {
			if (!login)
				return;
			parts.paint(answer, Date.now(), function() { return [ E('p', { 'class': 'spinning' }, [ _('Asking the provider…') ]) ]; });
			return api.account(s.name, a.verb, a.action, args, options, login.username, login.password).then(L.bind(function(r) {
				parts.paint(answer, Math.random(), L.bind(function() { return this.answer(s, provider, a, r, answer); }, this));
			}, this));
		}, this)).catch(L.bind(parts.failed, parts));
	},

	answer: function(s, provider, a, r, answer) {
		if (r.code || !r.data)
			return [ parts.notice({ level: r.code ? 'danger' : 'info', text: r.error || r.text || _('Done') }) ];
		const said = model.answer(r.data);
		const out = [ E('p', {}, [ E('strong', {}, [ '✔ ' + label(a) ]), said.words ? ' ' + _('%s said: %s').format(provider.title, said.words) : '' ]) ];
		said.facts.forEach(function(f) { out.push(E('div', {}, [ f[0] + ': ' + f[1] ])); });
		said.tables.forEach(L.bind(function(t) {
			if (!t.rows.length)
				return out.push(E('em', {}, [ _('There are none.') ]));
			const mine = provider.actions.filter(function(b) { return b.verb == a.verb && model.argOf(b, t.rows[0]) != null && model.args(b.args).length == 1; });
			out.push(E('div', { 'class': 'wandns-scroll' }, [ E('table', { 'class': 'table' }, [
				E('tr', { 'class': 'tr table-titles' }, t.columns.map(function(c) { return E('th', { 'class': 'th' }, [ c ]); }).concat(mine.length ? [ E('th', { 'class': 'th' }) ] : []))
			].concat(t.rows.map(L.bind(function(row) {
				return E('tr', { 'class': 'tr' }, t.columns.map(function(c) {
					const v = row[c];
					return E('td', { 'class': 'td', 'data-title': c }, [ v === true ? _('yes') : v === false ? _('no') : String(v) ]);
				}).concat(mine.length ? [ E('td', { 'class': 'td' }, mine.map(L.bind(function(b) {
					return parts.button(label(b), b.deletes ? 'negative' : 'neutral', L.bind(this.run, this, s, provider, b, [ model.argOf(b, row) ], {}, answer));
				}, this))) ] : []));
			}, this)))) ]));
		}, this));
		if (said.note)
			out.push(E('p', { 'class': 'wandns-dim' }, [ said.note ]));
		return out;
	}
});
