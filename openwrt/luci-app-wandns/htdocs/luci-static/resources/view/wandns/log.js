'use strict';
'require view';
'require poll';
'require wandns.api as api';
'require wandns.model as model';
'require wandns.parts as parts';

const LEVELS = [ [ 3, '✖' ], [ 4, '!' ] ];

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load: function() { return Promise.all([ api.config(), L.resolveDefault(api.log(), []) ]); },

	render: function(data) {
		this.entries = data[1];
		const wanted = new URLSearchParams(location.search).get('service') || '';
		this.service = E('select', { 'class': 'cbi-input-select', 'aria-label': _('Service'), 'change': L.bind(this.show, this) },
			[ E('option', { 'value': '' }, [ _('all services') ]) ].concat(data[0].services.map(function(s) {
				return E('option', { 'value': s.name, 'selected': s.name == wanted ? '' : null }, [ s.name ]);
			})));
		this.text = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'placeholder': _('Filter'), 'aria-label': _('Filter'), 'input': L.bind(this.show, this) });
		this.lines = E('div', { 'class': 'wandns-log' });
		this.show();
		poll.add(L.bind(function() {
			return api.log().then(L.bind(function(entries) {
				this.entries = entries;
				this.show();
			}, this));
		}, this), 10);
		return E('div', {}, [ parts.style(), E('h2', {}, [ _('Log of wandns') ]), E('div', { 'class': 'wandns-filter' }, [ this.service, this.text ]), this.lines ]);
	},

	show: function() {
		const lines = model.log(this.entries, this.service.value, this.text.value);
		parts.paint(this.lines, lines, function() {
			if (!lines.length)
				return [ E('em', {}, [ _('There is nothing of this in the log. The log of the router keeps the newest lines only.') ]) ];
			return lines.map(function(l) {
				const mark = LEVELS.filter(function(x) { return l.level <= x[0]; })[0];
				return E('div', {}, [ new Date(l.time).toLocaleString() + ' ' + (mark ? mark[1] + ' ' : '') + l.text ]);
			});
		});
	}
});
