'use strict';

/* Drives the LuCI of a router in a browser:
 *
 *     LUCI_URL=http://192.168.1.1 LUCI_PASSWORD=... node test/e2e.js
 *
 * It adds services of its own, leaves others alone, and at the end the router
 * is as it was. The providers are bin/wandns-sim, started at the address by
 * which this machine reaches the router, or at SIM one that runs already, with
 * -forgive 1s. SHOTS is a folder for pictures, CHROMIUM the browser. */

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const path = require('node:path');
const { chromium } = require('playwright-core');

const URL = (process.env.LUCI_URL || 'http://192.168.1.1').replace(/\/$/, '');
const SHOTS = process.env.SHOTS || path.join(__dirname, '../../../dist/e2e');
const SIM_PROGRAM = path.join(__dirname, '../../../bin/wandns-sim');
const PASSWORD = process.env.SIM ? process.env.SIM_PASSWORD || 'secret' : 'canary-right';
const SECRETS = [ 'canary-wrong', 'import-canary' ].concat(PASSWORD == 'secret' ? [] : [ PASSWORD ]); // 'secret' is in every example
const OURS = [ 'wandns_e2e', 'wandns_e2e_keys', 'wandns_e2e_login' ];
const [ E2E, KEYS, LOGIN ] = OURS;
const ONCE = Date.now().toString(36); // in names that the router has not published yet
const MARKUP = '<img src=x onerror="window.hit=1"><b>bold</b>';

const steps = [];
const step = (name, fn) => steps.push([ name, fn ]);
const card = (page, state, name) => page.locator('.wandns-card[data-service="' + (name || E2E) + '"]' + (state ? '[data-state="' + state + '"]' : ''));
const api = (page, ...call) => page.evaluate(([ method, ...args ]) => window.L.require('wandns.api').then((a) => a[method](...args)), call);
const button = (at, name) => at.getByRole('button', { name: name, exact: true });
const open = (page, name) => page.goto(URL + '/cgi-bin/luci/admin/services/wandns/' + name);
const dialog = (page) => page.locator('#modal_overlay .modal');

async function shot(page, name) {
	await page.screenshot({ path: path.join(SHOTS, name + '.png'), fullPage: true });
}

/* The providers' addresses. */
async function simulator() {
	if (process.env.SIM) {
		const at = (port) => process.env.SIM.replace(/:\d+$/, ':' + port);
		return { noip: process.env.SIM, hostup: at(8248), sonic: at(8249) };
	}
	const router = new globalThis.URL(URL);
	const here = await new Promise((done, failed) => {
		const socket = net.connect(router.port || (router.protocol == 'https:' ? 443 : 80), router.hostname.replace(/[[\]]/g, ''), () => {
			done(socket.localAddress.replace(/^::ffff:/, ''));
			socket.destroy();
		}).on('error', failed);
	});
	const any = '127.0.0.1:0';
	const program = spawn(SIM_PROGRAM, [ '-at', here, '-forgive', '1s', '-password', PASSWORD, '-noip', any, '-hostup', any, '-sonic', any,
		'-freedns', '', '-hostway', '', '-detect', '', '-dns', any ], { stdio: [ 'ignore', 'pipe', 'inherit' ] });
	process.on('exit', () => program.kill());
	const found = {};
	let said = '';
	await new Promise((done, failed) => {
		program.on('error', failed).on('exit', () => failed(new Error(SIM_PROGRAM + ' ended')));
		program.stdout.on('data', (text) => {
			said += text;
			if (said.includes('Ctrl-C'))
				done();
		});
	});
	for (const m of said.matchAll(/^(\S+) +(http:\S+)$/gm))
		found[m[1]] = m[2];
	return found;
}

async function removeOurs(page) {
	await open(page, 'overview');
	await page.locator('.wandns-buttons button:enabled').last().waitFor(); // the configuration is there
	for (const name of OURS) {
		if (!await card(page, '', name).count())
			continue;
		await button(card(page, '', name), 'Delete').click();
		await button(dialog(page), 'Delete').click();
		await card(page, '', name).waitFor({ state: 'detached' });
	}
}

/* What the router was before, and is to be again. */
let sim, wasOn;

async function cleanUp(page) {
	await removeOurs(page);
	if (!wasOn)
		await api(page, 'enable', '', false);
}

async function add(page, name, provider, values) {
	await open(page, 'overview');
	await button(page, 'Add a service').first().click();
	await dialog(page).locator('[data-provider="' + provider + '"]').click();
	await type(page, '_name', name);
	if (values.enabled === false)
		await dialog(page).locator('[data-name="enabled"] input[type=checkbox]').dispatchEvent('click'); // the theme draws another
	for (const k of Object.keys(values))
		if (k != 'server' && k != 'enabled')
			await type(page, k, values[k]);
	await dialog(page).locator('.cbi-tabmenu').getByText('More').click();
	await type(page, 'server', values.server);
	await button(dialog(page), 'Save').click();
}

async function type(page, option, value) {
	const field = dialog(page).locator('[data-name="' + option + '"] input[type=text]:visible, [data-name="' + option + '"] input[type=password]:visible').first();
	await field.fill(value);
	await field.blur();
}

step('logs in', async (page) => {
	await page.goto(URL + '/cgi-bin/luci/');
	await page.fill('input[name=luci_username]', process.env.LUCI_USER || 'root');
	await page.fill('input[name=luci_password]', process.env.LUCI_PASSWORD || '');
	await page.keyboard.press('Enter');
	await page.waitForSelector('#topmenu, .nav, header');
	await page.waitForFunction(() => !document.querySelector('input[name=luci_password]'));
	await page.waitForLoadState('networkidle');
	await removeOurs(page);
	const config = await api(page, 'config');
	assert.ok(config.enabled || !config.services.length, 'wandns is off, and this would switch services on that are not its own; delete them or switch wandns on first');
	wasOn = config.enabled;
	await shot(page, 'begin');
});

step('adds a service, which becomes up to date', async (page) => {
	await button(page, 'Add a service').first().click();
	await page.getByLabel('Search').fill('no-ip');
	await shot(page, 'pick');
	await dialog(page).locator('[data-provider="noip"]').click();
	await dialog(page).locator('[data-name="_name"] input').waitFor();
	const free = await dialog(page).locator('[data-name="_name"] input').getAttribute('placeholder');
	await type(page, '_name', free);
	assert.equal(await dialog(page).locator('[data-name="_name"] .cbi-input-invalid').count(), 0, 'the name that is suggested is taken');
	await type(page, '_name', E2E);
	await type(page, 'hostnames', 'home.example.com');
	await type(page, 'username', 'user@example.com');
	await type(page, 'password', PASSWORD);
	await dialog(page).locator('.cbi-tabmenu').getByText('More').click();
	await type(page, 'server', sim.noip);
	await dialog(page).locator('.cbi-tabmenu').getByText('Address', { exact: true }).click();
	await shot(page, 'address');
	await dialog(page).locator('.cbi-tabmenu li').first().click();
	await button(dialog(page), 'Test').click();
	await dialog(page).getByText('This would be sent').waitFor();
	const said = await dialog(page).innerText();
	assert.match(said, /nic\/update\?hostname=home\.example\.com/);
	assert.match(said, /Authorization: Basic \*\*\*/);
	await shot(page, 'form');
	await button(dialog(page), 'Save').click();
	await card(page, 'ok').waitFor();
	await shot(page, 'ok');
});

step('says what is wrong while one types, and before it saves', async (page) => {
	await button(card(page), 'Edit').click();
	await dialog(page).locator('.cbi-tabmenu').getByText('More').click();
	await type(page, 'ca_file', 'here.pem');
	await dialog(page).locator('[data-name="ca_file"] .cbi-input-invalid').waitFor();
	await type(page, 'ca_file', '/etc/ssl/nowhere.pem');
	await type(page, 'password', PASSWORD); // or it would be asked for
	await button(dialog(page), 'Save').click();
	await dialog(page).getByText('names a file that could not be read').waitFor();
	await shot(page, 'mistake');
	await button(dialog(page), 'Cancel').click();
});

step('asks for the password anew when it would go to another server', async (page) => {
	await button(card(page), 'Edit').click();
	const password = dialog(page).locator('[data-name="password"] input').first();
	await password.waitFor();
	assert.match(await password.getAttribute('placeholder'), /kept unless typed anew/);
	await dialog(page).locator('.cbi-tabmenu').getByText('More').click();
	await type(page, 'server', 'http://127.0.0.1:1');
	assert.match(await password.getAttribute('placeholder'), /type it anew/);
	for (const name of [ 'Test', 'Save' ]) {
		await button(dialog(page), name).click();
		await dialog(page).getByText('has to be typed again').waitFor();
		assert.equal(await dialog(page).getByText('This would be sent').count(), 0);
	}
	await shot(page, 'anew');
	await button(dialog(page), 'Cancel').click();
});

step('shows a wrong password as blocked, with the reason', async (page) => {
	await button(card(page), 'Edit').click();
	await type(page, 'password', 'canary-wrong');
	await button(dialog(page), 'Save').click();
	await button(card(page), 'Pause').click();
	await card(page, 'disabled').waitFor();
	await shot(page, 'paused');
	await button(card(page), 'Edit').click();
	await type(page, 'hostnames', ONCE + '.example.com');
	await button(dialog(page), 'Save').click();
	await button(card(page), 'Start').click();
	await card(page, 'blocked').waitFor();
	assert.match(await card(page).innerText(), /user name and password \(badauth\); .* Then press Resume/);
	await shot(page, 'blocked');
});

step('goes on when it is mended', async (page) => {
	await button(card(page), 'Edit').click();
	await type(page, 'password', PASSWORD);
	const other = dialog(page).locator('[data-name="hostnames"] .item', { hasText: ONCE });
	const box = await other.boundingBox();
	await other.click({ position: { x: box.width - 3, y: box.height / 2 } }); // its cross
	await other.waitFor({ state: 'detached' });
	await button(dialog(page), 'Save').click();
	await card(page, 'ok').waitFor();
	await button(card(page), 'Update now').click();
	await card(page).getByText('nothing to send').waitFor();
});

step('calls the account verbs', async (page) => {
	await add(page, KEYS, 'hostup', { hostnames: 'home-' + ONCE + '.hostup.example', api_key: PASSWORD, domain: 'hostup.example', server: sim.hostup });
	await card(page, 'ok', KEYS).waitFor();
	await add(page, LOGIN, 'sonic', { enabled: false, hostnames: 'home.sonic.example', userid: '1', apikey: 'none', server: sim.sonic });
	await card(page, 'disabled', LOGIN).waitFor();
	await open(page, 'accounts');
	await card(page).locator('[data-action="probe ip"]').click();
	await card(page).getByText('nothing was sent').waitFor();
	await card(page, '', LOGIN).locator('[data-action="probe ping"]').click();
	await card(page, '', LOGIN).getByText('✔ ').first().waitFor();
	const keys = card(page, '', KEYS);
	await keys.locator('[data-action="key list"]').click();
	await keys.locator('td').first().waitFor();
	await button(keys, 'Disable').first().click();
	await keys.getByText('✔ Disable').waitFor();
	await keys.locator('[data-action="key create"]').click();
	await page.getByLabel('Name').fill('other-' + ONCE + '.hostup.example');
	await button(dialog(page), 'Continue').click();
	await keys.getByText('✔ Make a key').waitFor();
	await shot(page, 'accounts');
	await button(keys, 'Delete').first().click();
	await dialog(page).getByText('cannot be undone').waitFor();
	await button(dialog(page), 'Delete').click();
	await keys.getByText('✔ Delete').waitFor();
	await card(page, '', LOGIN).locator('[data-action="key list"]').click();
	await page.getByLabel('User name').fill('user@example.com');
	await page.getByLabel('Password').fill(PASSWORD);
	await shot(page, 'login');
	await button(dialog(page), 'Continue').click();
	await card(page, '', LOGIN).getByText(/There are none|✔ List keys/).first().waitFor();
});

step('shows the log of one service', async (page) => {
	await open(page, 'overview');
	await button(card(page), 'Log').click();
	await page.locator('.wandns-log > div').first().waitFor();
	for (const line of await page.locator('.wandns-log > div').allInnerTexts())
		assert.ok(line.includes(E2E + ': '), line);
	await shot(page, 'log');
});

step('previews the import', async (page) => {
	await open(page, 'import');
	await page.locator('.wandns-card, .alert-message').first().waitFor();
	await shot(page, 'import');
});

step('can be read on a phone', async (page) => {
	await page.setViewportSize({ width: 360, height: 740 });
	await open(page, 'overview');
	await card(page).waitFor();
	assert.ok(await page.evaluate(() => document.querySelector('.wandns').scrollWidth <= document.querySelector('.wandns').clientWidth), 'it is wider than the screen');
	await shot(page, 'phone');
	await button(card(page), 'Edit').click();
	await dialog(page).locator('[data-name="hostnames"]').waitFor();
	await shot(page, 'phone-edit');
	await button(dialog(page), 'Cancel').click();
	await page.setViewportSize({ width: 1200, height: 900 });
});

step('is dark where the theme is', async (page) => {
	await page.emulateMedia({ colorScheme: 'dark' });
	await open(page, 'overview');
	await card(page).waitFor();
	await shot(page, 'dark');
	await page.emulateMedia({ colorScheme: 'light' });
});

/* Answers of the router that are changed on their way. */
async function change(page, fn) {
	await page.route('**/ubus/**', async (route) => {
		try {
			const response = await route.fetch();
			const asked = [].concat(JSON.parse(route.request().postData()));
			const body = await response.json();
			[].concat(body).forEach((r) => {
				const call = asked.find((a) => a.id == r.id).params;
				if (r.result && r.result[1])
					fn(call[1] + ' ' + call[2], r.result[1]);
			});
			await route.fulfill({ response: response, body: JSON.stringify(body) });
		} catch (e) {
			await route.abort().catch(() => {}); // the page that asked may be gone
		}
	});
}

const many = (n, markup) => ({
	config: (c) => {
		c.enabled = true;
		c.error = '';
		c.mistakes = markup ? [ { line: 1, service: 'bad', key: markup, text: markup } ] : [];
		c.services = [ ...Array(n).keys() ].map((i) => ({ name: markup ? 'bad' : 's' + i, values: { provider: 'noip', hostnames: [ 'h' + i ] }, secrets: [], limits: {} }));
	},
	status: (r) => {
		const st = r.data;
		st.problems = markup ? [ markup ] : [];
		st.services = [ ...Array(n).keys() ].map((i) => ({
			name: markup ? 'bad' : 's' + i, provider: 'noip', state: i % 4 == 3 ? 'waiting' : 'ok', reason: markup || '', next: new Date(Date.now() + 90e3).toISOString(),
			records: [ { hostname: markup || 'h' + i + '.example.com', type: 'A', wanted: markup || '84.0.0.2', published: '84.0.0.2', since: new Date(Date.now() - 6e4).toISOString() } ],
			last_answer: markup || 'good 84.0.0.2', last_error: markup || '', sent: 3, sent_today: 1
		}));
		r.code = 0;
		r.running = true;
	}
});

step('shows twenty services', async (page) => {
	const m = many(20);
	await change(page, (call, r) => { ({ 'wandns config': m.config, 'wandns status': m.status })[call]?.(r); });
	const times = [];
	for (let i = 0; i < 3; i++) {
		await open(page, 'overview');
		times.push(await page.evaluate(() => new Promise((done) => {
			(function look() { document.querySelectorAll('.wandns-card').length == 20 ? done(Math.round(performance.now())) : requestAnimationFrame(look); })();
		})));
	}
	console.log('    first paint of 20 services, ms after navigation: ' + times.join(', '));
	await shot(page, 'twenty');
	const asked = [];
	page.on('request', (r) => { if (r.postData() && r.url().includes('/ubus')) asked.push(...[].concat(JSON.parse(r.postData())).map((c) => c.params[1] + ' ' + c.params[2])); });
	while (asked.length < 2) await page.waitForRequest((r) => r.url().includes('/ubus'));
	assert.deepEqual([ ...new Set(asked) ], [ 'wandns status' ], 'polling asks for more than the status');
	await page.unrouteAll({ behavior: 'wait' });
});

step('shows markup as text', async (page) => {
	const m = many(1, MARKUP);
	await change(page, (call, r) => {
		({
			'wandns config': m.config,
			'wandns status': m.status,
			'wandns log': (l) => { l.log = [ { msg: 'wandns[1]: bad: ' + MARKUP, priority: 28, time: Date.now(), id: 1, source: 1 } ]; },
			'luci-rpc getHostHints': (h) => { h['02:11:22:33:44:56'] = { name: MARKUP, ipaddrs: [], ip6addrs: [] }; },
			'wandns preview': (p) => { p.error = ''; p.notes = [ MARKUP ]; p.services = [ { name: 'bad', values: { hostnames: [ MARKUP ] }, secrets: [ MARKUP ], from: MARKUP, notes: [ MARKUP ], off: [ MARKUP ] } ]; },
			'wandns account': (a) => { a.code = 0; a.data = { answer: MARKUP, note: MARKUP, x: MARKUP, rows: [ { family: MARKUP } ] }; },
			'wandns rehearse': (a) => { a.mistakes = [ { key: MARKUP, text: MARKUP } ]; a.request = [ MARKUP ]; a.asked = MARKUP; a.answer = { code: 1, error: MARKUP }; },
			'wandns update': (a) => { a.code = 1; a.error = MARKUP; }
		})[call]?.(r);
	});
	const clean = async (where) => {
		assert.equal(await page.evaluate(() => window.hit), undefined, where + ' runs markup');
		assert.equal(await page.locator('img[src="x"]').count(), 0, where + ' makes elements of markup');
	};
	await open(page, 'overview');
	await page.locator('.wandns-card').waitFor();
	assert.ok((await page.locator('.wandns-card').innerText()).includes(MARKUP));
	await button(page, 'Update now').click();
	await page.locator('.wandns-card [role=status]').waitFor();
	await button(page, 'Edit').click();
	await dialog(page).locator('[data-name="hostnames"]').waitFor();
	await button(dialog(page), 'Test').click();
	await page.waitForTimeout(1000);
	await clean('overview');
	await shot(page, 'markup');
	for (const name of [ 'accounts', 'log', 'import' ]) {
		await open(page, name);
		await page.locator('.wandns-card, .wandns-log > div').first().waitFor();
		if (name == 'accounts') {
			await page.locator('[data-action="probe ip"]').click();
			await page.getByText('onerror').first().waitFor();
		}
		assert.ok((await page.locator('body').innerText()).includes('onerror') || name == 'accounts');
		await clean(name);
	}
	await page.goto(URL + '/cgi-bin/luci/admin/status/overview');
	await page.getByText('onerror').first().waitFor();
	await clean('status');
	await shot(page, 'status');
	await page.unrouteAll({ behavior: 'wait' });
});

step('resumes what the provider refused', async (page) => {
	await open(page, 'overview');
	await button(card(page), 'Edit').click();
	await type(page, 'hostnames', 'typo-' + ONCE + '.example.com');
	await button(dialog(page), 'Save').click();
	await card(page, 'blocked').waitFor();
	await card(page).getByText('Then press Resume.').waitFor();
	await shot(page, 'refused');
	await button(card(page), 'Resume').click();
	await card(page).locator('[role=status]').waitFor();
});

step('takes a service over from ddns-scripts', async (page) => {
	await open(page, 'import');
	await page.locator('.wandns-card, .alert-message').first().waitFor();
	if (!process.env.LUCI_IMPORT)
		return console.log('    not done: LUCI_IMPORT=SERVICE does it, the name that one gets here, and changes /etc/config/ddns');
	await button(page, 'Take over').click();
	await page.getByText('starts with the router').first().waitFor();
	await shot(page, 'took-over');
	await button(page, 'Continue').click();
	await page.waitForURL('**/overview');
	await page.locator('.wandns-card[data-service="' + process.env.LUCI_IMPORT + '"]').waitFor();
	await shot(page, 'taken-over');
});

[ 'SIGINT', 'SIGTERM' ].forEach((s) => process.on(s, () => process.exit(1)));

(async () => {
	fs.mkdirSync(SHOTS, { recursive: true });
	const browser = await chromium.launch({ executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: [ '--no-sandbox' ] });
	const page = await browser.newPage({ viewport: { width: 1200, height: 900 }, locale: process.env.LOCALE || 'en-US' });
	page.setDefaultTimeout(60000);
	const errors = [];
	page.on('pageerror', (e) => {
		if (/wandns/.test(page.url() + e.stack)) // others' are theirs
			errors.push(e.message);
	});
	page.on('response', async (r) => {
		const body = r.url().includes('/ubus') ? await r.text().catch(() => '') : '';
		SECRETS.forEach((s) => { if (body.includes(s)) errors.push('a secret came to the browser: ' + body.slice(0, 200)); });
	});
	let failed = false;
	const run = async (name, fn) => {
		try {
			await fn(page);
			console.log('ok  it ' + name);
		} catch (e) {
			failed = true;
			console.log('BAD it ' + name + '\n' + e.stack);
			await shot(page, 'failed');
		}
	};
	await run('finds the providers', async () => { sim = await simulator(); });
	for (const [ name, fn ] of steps)
		if (!failed)
			await run(name, fn);
	if (wasOn !== undefined)
		await run('cleans up', cleanUp);
	await browser.close();
	errors.forEach((e) => console.log('BAD ' + e));
	process.exit(failed || errors.length ? 1 : 0);
})();
