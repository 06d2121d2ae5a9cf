const luci = [ '_', 'E', 'L', 'api', 'baseclass', 'form', 'model', 'parts', 'poll', 'rpc', 'ui', 'view' ];
const browser = [ 'URLSearchParams', 'document', 'location', 'window' ];
const node = [ '__dirname', 'console', 'module', 'process', 'require' ];
const page = [ ...browser, 'performance', 'requestAnimationFrame' ];

const known = (names) => Object.fromEntries(names.map((n) => [ n, 'readonly' ]));

const rules = {
	'array-callback-return': 'error',
	'consistent-return': 'off',
	'no-cond-assign': 'error',
	'no-const-assign': 'error',
	'no-dupe-keys': 'error',
	'no-eval': 'error',
	'no-fallthrough': 'error',
	'no-redeclare': 'error',
	'no-shadow': [ 'error', { builtinGlobals: false } ],
	'no-undef': 'error',
	'no-unreachable': 'error',
	'no-unsafe-finally': 'error',
	'no-unused-vars': [ 'error', { caughtErrors: 'none', args: 'after-used', argsIgnorePattern: '^(section|ev)$' } ],
	'no-use-before-define': [ 'error', { functions: false } ],
	'no-var': 'error',
	'prefer-const': 'error',
	'valid-typeof': 'error'
};

export default [
	{
		/* LuCI wraps these into functions; what they require becomes variables. */
		files: [ 'htdocs/**/*.js' ],
		languageOptions: { sourceType: 'commonjs', ecmaVersion: 2018, globals: known([ ...luci, ...browser ]) },
		rules: {
			...rules,
			'no-restricted-properties': [ 'error', ...[ 'innerHTML', 'outerHTML', 'insertAdjacentHTML' ].map((property) => ({ property, message: 'foreign text is shown as text' })) ],
			'no-restricted-syntax': [ 'error', { selector: 'TemplateLiteral', message: 'the minifier of older releases does not know it' } ]
		}
	},
	{
		files: [ 'test/*.js' ],
		languageOptions: { sourceType: 'commonjs', ecmaVersion: 2022, globals: known([ ...node, ...page, 'setTimeout' ]) },
		rules
	}
];
