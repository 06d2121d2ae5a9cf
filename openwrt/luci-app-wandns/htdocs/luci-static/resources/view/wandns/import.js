'use strict';
'require view';
'require wandns.api as api';
'require wandns.model as model';
'require wandns.parts as parts';

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load: function() { return api.preview(); },

	render: function(found) {
		const boxes = {};
		const cards = found.services.map(function(s) {
			const possible = !s.off.length;
			const box = E('input', { 'type': 'checkbox', 'id': 'wandns-' + s.name, 'checked': possible ? '' : null, 'disabled': possible ? null : '' });
			if (possible)
				boxes[s.name] = box;
			const lines = Object.keys(s.values).map(function(k) { return k + ': ' + model.list(s.values[k]).join(', '); })
				.concat(s.secrets.map(function(k) { return k + ': ••••••'; }));
			return E('div', { 'class': 'wandns-card', 'data-kind': possible ? 'good' : 'bad', 'data-service': s.name }, [
				E('div', { 'class': 'wandns-head' }, [ box, E('label', { 'for': 'wandns-' + s.name }, [ E('strong', {}, [ s.name ]) ]) ]),
				E('div', { 'class': 'wandns-pre' }, [ lines.join('\n') ])
			].concat(s.off.map(function(o) { return E('div', {}, [ '✖ ' + _('not possible: %s').format(o) ]); }),
				s.notes.map(function(n) { return E('div', { 'class': 'wandns-dim' }, [ n ]); })));
		});
		const page = E('div', {}, [
			parts.style(), E('h2', {}, [ _('Import from ddns-scripts') ]),
			E('p', {}, [ _('These services of /etc/config/ddns can be taken over, with their passwords. They are switched off there, so that only one program updates a name, and wandns is switched on. What stands in wandns already stays as it is.') ])
		].concat(found.error ? [ parts.notice({ level: 'info', text: found.error }) ] : [
			E('div', { 'class': 'wandns-cards' }, cards),
			E('div', {}, found.notes.map(function(n) { return E('div', { 'class': 'wandns-dim' }, [ n ]); })),
			E('div', { 'class': 'wandns-buttons' }, [ parts.button(_('Take over'), 'apply', L.bind(function(ev) {
				const button = ev.currentTarget;
				const names = Object.keys(boxes).filter(function(n) { return boxes[n].checked; });
				if (!names.length)
					return parts.tell(_('Choose at least one service.'), 'warning');
				button.disabled = true; /* it takes some seconds */
				return api.takeover(names).then(L.bind(function(r) {
					if (r.text)
						parts.paint(page, r, L.bind(this.done, this, r));
					else
						parts.outcome(r);
				}, this)).catch(L.bind(parts.failed, parts)).then(function() { button.disabled = false; });
			}, this)) ])
		]));
		return page;
	},

	/* What the router did, and what it could not do. */
	done: function(r) {
		return [ parts.style(), E('h2', {}, [ _('Import from ddns-scripts') ]), E('div', { 'class': 'wandns-pre', 'role': 'status' }, [ r.text ]) ]
			.concat(r.error ? [ parts.notice({ level: 'danger', text: r.error }) ] : [])
			.concat([ E('div', { 'class': 'wandns-buttons' }, [ parts.button(_('Continue'), 'apply', function() {
				location.href = L.url('admin/services/wandns/overview');
			}) ]) ]);
	}
});
