// The program verify judges what libs/tlog has written, by the Go libraries of the transparency log community. It reads a
// JSON object from standard input and writes one to standard output; an answer without "error" means that all is right.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/transparency-dev/formats/log"
	cosignature "github.com/transparency-dev/formats/note"
	tlogproof "github.com/transparency-dev/formats/proof"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"
)

type treeHead struct {
	Size uint64 `json:"size"`
	Root []byte `json:"root"`
}

type question struct {
	Origin     string `json:"origin"`
	LogKey     string `json:"logKey"`
	LogSecret  string `json:"logSecret"`
	WitnessKey string `json:"witnessKey"`
	Inclusions []struct {
		Entry []byte `json:"entry"`
		Text  string `json:"text"`
	} `json:"inclusions"`
	Consistencies []struct {
		First  treeHead `json:"first"`
		Second treeHead `json:"second"`
		Hashes [][]byte `json:"hashes"`
	} `json:"consistencies"`
	Tiles []struct {
		Level uint64 `json:"level"`
		Index uint64 `json:"index"`
		Width uint64 `json:"width"`
		Path  string `json:"path"`
	} `json:"tiles"`
}

type answer struct {
	Inclusions    int    `json:"inclusions"`
	Consistencies int    `json:"consistencies"`
	Tiles         int    `json:"tiles"`
	Error         string `json:"error,omitempty"`
}

func main() {
	var asked question
	var said answer
	err := json.NewDecoder(os.Stdin).Decode(&asked)
	if err == nil {
		err = judge(asked, &said)
	}
	if err != nil {
		said.Error = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		panic(err)
	}
}

func judge(asked question, said *answer) error {
	logVerifier, err := note.NewVerifier(asked.LogKey)
	if err != nil {
		return fmt.Errorf("log key: %w", err)
	}
	signer, err := note.NewSigner(asked.LogSecret)
	if err != nil {
		return fmt.Errorf("secret key: %w", err)
	}
	witness, err := cosignature.NewVerifierForCosignatureV1(asked.WitnessKey)
	if err != nil {
		return fmt.Errorf("witness key: %w", err)
	}
	for at, one := range asked.Inclusions {
		if err := included(asked.Origin, logVerifier, witness, signer, one.Entry, one.Text); err != nil {
			return fmt.Errorf("inclusion %d: %w", at, err)
		}
		said.Inclusions++
	}
	for at, one := range asked.Consistencies {
		err := proof.VerifyConsistency(
			rfc6962.DefaultHasher, one.First.Size, one.Second.Size, one.Hashes, one.First.Root, one.Second.Root)
		if err != nil {
			return fmt.Errorf("consistency %d: %w", at, err)
		}
		said.Consistencies++
	}
	for _, one := range asked.Tiles {
		// A full tile has no partial width.
		if path := layout.TilePath(one.Level, one.Index, uint8(one.Width%layout.TileWidth)); path != one.Path {
			return fmt.Errorf("the path of a tile is %q, and was written as %q", path, one.Path)
		}
		said.Tiles++
	}
	return nil
}

// The checkpoint has to be signed by the log, in the very bytes that Go would write, and by the witness.
func included(origin string, logKey, witness note.Verifier, signer note.Signer, entry []byte, text string) error {
	var file tlogproof.TLogProof
	if err := file.Unmarshal([]byte(text)); err != nil {
		return err
	}
	if again := string(file.Marshal()); again != text {
		return fmt.Errorf("Go writes the proof as %q", again)
	}
	checkpoint, _, opened, err := log.ParseCheckpoint(file.Checkpoint, origin, logKey, witness)
	if err != nil {
		return err
	}
	if len(opened.Sigs) != 2 {
		return fmt.Errorf("%d signatures of 2 were verified", len(opened.Sigs))
	}
	if _, err := cosignature.CoSigV1Timestamp(opened.Sigs[1]); err != nil {
		return err
	}
	signed, err := note.Sign(&note.Note{Text: opened.Text}, signer)
	if err != nil {
		return err
	}
	bySigner, err := note.Open(signed, note.VerifierList(logKey))
	if err != nil {
		return err
	}
	if bySigner.Sigs[0] != opened.Sigs[0] {
		return fmt.Errorf("Go signs with %q", bySigner.Sigs[0].Base64)
	}
	hashes := make([][]byte, len(file.Hashes))
	for at := range file.Hashes {
		hashes[at] = file.Hashes[at][:]
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(entry)
	return proof.VerifyInclusion(rfc6962.DefaultHasher, file.Index, checkpoint.Size, leaf, hashes, checkpoint.Hash)
}
