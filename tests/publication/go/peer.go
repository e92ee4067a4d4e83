// Reads and writes notes and logs with Go's own packages, as lines of JSON on standard input say.
//
// What is not golang.org/x/mod: the layout of files below a folder, and cosignatures with Ed25519,
// which are tlog-cosignature's.
package main

import (
	"bufio"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type request struct {
	Do      string
	Note    []byte
	Text    []byte
	Vkeys   []string
	Skey    string
	Time    uint64
	Folder  string
	Size    int64
	Old     int64
	Index   int64
	Root    []byte
	OldRoot []byte
	Leaf    []byte
	Proof   [][]byte
	Entries [][]byte
}

type answer struct {
	Ok       bool
	Error    string
	Note     []byte
	Text     []byte
	Keys     []string
	Proof    [][]byte
	Vkey     string
	Root     []byte
	Size     int64
	Unsigned int
}

// cosigner is a key of the kind 4, for note.Open and note.Sign.
type cosigner struct {
	name    string
	hash    uint32
	public  ed25519.PublicKey
	private ed25519.PrivateKey
	time    uint64
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }

func cosigned(text []byte, time uint64) []byte {
	return append([]byte(fmt.Sprintf("cosignature/v1\ntime %d\n", time)), text...)
}

func (c *cosigner) Verify(text, value []byte) bool {
	if len(value) != 8+ed25519.SignatureSize {
		return false
	}
	time := binary.BigEndian.Uint64(value)
	return time < 1<<63 && ed25519.Verify(c.public, cosigned(text, time), value[8:])
}

func (c *cosigner) Sign(text []byte) ([]byte, error) {
	value := binary.BigEndian.AppendUint64(nil, c.time)
	return append(value, ed25519.Sign(c.private, cosigned(text, c.time))...), nil
}

func newCosigner(name string, hash string, key []byte) (*cosigner, error) {
	var number uint32
	if _, err := fmt.Sscanf(hash, "%08x", &number); err != nil {
		return nil, err
	}
	return &cosigner{name: name, hash: number, public: ed25519.PublicKey(key)}, nil
}

func verifier(vkey string) (note.Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) == 3 {
		key, err := base64.StdEncoding.DecodeString(parts[2])
		if err == nil && len(key) == 1+ed25519.PublicKeySize && key[0] == 4 {
			return newCosigner(parts[0], parts[1], key[1:])
		}
	}
	return note.NewVerifier(vkey)
}

func verifiers(vkeys []string) (note.Verifiers, error) {
	var list []note.Verifier
	for _, vkey := range vkeys {
		one, err := verifier(vkey)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	return note.VerifierList(list...), nil
}

func open(r request) (answer, error) {
	known, err := verifiers(r.Vkeys)
	if err != nil {
		return answer{}, err
	}
	opened, err := note.Open(r.Note, known)
	if err != nil {
		return answer{}, err
	}
	a := answer{Text: []byte(opened.Text), Unsigned: len(opened.UnverifiedSigs)}
	for _, s := range opened.Sigs {
		a.Keys = append(a.Keys, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
	}
	return a, nil
}

// sign signs a text, or adds a cosignature to a note that the keys of Vkeys signed.
func sign(r request) (answer, error) {
	if r.Time == 0 {
		signer, err := note.NewSigner(r.Skey)
		if err != nil {
			return answer{}, err
		}
		made, err := note.Sign(&note.Note{Text: string(r.Text)}, signer)
		return answer{Note: made}, err
	}
	known, err := verifiers(r.Vkeys[1:])
	if err != nil {
		return answer{}, err
	}
	opened, err := note.Open(r.Note, known)
	if err != nil {
		return answer{}, err
	}
	one, err := verifier(r.Vkeys[0])
	if err != nil {
		return answer{}, err
	}
	witness := one.(*cosigner)
	seed, err := base64.StdEncoding.DecodeString(r.Skey)
	if err != nil {
		return answer{}, err
	}
	witness.private, witness.time = ed25519.NewKeyFromSeed(seed), r.Time
	made, err := note.Sign(opened, witness)
	return answer{Note: made}, err
}

func vkey(r request) (answer, error) {
	_, err := note.NewVerifier(r.Vkeys[0])
	return answer{}, err
}

// folder reads tiles where tlog-tiles has them: without the height in their names.
type folder string

func (f folder) Height() int                                { return height }
func (f folder) SaveTiles(tiles []tlog.Tile, data [][]byte) {}

func (f folder) path(t tlog.Tile) string {
	return filepath.Join(string(f), strings.Replace(t.Path(), "tile/8/", "tile/", 1))
}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, t := range tiles {
		data, err := os.ReadFile(f.path(t))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func hash(data []byte) (h tlog.Hash) {
	copy(h[:], data)
	return h
}

func hashes(list [][]byte) (found []tlog.Hash) {
	for _, one := range list {
		found = append(found, hash(one))
	}
	return found
}

func raw(list []tlog.Hash) (found [][]byte) {
	for i := range list {
		found = append(found, list[i][:])
	}
	return found
}

func inclusion(r request) (answer, error) {
	tree := tlog.Tree{N: r.Size, Hash: hash(r.Root)}
	proof, err := tlog.ProveRecord(r.Size, r.Index, tlog.TileHashReader(tree, folder(r.Folder)))
	return answer{Proof: raw(proof)}, err
}

func consistency(r request) (answer, error) {
	tree := tlog.Tree{N: r.Size, Hash: hash(r.Root)}
	proof, err := tlog.ProveTree(r.Size, r.Old, tlog.TileHashReader(tree, folder(r.Folder)))
	return answer{Proof: raw(proof)}, err
}

func checkInclusion(r request) (answer, error) {
	return answer{}, tlog.CheckRecord(hashes(r.Proof), r.Size, hash(r.Root), r.Index, hash(r.Leaf))
}

func checkConsistency(r request) (answer, error) {
	return answer{}, tlog.CheckTree(hashes(r.Proof), r.Size, hash(r.Root), r.Old, hash(r.OldRoot))
}

func tree(r request) (answer, error) {
	found, err := tlog.ParseTree(r.Text)
	return answer{Size: found.N, Root: found.Hash[:], Text: tlog.FormatTree(found)}, err
}

// stored keeps hashes as tlog numbers them.
type stored []tlog.Hash

func (s stored) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, i := range indexes {
		if i >= int64(len(s)) {
			return nil, errors.New("no such hash")
		}
		found = append(found, s[i])
	}
	return found, nil
}

// write makes a log in a folder: tiles, entries, and a checkpoint in the form of tlog.FormatTree.
func write(r request) (answer, error) {
	var all stored
	for i, entry := range r.Entries {
		more, err := tlog.StoredHashes(int64(i), entry, all)
		if err != nil {
			return answer{}, err
		}
		all = append(all, more...)
	}
	size := int64(len(r.Entries))
	at := folder(r.Folder)
	for _, t := range tlog.NewTiles(height, 0, size) {
		data, err := tlog.ReadTileData(t, all)
		if err != nil {
			return answer{}, err
		}
		if err := save(at.path(t), data); err != nil {
			return answer{}, err
		}
		if t.L != 0 {
			continue
		}
		var bundle []byte
		for _, entry := range r.Entries[t.N<<height : t.N<<height+int64(t.W)] {
			bundle = append(binary.BigEndian.AppendUint16(bundle, uint16(len(entry))), entry...)
		}
		name := strings.Replace(at.path(t), "tile/0/", "tile/entries/", 1)
		if err := save(name, bundle); err != nil {
			return answer{}, err
		}
	}
	root, err := tlog.TreeHash(size, all)
	if err != nil {
		return answer{}, err
	}
	signer, err := note.NewSigner(r.Skey)
	if err != nil {
		return answer{}, err
	}
	text := tlog.FormatTree(tlog.Tree{N: size, Hash: root})
	made, err := note.Sign(&note.Note{Text: string(text)}, signer)
	if err != nil {
		return answer{}, err
	}
	return answer{Note: made, Root: root[:]}, save(filepath.Join(r.Folder, "checkpoint"), made)
}

func save(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, data, 0o666)
}

var commands = map[string]func(request) (answer, error){
	"open": open, "sign": sign, "vkey": vkey, "tree": tree, "write": write,
	"inclusion": inclusion, "consistency": consistency,
	"check inclusion": checkInclusion, "check consistency": checkConsistency,
}

func main() {
	input, output := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	decoder, encoder := json.NewDecoder(input), json.NewEncoder(output)
	for {
		var r request
		if err := decoder.Decode(&r); err == io.EOF {
			return
		} else if err != nil {
			panic(err)
		}
		a, err := commands[r.Do](r)
		a.Ok = err == nil
		if err != nil {
			a = answer{Error: err.Error()}
		}
		if err := encoder.Encode(a); err != nil {
			panic(err)
		}
		if err := output.Flush(); err != nil {
			panic(err)
		}
	}
}
