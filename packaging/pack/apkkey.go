package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

// apkKey signs packages and indexes for apk.
type apkKey struct{ key *ecdsa.PrivateKey }

func newApkKey() (apkKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return apkKey{key}, err
}

// readApkKey takes what openssl writes, by ecparam -genkey or genpkey.
func readApkKey(path string) (apkKey, error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return apkKey{}, err
	}
	for p, rest := pem.Decode(rest); p != nil; p, rest = pem.Decode(rest) {
		if key, err := x509.ParseECPrivateKey(p.Bytes); err == nil {
			return apkKey{key}, nil
		}
		if any, err := x509.ParsePKCS8PrivateKey(p.Bytes); err == nil {
			if key, ok := any.(*ecdsa.PrivateKey); ok {
				return apkKey{key}, nil
			}
		}
	}
	return apkKey{}, fmt.Errorf("%s holds no private EC key; make one with: openssl ecparam -name prime256v1 -genkey -noout -out KEY", path)
}

// id is how apk finds the public key.
func (k apkKey) id() []byte {
	point, err := k.key.PublicKey.Bytes()
	if err != nil {
		return make([]byte, 16)
	}
	sum := sha512.Sum512(point)
	return sum[:16]
}

// sign gives the same signature for the same data every time (RFC 6979).
func (k apkKey) sign(data []byte) ([]byte, error) {
	sum := sha512.Sum512(data)
	return k.key.Sign(nil, sum[:], crypto.SHA512)
}

func (k apkKey) secret() ([]byte, error) {
	der, err := x509.MarshalECPrivateKey(k.key)
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), err
}

func (k apkKey) public() ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(k.key.Public())
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), err
}
