package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An .lmo is LuCI's form of a translation: the texts, then an index of them by
// the hash of what they translate, then where the index begins. Numbers are
// big-endian, texts begin at multiples of four. LuCI's po2lmo.c defines it.

type lmoFile struct {
	texts []byte
	index []lmoEntry
}

type lmoEntry struct{ key, plurals, offset, length uint32 }

func (f *lmoFile) add(key uint32, plurals int, text string) {
	f.index = append(f.index, lmoEntry{key, uint32(plurals), uint32(len(f.texts)), uint32(len(text))})
	f.texts = append(f.texts, text...)
	for len(f.texts)%4 != 0 {
		f.texts = append(f.texts, 0)
	}
}

// message is an entry of a .po; there is no context if it is empty.
type message struct {
	context, id, plural string
	texts               []string
}

// lmo converts a .po.
func lmo(po []byte) ([]byte, error) {
	var f lmoFile
	var m message
	var field *string // that the next lines belong to
	n := 0
	for line := range strings.Lines(string(po)) {
		n++
		word, rest, _ := strings.Cut(strings.TrimSpace(line), "\"")
		if strings.HasPrefix(word, "#") || word == "" && rest == "" {
			continue
		}
		switch word = strings.TrimSpace(word); {
		case word == "":
		case word == "msgctxt", word == "msgid" && field != &m.context:
			f.message(m)
			m = message{}
			if field = &m.id; word == "msgctxt" {
				field = &m.context
			}
		case word == "msgid":
			field = &m.id
		case word == "msgid_plural":
			field = &m.plural
		case word == "msgstr", word == fmt.Sprintf("msgstr[%d]", len(m.texts)):
			m.texts = append(m.texts, "")
			field = &m.texts[len(m.texts)-1]
		default:
			return nil, fmt.Errorf("%d: %q has no meaning here", n, word)
		}
		text, ok := unquote(rest)
		if !ok || field == nil {
			return nil, fmt.Errorf("%d: a text is not within quotes, or has no place", n)
		}
		*field += text
	}
	f.message(m)
	slices.SortStableFunc(f.index, func(a, b lmoEntry) int { return cmp.Compare(a.key, b.key) })
	b, err := binary.Append(f.texts, binary.BigEndian, f.index)
	return binary.BigEndian.AppendUint32(b, uint32(len(f.texts))), err
}

// unquote takes what follows the first quote. LuCI keeps line breaks escaped.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), i == len(s)-1
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		case s[i] == '\\' && i+1 < len(s):
			b.WriteByte(s[i])
			i++
		}
		b.WriteByte(s[i])
	}
	return "", false
}

// message adds what is translated; that of nothing is the file's header.
func (f *lmoFile) message(m message) {
	if m.id == "" && len(m.texts) > 0 {
		for line := range strings.SplitSeq(m.texts[0], `\n`) {
			if rule, ok := strings.CutPrefix(line, "Plural-Forms: "); ok {
				f.add(0, 0, rule)
			}
		}
		return
	}
	if len(m.texts) == 0 || m.texts[0] == "" {
		return
	}
	key := m.id
	if m.context != "" {
		key = m.context + "\x01" + key
	}
	for i, text := range m.texts {
		if text == "" {
			continue
		}
		k := key
		if m.plural != "" {
			k += "\x02" + strconv.Itoa(i)
		}
		if hash := sfh(k); hash != sfh(text) {
			f.add(hash, len(m.texts), text)
		}
	}
}

// sfh is Paul Hsieh's SuperFastHash, which begins with the length.
func sfh(s string) uint32 {
	if s == "" {
		return 0
	}
	pair := func(i int) uint32 { return uint32(s[i]) | uint32(s[i+1])<<8 }
	signed := func(i int) uint32 { return uint32(int32(int8(s[i]))) }
	h := uint32(len(s))
	for ; len(s) >= 4; s = s[4:] {
		h += pair(0)
		h = h<<16 ^ (pair(2)<<11 ^ h)
		h += h >> 11
	}
	switch len(s) {
	case 3:
		h += pair(0)
		h ^= h << 16
		h ^= signed(2) << 18
		h += h >> 11
	case 2:
		h += pair(0)
		h ^= h << 11
		h += h >> 17
	case 1:
		h += signed(0)
		h ^= h << 10
		h += h >> 1
	}
	h ^= h << 3
	h += h >> 5
	h ^= h << 4
	h += h >> 17
	h ^= h << 25
	return h + h>>6
}
