'use strict';
'require view';
'require poll';
'require wandns.api as api';
'require wandns.model as model';
'require wandns.parts as parts';

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	/* What is known at once is shown at once. */
	load: function() { return api.status(); },

	render: function(status) {
		this.config = null;
		this.providers = [];
		this.status = status;
		this.skew = 0;
		this.cards = {};
		this.said = {};
		this.turn = 0;
		this.notices = E('div');
		this.wan = E('div', { 'class': 'wandns-wan' });
		this.list = E('div', { 'class': 'wandns-cards' });
		this.add = parts.button(_('Add a service'), 'add', L.bind(this.edit, this, null));
		this.add.disabled = true;
		this.page = E('div', { 'class': 'wandns' }, [
			parts.style(),
			E('h2', {}, [ _('Dynamic DNS') ]),
			this.notices,
			E('h3', {}, [ _('WAN') ]), this.wan,
			E('div', { 'class': 'wandns-buttons' }, [ parts.button(_('Why these addresses'), '', L.bind(this.why, this)) ]),
			E('h3', {}, [ _('Services') ]), this.list,
			E('div', { 'class': 'wandns-buttons' }, [ this.add ])
		]);
		this.show();
		Promise.all([ api.config(), api.providers() ]).then(L.bind(function(got) {
			this.config = got[0];
			this.providers = got[1].providers;
			this.keys = got[1].keys;
			this.add.disabled = false;
			this.skew = this.config.now * 1000 - Date.now();
			this.show();
			poll.add(L.bind(this.look, this), 5);
		}, this)).catch(L.bind(parts.failed, parts));
		window.setInterval(L.bind(this.tick, this), 1000);
		return this.page;
	},

	now: function() { return Date.now() + this.skew; },

	/* Each time starts a process on the router: every second one will do while
	 * nothing is under way. */
	look: function() {
		if (document.hidden || (++this.turn % 2 && !model.busy(this.status.said)))
			return Promise.resolve();
		return api.status().then(L.bind(function(status) {
			this.status = status;
			this.show();
		}, this));
	},

	/* After a change: the configuration too, now and when procd has acted. */
	again: function() {
		const read = L.bind(function() {
			return Promise.all([ api.config(), api.status() ]).then(L.bind(function(got) {
				if (got[0].services) /* else it was not answered */
					this.config = got[0];
				this.status = got[1];
				this.show();
			}, this));
		}, this);
		[ 1500, 4000 ].forEach(function(ms) { window.setTimeout(read, ms); });
		return read();
	},

	/* What a button came to is told in the card, for as long as it is news. */
	act: function(name, promise) {
		return promise.then(L.bind(function(reply) {
			if (reply) {
				this.said[name] = (reply.error || reply.text || _('Done')).replace(name + ': ', '');
				window.setTimeout(L.bind(function() { delete this.said[name]; this.show(); }, this), 15000);
			}
			return this.again();
		}, this)).catch(L.bind(parts.failed, parts));
	},

	show: function() {
		const up = this.status.running, status = this.status.said;
		const said = this.config ? model.notices(this.config, status, up) : [];
		parts.paint(this.notices, said, L.bind(function() {
			return said.map(L.bind(function(n) { return parts.notice(n, this.next(n.next)); }, this));
		}, this));
		const wan = up ? model.wan(status) : [];
		parts.paint(this.wan, wan, function() {
			if (!wan.length)
				return [ E('em', {}, [ up ? _('There is no default route: the WAN is down. See Network → Interfaces.') : _('Shown when wandns is running.') ]) ];
			return wan.reduce(function(cells, w) {
				const lines = w.addresses.map(function(a) { return E('div', {}, [ a.note ? a.address + ' – ' + a.note : a.address ]); });
				w.prefixes.forEach(function(p) { lines.push(E('div', { 'class': 'wandns-dim' }, [ _('delegated prefix %s').format(p) ])); });
				if (w.omitted)
					lines.push(E('div', { 'class': 'wandns-dim' }, [ _('and %d more').format(w.omitted) ]));
				return cells.concat([
					E('div', {}, [ E('strong', {}, [ w.device ]), E('div', { 'class': 'wandns-dim' }, [ w.roles ? _('default route: %s').format(w.roles) : '' ]) ]),
					E('div', {}, lines)
				]);
			}, []);
		});
		const rows = model.rows(this.config, status, this.providers, up);
		if (!this.config && !rows.length)
			parts.paint(this.notices, null, function() { return [ E('p', { 'class': 'spinning' }, [ _('Reading the configuration…') ]) ]; });
		rows.forEach(L.bind(function(r) {
			const card = this.cards[r.name] = this.cards[r.name] || this.list.appendChild(E('div', { 'class': 'wandns-card' }));
			card.setAttribute('data-kind', r.kind);
			card.setAttribute('data-service', r.name);
			card.setAttribute('data-state', r.state);
			r.said = this.said[r.name] || '';
			parts.paint(card, [ r, !!this.config ], L.bind(this.card, this, r));
		}, this));
		Object.keys(this.cards).forEach(L.bind(function(name) {
			if (!model.find(rows, name)) {
				this.list.removeChild(this.cards[name]);
				delete this.cards[name];
			}
		}, this));
		this.tick();
	},

	tick: function() {
		const now = this.now();
		this.page.querySelectorAll('[data-next]').forEach(function(el) {
			el.textContent = _('next attempt: %s').format(model.countdown(model.seconds(el.getAttribute('data-next'), now)));
		});
		this.page.querySelectorAll('[data-since]').forEach(function(el) {
			el.textContent = model.ago(el.getAttribute('data-since'), now);
		});
	},

	next: function(what) {
		switch (what) {
		case 'add':
			return parts.button(_('Add a service'), 'add', L.bind(this.edit, this, null));
		case 'enable':
			return parts.button(_('Switch on'), 'apply', L.bind(function() { return this.act('', api.enable('', true)); }, this));
		case 'start':
			return parts.button(_('Start'), 'apply', function() { location.href = L.url('admin/system/startup'); });
		case 'retry':
			return parts.button(_('Read again'), 'neutral', L.bind(function() { return this.again(); }, this));
		}
	},

	card: function(r) {
		const cells = [];
		r.records.forEach(function(c) {
			cells.push(
				E('strong', {}, [ c.hostname ]), E('span', {}, [ c.type ]),
				E('span', {}, [ c.published ? _('published: %s').format(c.published) : c.type ? _('not published yet') : '', c.differs ? E('div', {}, [ _('wanted: %s').format(c.wanted) ]) : '' ]),
				c.since ? E('span', { 'class': 'wandns-dim', 'data-since': c.since }) : E('span'));
		});
		const out = [
			E('div', { 'class': 'wandns-head' }, [
				E('h4', {}, [ r.name ]), E('span', { 'class': 'wandns-dim' }, [ r.provider ]),
				E('span', { 'class': 'wandns-state' }, [ E('span', { 'aria-hidden': 'true' }, [ r.symbol ]), ' ' + r.word ]),
				r.next ? E('span', { 'class': 'wandns-next', 'data-next': r.next }) : E('span', { 'class': 'wandns-next' })
			]),
			E('div', { 'class': 'wandns-records' }, cells)
		];
		r.mistakes.forEach(function(m) { out.push(E('div', { 'class': 'wandns-reason' }, [ '✖ ' + m ])); });
		if (r.reason)
			out.push(E('div', { 'class': 'wandns-reason' }, [ r.reason ]));
		if (r.said)
			out.push(E('div', { 'class': 'wandns-reason', 'role': 'status' }, [ '➜ ' + r.said ]));
		out.push(E('div', { 'class': 'wandns-dim' }, [
			r.quota + (r.answer ? '; ' + _('last answer: %s').format(r.answer) : '') + (r.error ? '; ' + _('last error: %s').format(r.error) : '')
		]));
		const button = L.bind(function(can, label, kind, fn) {
			if (!can)
				return [];
			const b = parts.button(label, kind, L.bind(fn, this));
			b.disabled = !this.config;
			return [ b ];
		}, this);
		const name = r.name;
		out.push(E('div', { 'class': 'wandns-buttons' }, [].concat(
			button(r.can.resume, _('Resume'), 'apply', function() { return this.act(name, api.resume(name)); }),
			button(r.can.update, _('Update now'), 'action', function() { return this.act(name, api.update([ name ])); }),
			button(r.can.start, _('Start'), 'apply', function() { return this.act(name, api.enable(name, true)); }),
			button(r.can.pause, _('Pause'), 'neutral', function() { return this.act(name, api.enable(name, false)); }),
			button(r.configured, _('Edit'), 'edit', function() { return this.edit(name); }),
			button(true, _('Log'), '', function() { location.href = L.url('admin/services/wandns/log') + '?service=' + encodeURIComponent(name); }),
			button(r.configured, _('Delete'), 'negative', function() {
				return parts.ask(_('Delete %s?').format(name), _('The service goes from the configuration. Its names stay at the provider as they are.'), _('Delete')).then(L.bind(function(yes) {
					if (yes)
						return this.act(name, api.remove(name));
				}, this));
			}))));
		return out;
	},

	edit: function(name) {
		return this.editor().then(L.bind(function(editor) {
			return editor.open({ config: this.config, providers: this.providers, keys: this.keys }, name, L.bind(function() {
				this.said = {};
				return this.again();
			}, this));
		}, this));
	},

	why: function() {
		return this.editor().then(function(editor) { return editor.why(); });
	},

	/* The forms are large, and seldom needed. */
	editor: function() { return L.require('wandns.editor'); }
});
