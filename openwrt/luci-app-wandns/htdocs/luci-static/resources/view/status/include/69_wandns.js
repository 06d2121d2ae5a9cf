'use strict';
'require baseclass';
'require wandns.api as api';
'require wandns.model as model';

return baseclass.extend({
	title: _('Dynamic DNS'),

	/* The page asks more often than there is news. */
	load: function() {
		if (!(Date.now() - this.asked < 9000)) {
			this.asked = Date.now();
			this.status = api.status();
		}
		return this.status;
	},

	render: function(status) {
		const table = E('table', { 'class': 'table' }, [
			E('tr', { 'class': 'tr table-titles' }, [ _('Service'), _('State'), _('Name'), _('Address') ].map(function(t) { return E('th', { 'class': 'th' }, [ t ]); }))
		]);
		model.rows(null, status.said, [], true).forEach(function(r) {
			r.records.concat(r.records.length ? [] : [ { hostname: '', published: '' } ]).forEach(function(c, i) {
				table.appendChild(E('tr', { 'class': 'tr' }, [
					E('td', { 'class': 'td', 'data-title': _('Service') }, [ i ? '' : r.name ]),
					E('td', { 'class': 'td', 'data-title': _('State') }, [ i ? '' : r.symbol + ' ' + r.word + (r.reason ? ' – ' + r.reason : '') ]),
					E('td', { 'class': 'td', 'data-title': _('Name') }, [ c.hostname ]),
					E('td', { 'class': 'td', 'data-title': _('Address') }, [ c.published ])
				]));
			});
		});
		if (table.childNodes.length == 1)
			table.appendChild(E('tr', { 'class': 'tr placeholder' }, [ E('td', { 'class': 'td' }, [ E('em', {}, [ _('wandns keeps no name up to date yet; see Services → Dynamic DNS (wandns).') ]) ]) ]));
		return table;
	}
});
