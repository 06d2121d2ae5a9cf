package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// What luci.mk has every application do when it is installed.
const luciInstalled = `[ -n "${IPKG_INSTROOT}" ] || {
	rm -f /tmp/luci-indexcache.*
	rm -rf /tmp/luci-modulecache/
	/etc/init.d/rpcd reload 2>/dev/null
	exit 0
}
`

// language is how luci.mk calls a translation: in the name of its package, and
// for people.
type language struct{ code, title string }

// languages are LuCI's, by the name of their folder in po.
func languages() map[string]language {
	return map[string]language{
		"cs":      {"cs", "Čeština (Czech)"},
		"da":      {"da", "Dansk (Danish)"},
		"de":      {"de", "Deutsch (German)"},
		"es":      {"es", "Español (Spanish)"},
		"fr":      {"fr", "Français (French)"},
		"it":      {"it", "Italiano (Italian)"},
		"ja":      {"ja", "日本語 (Japanese)"},
		"nl":      {"nl", "Nederlands (Dutch)"},
		"pl":      {"pl", "Polski (Polish)"},
		"pt":      {"pt", "Português (Portuguese)"},
		"pt_BR":   {"pt-br", "Português do Brasil (Brazilian Portuguese)"},
		"ru":      {"ru", "Русский (Russian)"},
		"sv":      {"sv", "Svenska (Swedish)"},
		"tr":      {"tr", "Türkçe (Turkish)"},
		"uk":      {"uk", "Українська (Ukrainian)"},
		"zh_Hans": {"zh-cn", "简体中文 (Simplified Chinese)"},
		"zh_Hant": {"zh-tw", "正體中文 (Traditional Chinese)"},
	}
}

// luciApp collects a LuCI application and its translations, as luci.mk does
// from the same folder; none if there is no such folder.
func (o options) luciApp() ([]content, error) {
	if _, err := os.Stat(o.luci); o.luci == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	makefile, err := os.ReadFile(filepath.Join(o.luci, "Makefile"))
	if err != nil {
		return nil, err
	}
	name := filepath.Base(o.luci)
	depends := strings.Fields(strings.ReplaceAll(makeVariable(makefile, "LUCI_DEPENDS"), "+", ""))
	app := o.newContent(name, "all", "luci", makeVariable(makefile, "LUCI_TITLE"), depends...)
	app.installed = luciInstalled
	for dir, place := range map[string]string{"htdocs": "/www", "root": "", "ucode": "/usr/share/ucode/luci"} {
		if err := app.take(filepath.Join(o.luci, dir), place); err != nil {
			return nil, err
		}
	}
	app.sort()
	list := []content{app}
	folders, err := filepath.Glob(filepath.Join(o.luci, "po/*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range folders {
		if filepath.Base(dir) == "templates" {
			continue
		}
		t, err := o.translation(name, dir)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

func makeVariable(makefile []byte, name string) string {
	m := regexp.MustCompile(`(?m)^` + name + `\s*:?=\s*(.*)$`).FindSubmatch(makefile)
	if m == nil {
		return ""
	}
	return string(m[1])
}

// makeScript is a script as the feed's Makefile defines it.
func makeScript(makefile []byte, name string) (string, error) {
	m := regexp.MustCompile(`(?s)\ndefine ` + name + `\n(.*?)endef\n`).FindSubmatch(makefile)
	if m == nil {
		return "", fmt.Errorf("the feed's Makefile does not define %s", name)
	}
	return strings.ReplaceAll(string(m[1]), "$$", "$"), nil
}

// take adds all files below a folder, which may not be there.
func (c *content) take(dir, place string) error {
	files := os.DirFS(dir)
	return fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if path == "." && errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		mode := int64(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		data, err := fs.ReadFile(files, path)
		c.files = append(c.files, file{place + "/" + path, mode, data})
		return err
	})
}

// translation is the package of a folder of po.
func (o options) translation(app, dir string) (content, error) {
	base := strings.TrimPrefix(app, "luci-app-")
	l, ok := languages()[filepath.Base(dir)]
	if !ok {
		return content{}, fmt.Errorf("%s is in a language without a name; give it the one of luci.mk in luci.go", dir)
	}
	name := "luci-i18n-" + base + "-" + l.code
	c := o.newContent(name, "all", "luci", "Translation for "+app+" - "+l.title, app)
	defaults := fmt.Sprintf("uci set luci.languages.%s='%s'; uci commit luci\n", strings.ReplaceAll(l.code, "-", "_"), l.title)
	c.files = []file{{"/etc/uci-defaults/" + name, 0o644, []byte(defaults)}}
	catalogues, err := filepath.Glob(filepath.Join(dir, "*.po"))
	if err != nil {
		return c, err
	}
	for _, path := range catalogues {
		po, err := os.ReadFile(path)
		if err != nil {
			return c, err
		}
		data, err := lmo(po)
		if err != nil {
			return c, fmt.Errorf("%s:%w", path, err)
		}
		place := "/usr/lib/lua/luci/i18n/" + strings.TrimSuffix(filepath.Base(path), ".po") + "." + l.code + ".lmo"
		c.files = append(c.files, file{place, 0o644, data})
	}
	c.sort()
	return c, nil
}
