'use strict';
'require baseclass';
'require rpc';

/* Everything that is asked of the router. Each call needs its entry in
 * root/usr/share/rpcd/acl.d/luci-app-wandns.json. */

const STATUS = '/var/run/wandns/status.json';

const callRead = rpc.declare({ object: 'file', method: 'read', params: [ 'path' ], expect: { data: '' } });
const callLog = rpc.declare({ object: 'log', method: 'read', params: [ 'lines', 'stream', 'oneshot' ], expect: { log: [] } });
const callHints = rpc.declare({ object: 'luci-rpc', method: 'getHostHints', expect: { '': {} } });
const callServices = rpc.declare({ object: 'service', method: 'list', params: [ 'name' ], expect: { '': {} } });
const callAdd = rpc.declare({ object: 'uci', method: 'add', params: [ 'config', 'type', 'name', 'values' ] });
const callSet = rpc.declare({ object: 'uci', method: 'set', params: [ 'config', 'section', 'values' ] });
const callDelete = rpc.declare({ object: 'uci', method: 'delete', params: [ 'config', 'section', 'options' ] });
const callDeleteSection = rpc.declare({ object: 'uci', method: 'delete', params: [ 'config', 'section' ] });
const callCommit = rpc.declare({ object: 'uci', method: 'commit', params: [ 'config' ] });
const callConfig = rpc.declare({ object: 'wandns', method: 'config', expect: { '': {} } });
const callProviders = rpc.declare({ object: 'wandns', method: 'providers', expect: { '': {} } });
const callStatus = rpc.declare({ object: 'wandns', method: 'status', expect: { data: {} } });
const callWAN = rpc.declare({ object: 'wandns', method: 'wan', expect: { '': {} } });
const callCheck = rpc.declare({ object: 'wandns', method: 'check', params: [ 'service', 'values', 'drop' ], expect: { mistakes: [] } });
const callPreview = rpc.declare({ object: 'wandns', method: 'preview', expect: { '': {} } });
const callRehearse = rpc.declare({ object: 'wandns', method: 'rehearse', params: [ 'service', 'values', 'drop' ], expect: { '': {} } });
const callUpdate = rpc.declare({ object: 'wandns', method: 'update', params: [ 'services' ], expect: { '': {} } });
const callResume = rpc.declare({ object: 'wandns', method: 'resume', params: [ 'service' ], expect: { '': {} } });
const callAccount = rpc.declare({ object: 'wandns', method: 'account', params: [ 'service', 'verb', 'action', 'args', 'options', 'username', 'password' ], expect: { '': {} } });
const callTakeover = rpc.declare({ object: 'wandns', method: 'takeover', params: [ 'services' ], expect: { '': {} } });

/* uci answers with a status number, and nothing but 0 is good. */
function done(call) {
	return call.then(function(rc) {
		if (typeof(rc) == 'number' && rc != 0)
			throw new Error(rpc.getStatusText(rc));
	});
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

	/* One read of one file; only for a run_dir of the user's own a process. */
	status: function(dir) {
		if (dir != null && dir != '/var/run/wandns')
			return L.resolveDefault(callStatus(), null);
		return L.resolveDefault(callRead(STATUS), '').then(function(text) {
			try { return JSON.parse(text); }
			catch (e) { return null; }
		});
	},

	services: function() { return L.resolveDefault(callServices('wandns'), {}); },
	hints: function() { return L.resolveDefault(callHints(), {}); },
	log: function() { return callLog(1000, false, true); },

	/* Writes a service, and makes procd reload. */
	save: function(name, c) {
		const first = c.add ? callAdd('wandns', 'service', name, c.set) : callSet('wandns', name, c.set);
		return (c.add ? Promise.resolve(first) : done(first)).then(function() {
			if (c.unset.length)
				return done(callDelete('wandns', name, c.unset));
		}).then(this.commit);
	},

	set: function(config, section, values) {
		return done(callSet(config, section, values)).then(function() { return done(callCommit(config)); });
	},

	/* The section 'global' may be missing. */
	enable: function() {
		return callSet('wandns', 'global', { enabled: '1' }).then(function(rc) {
			if (rc != 0)
				return callAdd('wandns', 'wandns', 'global', { enabled: '1' });
		}).then(this.commit);
	},

	remove: function(name) { return done(callDeleteSection('wandns', name)).then(this.commit); },
	commit: function() { return done(callCommit('wandns')); }
});
