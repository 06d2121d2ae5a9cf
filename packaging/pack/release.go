package main

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// What stands beside the packages: what they are made of, and the sums of all
// files that are published, signed as the feed for opkg is.
const (
	bomName = "wandns.cdx.json"
	sumName = "SHA256SUMS"
)

// component is a part of the program, as CycloneDX 1.6 describes it.
type component struct {
	Type     string   `json:"type"`
	Ref      string   `json:"bom-ref"`
	Name     string   `json:"name"`
	Version  string   `json:"version"`
	PURL     string   `json:"purl"` // package URL
	Pedigree *lineage `json:"pedigree,omitempty"`
}

type lineage struct {
	Notes string `json:"notes"`
}

// billOfMaterials lists the modules and the Go that a program says it is built
// from. They are the same for every processor.
func billOfMaterials(program, version string) ([]byte, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, fmt.Errorf("what %s is made of cannot be read: %w", program, err)
	}
	part := func(kind, name, version string) component {
		purl := "pkg:golang/" + name + "@" + version
		return component{Type: kind, Ref: purl, Name: name, Version: version, PURL: purl}
	}
	goVersion, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), "-")
	library := part("library", "stdlib", goVersion)
	library.Pedigree = &lineage{"Where the package was built with overlay.sh, two numbers of the runtime are changed by mspanset.patch. Cryptography is Go's module v1.0.0 (GOFIPS140)."}
	parts := []component{library}
	for _, m := range info.Deps {
		m = cmp.Or(m.Replace, m)
		parts = append(parts, part("library", m.Path, m.Version))
	}
	return json.MarshalIndent(map[string]any{
		"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
		"metadata":   map[string]any{"component": part("application", info.Main.Path, version)},
		"components": parts,
	}, "", "  ")
}

// release writes the bill of materials and the sums.
func (o options) release(key usignKey) error {
	if o.program != "" {
		bom, err := billOfMaterials(o.program, o.version)
		if err == nil {
			err = write(filepath.Join(o.out, bomName), append(bom, '\n'))
		}
		if err != nil {
			return err
		}
	}
	parts := []string{"apk", "feed", "ipk", bomName}
	if o.source != "" {
		parts = append(parts, filepath.Base(o.source)) // which is in OUT
	}
	var sums bytes.Buffer
	out := os.DirFS(o.out)
	for _, part := range parts {
		err := fs.WalkDir(out, part, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := fs.ReadFile(out, name)
			fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(b), name)
			return err
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	path := filepath.Join(o.out, sumName)
	return errors.Join(write(path, sums.Bytes()), write(path+".sig", key.sign(sums.Bytes())))
}
