package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// publishFeed writes the feed's folder as others can use it: with the sum of
// the sources that they download, and the address of who answers for them.
func (o options) publishFeed() error {
	archive, err := os.ReadFile(o.source)
	if err != nil {
		return err
	}
	out := filepath.Join(o.out, "feed", filepath.Base(o.feed))
	if err := os.RemoveAll(filepath.Dir(out)); err != nil {
		return err
	}
	if err := os.CopyFS(out, os.DirFS(o.feed)); err != nil {
		return err
	}
	path := filepath.Join(out, "Makefile")
	makefile, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for name, value := range map[string]string{"PKG_HASH": fmt.Sprintf("%x", sha256.Sum256(archive)), "CONTACT": o.contact} {
		line := regexp.MustCompile(`(?m)^` + name + `:=.*$`)
		if !line.Match(makefile) {
			return fmt.Errorf("%s has no %s to fill in", path, name)
		}
		makefile = line.ReplaceAllLiteral(makefile, []byte(name+":="+value))
	}
	return os.WriteFile(path, makefile, 0o644) //nolint:gosec // a feed is for everybody to read
}
