'use strict';
'require baseclass';
'require form';
'require ui';
'require wandns.api as api';
'require wandns.model as model';
'require wandns.parts as parts';

/* The form of a service: made of what its provider wants. */

const LABELS = {
	username: _('User name'), password: _('Password'), hostnames: _('Names'), enabled: _('Enabled'),
	family: _('Addresses'), source: _('Where addresses come from'), 'interface': _('Network'), device: _('Device'),
	web_url4: _('Pages to ask for IPv4'), web_url6: _('Pages to ask for IPv6'),
	ipv6_mac: _('LAN host by MAC'), ipv6_suffix: _('LAN host by suffix'), ipv6_lan: _('LAN device'),
	allow_private: _('Private addresses too'), server: _('Server'), ca_file: _('CA file')
};

const CHOICES = {
	family: [ [ '', _('IPv4 and IPv6') ], [ 'ipv4', _('IPv4 only') ], [ 'ipv6', _('IPv6 only') ] ],
	source: [
		[ '', _('automatic: the WAN, or from outside behind a NAT') ], [ 'device', _('the WAN itself') ],
		[ 'web', _('from outside: pages on the internet') ], [ 'provider', _('the provider sees it') ]
	]
};

const CHECKS = { hostnames: 'hostname', ipv6_mac: 'ipv6_mac', ipv6_suffix: 'ipv6_suffix', web_url4: 'url', web_url6: 'url', server: 'url', ca_file: 'path' };

/* What an empty choice means. */
const NOTHING = { device: _('automatic'), 'interface': _('automatic'), ipv6_lan: _('automatic'), ipv6_mac: _('none'), ipv6_suffix: _('none') };

/* What stands where a secret is not shown: one that whom it goes to has changed
 * for is not kept. */
const KEPT = _('•••••• (kept unless typed anew)'), ANEW = _('type it anew, since it would go elsewhere');

const LISTS = [ 'hostnames', 'web_url4', 'web_url6' ];

function label(name) {
	return LABELS[name] || name.replace(/_/g, ' ');
}

function checked(check) {
	return function(section, value) {
		return (value == null || value === '') ? true : (model.check[check](value) || true);
	};
}

/* Adds the option of a key to a section. */
function option(s, tab, k, service, extra) {
	const file = service && service.values[k.name + '_file'] != null;
	const stored = service && (service.secrets.indexOf(k.name) >= 0 || service.secrets.indexOf(k.name + '_file') >= 0);
	let o;
	if (LISTS.indexOf(k.name) >= 0)
		o = s.taboption(tab, form.DynamicList, k.name, label(k.name));
	else if (CHOICES[k.name])
		o = s.taboption(tab, form.ListValue, k.name, label(k.name));
	else if (k.name == 'allow_private')
		o = s.taboption(tab, form.Flag, k.name, label(k.name));
	else
		o = s.taboption(tab, form.Value, k.name, label(k.name));
	(CHOICES[k.name] || extra || []).forEach(function(c) { o.value(c[0], c[1]); });
	o.description = k.help ? _(k.help).replace(/&/g, '&amp;').replace(/</g, '&lt;') : null; // LuCI takes it for HTML
	o.placeholder = k.example || NOTHING[k.name] || '';
	o.optional = o.rmempty = k.name == 'hostnames' ? false : !k.required || !!k.secret && (stored || file);
	if (CHECKS[k.name])
		o.validate = checked(CHECKS[k.name]);
	if (k.secret)
		o.password = true;
	if (k.secret || stored)
		o.placeholder = stored ? KEPT : '';
	if (k.secret && file) {
		o = s.taboption(tab, form.Value, k.name + '_file', _('%s from a file').format(label(k.name)));
		o.validate = checked('path');
	} else if (stored && !k.required) {
		s.taboption(tab, form.Flag, '_forget_' + k.name, _('Forget: %s').format(label(k.name)));
	}
}

function lines(values) {
	return E('div', { 'class': 'wandns-pre' }, [ values.join('\n') ]);
}

function mistakes(list) {
	return list.map(function(m) {
		return parts.notice({ level: 'danger', text: (m.key ? label(m.key) + ' ' : '') + m.text });
	});
}

return baseclass.extend({
	/* has is what the router has: config, providers, and the keys of every
	 * service. done is called when something was saved. */
	open: function(has, name, done) {
		const service = name == null ? null : model.find(has.config.services, name);
		const provider = service && model.find(has.providers, service.values.provider);
		if (provider)
			return this.form(has, provider, service, done);
		return this.pick(has, service, done);
	},

	/* First the provider, found by typing. */
	pick: function(has, service, done) {
		const list = E('div', { 'class': 'wandns-pick' });
		const fill = L.bind(function(text) {
			const hits = model.search(has.providers, text);
			parts.paint(list, hits.map(function(p) { return p.name; }), L.bind(function() {
				return hits.length ? hits.map(L.bind(function(p) {
					return E('button', { 'class': 'btn', 'data-provider': p.name, 'click': L.bind(this.form, this, has, p, service, done) }, [
						E('strong', {}, [ p.title ]), E('div', { 'class': 'wandns-dim' }, [ p.url + (p.ipv4_only ? ' – ' + _('IPv4 only') : '') ])
					]);
				}, this)) : [ E('em', {}, [ _('No provider is called that. Clear the field to see all.') ]) ];
			}, this));
		}, this);
		const field = E('input', {
			'type': 'text', 'class': 'cbi-input-text', 'placeholder': _('Search'), 'aria-label': _('Search'),
			'input': function(ev) { fill(ev.target.value); }
		});
		fill('');
		ui.showModal([ _('Which provider has your name?') ], [
			field, list,
			E('div', { 'class': 'right' }, [ E('button', { 'class': 'btn', 'click': ui.hideModal }, [ _('Cancel') ]) ])
		]);
		field.focus();
	},

	form: function(has, provider, service, done) {
		return Promise.all([ api.hints(), L.resolveDefault(api.wan(), {}) ]).then(L.bind(function(got) {
			return this.show(has, provider, service, done, got[0], got[1].data || {});
		}, this));
	},

	show: function(has, provider, service, done, hints, wan) {
		const config = has.config;
		const data = model.form(service, provider, has.keys);
		const map = new form.JSONMap({ service: data });
		const s = map.section(form.NamedSection, 'service', 'service');
		s.tab('account', provider.title);
		s.tab('address', _('Address'));
		s.tab('more', _('More'));
		let o;
		if (!service) {
			const free = model.suggest(config.services);
			o = s.taboption('account', form.Value, '_name', _('Name of the service'), _('What you call it here and in the log.'));
			o.rmempty = false;
			o.placeholder = free;
			o.validate = function(section, value) {
				return value === '' ? _('a name, such as %s').format(free) : model.find(config.services, value) ? _('another service has this name') : model.check.name(value) || true;
			};
		}
		o = s.taboption('account', form.Flag, 'enabled', _('Enabled'));
		o.rmempty = false;
		const keys = {};
		has.keys.forEach(function(k) { keys[k.name] = k; });
		option(s, 'account', Object.assign({ example: 'home.example.com' }, keys.hostnames), service);
		provider.fields.forEach(function(f) { option(s, 'account', f, service); });
		const found = model.hosts(hints);
		const extra = {
			device: (wan.devices || []).map(function(d) { return [ d.device, d.device ]; }),
			ipv6_lan: (wan.devices || []).map(function(d) { return [ d.device, d.device ]; }),
			'interface': (wan.networks || []).map(function(n) { return [ n.network, n.network ]; }),
			ipv6_mac: found.map(function(h) { return [ h.mac, h.name + ' (' + h.mac + ')' ]; }),
			ipv6_suffix: found.reduce(function(all, h) {
				return all.concat(h.suffixes.map(function(x) { return [ x, h.name + ' (' + x + ')' ]; }));
			}, [])
		};
		[ 'family', 'interface', 'device', 'ipv6_mac', 'ipv6_suffix', 'ipv6_lan' ].forEach(function(k) {
			if (!provider.ipv4_only || (k.indexOf('ipv6') < 0 && k != 'family'))
				option(s, 'address', keys[k], service, extra[k]);
		});
		[ 'source', 'web_url4', 'web_url6', 'allow_private', 'server', 'ca_file' ].forEach(function(k) {
			option(s, 'more', keys[k], service);
		});
		if (!config.enabled) {
			o = s.taboption('account', form.Flag, '_start', _('Switch wandns on'), _('It is off as a whole now.'));
			data._start = '1';
		}
		const said = E('div', { 'aria-live': 'polite' });
		const draft = function() {
			return map.parse().then(function() {
				const now = map.data.data.service;
				return { d: model.draft(service ? service.name : now._name, now, service, provider), start: model.truth(now._start) };
			});
		};
		const busy = function(text) { parts.paint(said, Date.now(), function() { return [ E('p', { 'class': 'spinning' }, [ text ]) ]; }); };
		const say = function(nodes) { parts.paint(said, Math.random(), function() { return nodes; }); };
		const failed = function(err) {
			say([ parts.notice({ level: 'danger', text: err && err.message ? err.message : _('A field above is not right yet.') }) ]);
		};
		const save = function() {
			return draft().then(function(x) {
				busy(_('Checking…'));
				return api.check(x.d).then(function(wrong) {
					if (wrong.length)
						return say(mistakes(wrong));
					return api.save(x.d).then(function(r) {
						if (r.mistakes.length)
							return say(mistakes(r.mistakes));
						return (x.start ? api.enable('', true) : Promise.resolve()).then(function() {
							ui.hideModal();
							return done();
						});
					});
				});
			}).catch(failed);
		};
		const test = function() {
			return draft().then(function(x) {
				busy(_('Asking the provider…'));
				return api.rehearse(x.d).then(function(r) {
					say(mistakes(r.mistakes).concat(
						r.request.length ? [ E('strong', {}, [ _('This would be sent, to publish %s:').format(r.address) ]), lines(r.request) ] : [],
						r.asked ? [ E('strong', {}, [ r.answer.code ? _('The provider, asked without changing anything, did not agree:') : _('The provider, asked without changing anything, says:') ]), lines(r.answer.error ? [ r.answer.error ] : model.plain(r.answer.data)) ]
							: r.mistakes.length ? [] : [ E('p', {}, [ _('This provider has no call that changes nothing; the first update shows whether the login is right.') ]) ]));
				});
			}).catch(failed);
		};
		const value = function(key) { return map.lookupOption(key, 'service')[0].formvalue('service'); };
		return map.render().then(L.bind(function(node) {
			const hint = function() {
				const text = model.moved(service, provider, value) ? ANEW : KEPT;
				node.querySelectorAll('input').forEach(function(i) { // LuCI makes a password's type later
					if (i.placeholder == KEPT || i.placeholder == ANEW)
						i.placeholder = text;
				});
			};
			[ 'input', 'change' ].forEach(function(event) { node.addEventListener(event, hint); });
			hint();
			ui.showModal([ service ? _('Edit %s').format(service.name) : _('Add a service') ], [
				node, said,
				E('div', { 'class': 'wandns-buttons' }, [
					parts.button(_('Cancel'), '', ui.hideModal),
					parts.button(_('Other provider'), '', L.bind(this.pick, this, has, service, done)),
					parts.button(_('Test'), 'action', test),
					parts.button(_('Save'), 'save', save)
				])
			], 'cbi-modal');
			// LuCI opens the tab that was open last.
			window.setTimeout(function() {
				const first = node.querySelector('.cbi-tabmenu a');
				if (first)
					first.click();
			}, 50);
		}, this));
	},

	/* Why which address would be published, by wandns wan. */
	why: function() {
		return api.wan().then(function(r) {
			const nodes = r.code ? [ parts.notice({ level: 'danger', text: r.error }) ] : r.data.choices.map(function(c) {
				return E('div', { 'class': 'wandns-card', 'data-kind': c.address ? 'good' : 'wait' }, [
					E('strong', {}, [ c.type + (c.service ? ' – ' + c.service : '') + ': ' + (c.address || _('nothing to publish')) ]),
					E('div', {}, [ c.reason ]),
					E('div', { 'class': 'wandns-dim' }, c.refused.map(function(x) {
						return E('div', {}, [ _('not %s on %s: %s').format(x.address, x.device, x.reason) ]);
					}))
				]);
			});
			ui.showModal([ _('Why these addresses') ], [ E('div', { 'class': 'wandns-cards' }, nodes), E('div', { 'class': 'right' }, [ E('button', { 'class': 'btn', 'click': ui.hideModal }, [ _('Close') ]) ]) ]);
		}).catch(L.bind(parts.failed, parts));
	}
});
