package secret

import (
	"bytes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The reasons why Open refuses; what it returns wraps one of them.
var (
	ErrUnknownKey = errors.New("sealed with a key that is not in the key file")
	ErrBroken     = errors.New("sealed value was altered or moved")
)

// A sealed value is: format byte, key id, then nonce and ciphertext of
// AES-256-GCM.
const (
	sealFormat = 1
	keySize    = 32
	idSize     = 4
	ringHeader = "# Keys that seal the secrets in Drawbridge's database. Back this file up apart from\n" +
		"# the database; without it the sealed secrets are lost. The last line seals new values.\n"
)

// Place says where a sealed value lives. It is bound into the seal, so that a
// value copied to another row or column does not open.
type Place struct{ Table, Row, Column string }

// Ring seals and opens values. Its newest key seals; every key opens. Safe for
// concurrent use.
type Ring struct {
	seal   cipher.AEAD
	sealID [idSize]byte
	open   map[[idSize]byte]cipher.AEAD
}

// LoadRing reads the key file at path. A missing file is created with one new
// key, mode 0600; a file that others may read is refused.
func LoadRing(path string) (*Ring, error) {
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err = createRing(path); err != nil {
			return nil, fmt.Errorf("create key file: %w", err)
		}
		text, err = readPrivate(path)
	}
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	return parseRing(path, text)
}

// AddKey appends a new key to the key file at path. Rings loaded from then on
// seal with it and still open what older keys sealed.
func AddKey(path string) error {
	text, err := readPrivate(path)
	if err != nil {
		return fmt.Errorf("read key file: %w", err)
	}
	if _, err := parseRing(path, text); err != nil {
		return err
	}
	return WriteFile(path, append(text, newKeyLine()...))
}

// Seal encrypts plain for its place.
func (r *Ring) Seal(at Place, plain []byte) []byte {
	out := make([]byte, 0, 1+idSize+r.seal.Overhead()+len(plain))
	out = append(out, sealFormat)
	out = append(out, r.sealID[:]...)
	return r.seal.Seal(out, nil, plain, at.bytes())
}

// Open decrypts what Seal made for the same place.
func (r *Ring) Open(at Place, sealed []byte) ([]byte, error) {
	if len(sealed) < 1+idSize || sealed[0] != sealFormat {
		return nil, fmt.Errorf("open %s.%s: %w", at.Table, at.Column, ErrBroken)
	}
	key, ok := r.open[[idSize]byte(sealed[1:1+idSize])]
	if !ok {
		return nil, fmt.Errorf("open %s.%s: %w", at.Table, at.Column, ErrUnknownKey)
	}
	plain, err := key.Open(nil, nil, sealed[1+idSize:], at.bytes())
	if err != nil {
		return nil, fmt.Errorf("open %s.%s: %w", at.Table, at.Column, ErrBroken)
	}
	return plain, nil
}

// bytes is the additional data of the seal: each part with its length before
// it, so that no two places give the same bytes.
func (p Place) bytes() []byte {
	out := make([]byte, 0, 12+len(p.Table)+len(p.Row)+len(p.Column))
	for _, part := range [...]string{p.Table, p.Row, p.Column} {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part)))
		out = append(out, part...)
	}
	return out
}

// WriteFile writes a private file (0600) so that after a crash it has either the
// old content or the new.
func WriteFile(path string, content []byte) error {
	tmp, err := writeTemp(path, content)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// createRing makes the key file unless another process was faster.
func createRing(path string) error {
	tmp, err := writeTemp(path, append([]byte(ringHeader), newKeyLine()...))
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	// Link, unlike rename, never replaces a file that is there.
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func writeTemp(path string, content []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func readPrivate(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("%s has mode %04o: others may read it; run chmod 600 on it", path, mode)
	}
	return os.ReadFile(path)
}

// newKeyLine is a key as the file has it: id, key in base64.
func newKeyLine() []byte {
	key := make([]byte, keySize)
	rand.Read(key) // never fails; crypto/rand ends the program instead
	id := keyID(key)
	return fmt.Appendf(nil, "%x %s\n", id[:], base64.StdEncoding.EncodeToString(key))
}

func keyID(key []byte) [idSize]byte {
	sum := sha256.Sum256(key)
	return [idSize]byte(sum[:idSize])
}

func parseRing(path string, text []byte) (*Ring, error) {
	r := &Ring{open: map[[idSize]byte]cipher.AEAD{}}
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line := strings.TrimSpace(string(line))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, key, err := parseKeyLine(line)
		if err != nil {
			return nil, fmt.Errorf("%s line %d: %w; restore the file from a backup", path, number, err)
		}
		r.seal, r.sealID, r.open[id] = key, id, key
	}
	if r.seal == nil {
		return nil, fmt.Errorf("%s has no key; restore the file from a backup", path)
	}
	return r, nil
}

func parseKeyLine(line string) (id [idSize]byte, _ cipher.AEAD, _ error) {
	idText, keyText, _ := strings.Cut(line, " ")
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(keyText))
	if err != nil || len(key) != keySize {
		return id, nil, errors.New("not a key of 32 bytes in base64")
	}
	id = keyID(key)
	if idText != hex.EncodeToString(id[:]) {
		return id, nil, errors.New("the key does not fit its id")
	}
	aead, err := newAEAD(key)
	return id, aead, err
}
