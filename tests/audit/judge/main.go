// Judges an exported log with Go's checksum-database packages (golang.org/x/mod/sumdb/note and tlog), which know
// nothing of Breakglass. Only the mapping of paths is ours: C2SP tlog-tiles leaves out the height, which is 8.
//
//	judge VKEY FOLDER [OLDSIZE OLDROOT]     exit 0 and "N records" when all of it holds
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type folder string

func (f folder) Height() int { return height }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		data, err := os.ReadFile(f.path(tile.Path()))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (f folder) path(theirs string) string {
	return filepath.Join(string(f), strings.Replace(theirs, fmt.Sprintf("tile/%d/", height), "tile/", 1))
}

// records are the entries of one bundle: two bytes of length before each.
func (f folder) records(bundle int64, width int) ([][]byte, error) {
	tile := tlog.Tile{H: height, L: 0, N: bundle, W: width}
	data, err := os.ReadFile(strings.Replace(f.path(tile.Path()), "tile/0/", "tile/entries/", 1))
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("bundle %d is torn", bundle)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		found, data = append(found, data[2:end]), data[end:]
	}
	if len(found) != width {
		return nil, fmt.Errorf("bundle %d holds %d records, not %d", bundle, len(found), width)
	}
	return found, nil
}

func judge(vkey string, where folder, old []string) (int64, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, err
	}
	signed, err := os.ReadFile(filepath.Join(string(where), "checkpoint"))
	if err != nil {
		return 0, err
	}
	opened, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return 0, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return 0, fmt.Errorf("the checkpoint has another form: %q", opened.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return 0, err
	}
	hashes := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, where)
	if computed, err := tlog.TreeHash(size, hashes); err != nil || computed != root {
		return 0, fmt.Errorf("the tiles give the root %v: %v", computed, err)
	}
	for n := int64(0); n < size; {
		width := 1 << height
		if size-n < int64(width) {
			width = int(size - n)
		}
		records, err := where.records(n>>height, width)
		if err != nil {
			return 0, err
		}
		for _, record := range records {
			proof, err := tlog.ProveRecord(size, n, hashes)
			if err != nil {
				return 0, err
			}
			if err := tlog.CheckRecord(proof, size, root, n, tlog.RecordHash(record)); err != nil {
				return 0, fmt.Errorf("record %d: %v", n, err)
			}
			n++
		}
	}
	if len(old) == 2 {
		before, err := strconv.ParseInt(old[0], 10, 64)
		if err != nil {
			return 0, err
		}
		head, err := tlog.ParseHash(old[1])
		if err != nil {
			return 0, err
		}
		proof, err := tlog.ProveTree(size, before, hashes)
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckTree(proof, size, root, before, head); err != nil {
			return 0, fmt.Errorf("it does not begin with the %d entries: %v", before, err)
		}
	}
	return size, nil
}

func main() {
	size, err := judge(os.Args[1], folder(os.Args[2]), os.Args[3:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(size, "records")
}
