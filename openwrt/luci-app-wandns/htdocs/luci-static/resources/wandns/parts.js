'use strict';
'require baseclass';
'require ui';

/* What several pages show. E() and showModal() take a string for HTML and a list
 * for text nodes, so everything here is a list. */

return baseclass.extend({
	style: function() {
		return E('link', { 'rel': 'stylesheet', 'href': L.resource('wandns/style.css') });
	},

	button: function(label, kind, fn) {
		return E('button', { 'class': 'btn cbi-button' + (kind ? ' cbi-button-' + kind : ''), 'type': 'button', 'click': fn }, [ label ]);
	},

	notice: function(n, button) {
		return E('div', { 'class': 'alert-message ' + n.level, 'role': n.level == 'danger' ? 'alert' : 'status' }, button ? [ n.text, ' ', button ] : [ n.text ]);
	},

	/* Replaces what an element holds, unless it shows the same already. */
	paint: function(el, key, children) {
		const now = JSON.stringify(key);
		if (el.wandnsKey === now)
			return;
		el.wandnsKey = now;
		while (el.firstChild)
			el.removeChild(el.firstChild);
		children().forEach(function(c) {
			el.appendChild(typeof(c) == 'string' ? document.createTextNode(c) : c);
		});
	},

	tell: function(text, level) {
		ui.addNotification(null, E('p', {}, [ text ]), level || 'info');
	},

	/* The outcome of a call of the plugin. */
	outcome: function(reply) {
		this.tell(reply.error || reply.text || _('Done'), reply.code ? 'danger' : 'info');
	},

	failed: function(err) {
		this.tell(_('The router did not do it: %s. Try again; log in again if the session is over.').format(err.message || err), 'danger');
	},

	ask: function(title, text, label) {
		return new Promise(function(answer) {
			const end = function(yes) { ui.hideModal(); answer(yes); };
			ui.showModal([ title ], [
				E('p', {}, [ text ]),
				E('div', { 'class': 'right' }, [
					E('button', { 'class': 'btn', 'click': function() { end(false); } }, [ _('Cancel') ]), ' ',
					E('button', { 'class': 'btn cbi-button-negative important', 'click': function() { end(true); } }, [ label ])
				])
			]);
		});
	},

	/* The user name and password of an account, which nobody keeps. */
	login: function(title) {
		return new Promise(function(answer) {
			const user = E('input', { 'type': 'text', 'class': 'cbi-input-text', 'id': 'wandns-user', 'autocomplete': 'off' });
			const password = E('input', { 'type': 'password', 'class': 'cbi-input-text', 'id': 'wandns-password', 'autocomplete': 'new-password' });
			const end = function(ok) {
				const given = ok ? { username: user.value, password: password.value } : null;
				user.value = password.value = '';
				ui.hideModal();
				answer(given);
			};
			ui.showModal([ _('Log in at %s').format(title) ], [
				E('p', {}, [ _('This needs the user name and the password of the account itself. They are used once and not kept.') ]),
				E('div', { 'class': 'cbi-value' }, [ E('label', { 'class': 'cbi-value-title', 'for': 'wandns-user' }, [ _('User name') ]), E('div', { 'class': 'cbi-value-field' }, [ user ]) ]),
				E('div', { 'class': 'cbi-value' }, [ E('label', { 'class': 'cbi-value-title', 'for': 'wandns-password' }, [ _('Password') ]), E('div', { 'class': 'cbi-value-field' }, [ password ]) ]),
				E('div', { 'class': 'right' }, [
					E('button', { 'class': 'btn', 'click': function() { end(false); } }, [ _('Cancel') ]), ' ',
					E('button', { 'class': 'btn cbi-button-positive important', 'click': function() { end(true); } }, [ _('Continue') ])
				])
			]);
		});
	}
});
