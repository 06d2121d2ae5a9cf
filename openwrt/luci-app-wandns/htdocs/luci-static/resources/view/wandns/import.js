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
				boxes[s.name] = { box: box, from: s.from };
			const lines = Object.keys(s.values).map(function(k) { return k + ': ' + model.list(s.values[k]).join(', '); })
				.concat(s.secrets.map(function(k) { return k + ': ••••••'; }));
			return E('div', { 'class': 'wandns-card', 'data-kind': possible ? 'good' : 'bad', 'data-service': s.name }, [
				E('div', { 'class': 'wandns-head' }, [ box, E('label', { 'for': 'wandns-' + s.name }, [ E('strong', {}, [ s.name ]) ]) ]),
				E('div', { 'class': 'wandns-pre' }, [ lines.join('\n') ])
			].concat(s.off.map(function(o) { return E('div', {}, [ '✖ ' + _('not possible: %s').format(o) ]); }),
				s.notes.map(function(n) { return E('div', { 'class': 'wandns-dim' }, [ n ]); })));
		});
		const stop = E('input', { 'type': 'checkbox', 'id': 'wandns-stop', 'checked': '' });
		return E('div', {}, [
			parts.style(), E('h2', {}, [ _('Import from ddns-scripts') ]),
			E('p', {}, [ _('These services of /etc/config/ddns can be taken over, with their passwords. What stands in wandns already stays as it is.') ])
		].concat(found.error ? [ parts.notice({ level: 'info', text: found.error }) ] : [
			E('div', { 'class': 'wandns-cards' }, cards),
			E('div', {}, found.notes.map(function(n) { return E('div', { 'class': 'wandns-dim' }, [ n ]); })),
			E('p', {}, [ stop, ' ', E('label', { 'for': 'wandns-stop' }, [ _('Switch them off in ddns-scripts, so that only one program updates a name') ]) ]),
			E('div', { 'class': 'wandns-buttons' }, [ parts.button(_('Take over'), 'apply', function() {
				const names = Object.keys(boxes).filter(function(n) { return boxes[n].box.checked; });
				if (!names.length)
					return parts.tell(_('Choose at least one service.'), 'warning');
				return api.takeover(names).then(function(r) {
					if (r.code)
						return parts.outcome(r);
					const off = names.map(function(n) { return boxes[n].from; }).filter(function(f) { return f && stop.checked; });
					return off.reduce(function(p, section) {
						return p.then(function() { return api.set('ddns', section, { enabled: '0' }); });
					}, Promise.resolve()).then(api.commit).then(function() {
						location.href = L.url('admin/services/wandns/overview');
					});
				}).catch(L.bind(parts.failed, parts));
			}) ])
		]));
	}
});
