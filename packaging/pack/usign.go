package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
)

// usign's files are a comment and a line of base64: "Ed", for a secret key a
// way to encrypt it (none), salt and checksum, the key's fingerprint, which is
// just random, and the key or the signature.

type usignKey struct {
	fingerprint [8]byte
	key         ed25519.PrivateKey
}

const usignSecret = 2 + 2 + 4 + 16 + 8 + 8 + ed25519.PrivateKeySize

func newUsignKey() (k usignKey, err error) {
	_, k.key, err = ed25519.GenerateKey(rand.Reader)
	_, _ = rand.Read(k.fingerprint[:]) // never fails
	return k, err
}

func readUsignKey(path string) (k usignKey, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return k, err
	}
	_, line, _ := strings.Cut(string(text), "\n")
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(line))
	if err != nil || len(raw) != usignSecret || string(raw[:2]) != "Ed" {
		return k, fmt.Errorf("%s is no secret key of usign; make one with: usign -G -s KEY -p KEY.pub", path)
	}
	if string(raw[4:8]) != "\x00\x00\x00\x00" {
		return k, errors.New(path + " is protected by a password, which usign itself does not take; make one without")
	}
	k.key = ed25519.NewKeyFromSeed(raw[40:72])
	copy(k.fingerprint[:], raw[32:40])
	return k, nil
}

// name is what the router calls the key's file in /etc/opkg/keys.
func (k usignKey) name() string { return fmt.Sprintf("%x", k.fingerprint) }

func (k usignKey) secret() []byte {
	sum := sha512.Sum512(k.key)
	return k.text("private key", []byte("EdBK"), make([]byte, 4+16), sum[:8], k.fingerprint[:], k.key)
}

func (k usignKey) public() []byte {
	return k.text("public key", []byte("Ed"), k.fingerprint[:], k.key[32:])
}

func (k usignKey) sign(data []byte) []byte {
	return k.text("signed by key", []byte("Ed"), k.fingerprint[:], ed25519.Sign(k.key, data))
}

func (k usignKey) text(what string, parts ...[]byte) []byte {
	var raw []byte
	for _, p := range parts {
		raw = append(raw, p...)
	}
	return fmt.Appendf(nil, "untrusted comment: %s %s\n%s\n", what, k.name(), base64.StdEncoding.EncodeToString(raw))
}
