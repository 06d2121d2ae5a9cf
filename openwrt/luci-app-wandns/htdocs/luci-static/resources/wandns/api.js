'use strict';
'require baseclass';
'require rpc';

/* Everything that is asked of the router. Each call needs its entry in
 * root/usr/share/rpcd/acl.d/luci-app-wandns.json. */

const callHints = rpc.declare({ object: 'luci-rpc', method: 'getHostHints', expect: { '': {} } });
const callConfig = rpc.declare({ object: 'wandns', method: 'config', expect: { '': {} } });
const callProviders = rpc.declare({ object: 'wandns', method: 'providers', expect: { '': {} } });
const callStatus = rpc.declare({ object: 'wandns', method: 'status', expect: { '': {} } });
const callLog = rpc.declare({ object: 'wandns', method: 'log', expect: { log: [] } });
const callWAN = rpc.declare({ object: 'wandns', method: 'wan', expect: { '': {} } });
const callCheck = rpc.declare({ object: 'wandns', method: 'check', params: [ 'service', 'values', 'drop' ], expect: { mistakes: [] } });
const callPreview = rpc.declare({ object: 'wandns', method: 'preview', expect: { '': {} } });
const callSave = rpc.declare({ object: 'wandns', method: 'save', params: [ 'service', 'values', 'drop' ], expect: { '': {} } });
const callEnable = rpc.declare({ object: 'wandns', method: 'enable', params: [ 'service', 'enabled' ], expect: { '': {} } });
const callRemove = rpc.declare({ object: 'wandns', method: 'remove', params: [ 'service' ], expect: { '': {} } });
const callRehearse = rpc.declare({ object: 'wandns', method: 'rehearse', params: [ 'service', 'values', 'drop' ], expect: { '': {} } });
const callUpdate = rpc.declare({ object: 'wandns', method: 'update', params: [ 'services' ], expect: { '': {} } });
const callResume = rpc.declare({ object: 'wandns', method: 'resume', params: [ 'service' ], expect: { '': {} } });
const callAccount = rpc.declare({ object: 'wandns', method: 'account', params: [ 'service', 'verb', 'action', 'args', 'options', 'username', 'password' ], expect: { '': {} } });
const callTakeover = rpc.declare({ object: 'wandns', method: 'takeover', params: [ 'services' ], expect: { '': {} } });

/* What was not done is an error, but for mistakes that the form shows. */
function done(call) {
	return call.then(function(r) {
		if (r.code && !(r.mistakes || []).length)
			throw new Error(r.error);
		return r;
	});
}

/* Something to tell, if there is more than that it is done. */
function news(r) {
	return r.text ? r : null;
}

return baseclass.extend({
	config: callConfig,
	providers: callProviders,
	wan: callWAN,
	check: function(d) { return callCheck(d.service, d.values, d.drop); },
	rehearse: function(d) { return callRehearse(d.service, d.values, d.drop); },
	update: callUpdate,
	resume: callResume,
	account: callAccount,
	preview: callPreview,
	takeover: callTakeover,

	/* What the daemon last wrote, and whether it runs. */
	status: function() {
		return L.resolveDefault(callStatus(), {}).then(function(r) {
			return { said: r.data || null, running: !!r.running };
		});
	},

	hints: function() { return L.resolveDefault(callHints(), {}); },
	log: callLog,

	/* These make procd reload. With no service, all of it is switched on or off. */
	save: function(d) { return done(callSave(d.service, d.values, d.drop)); },
	enable: function(service, enabled) { return done(callEnable(service, enabled)).then(news); },
	remove: function(service) { return done(callRemove(service)).then(news); }
});
