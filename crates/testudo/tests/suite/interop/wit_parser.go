// Checks and makes WIT-SVIDs with go-spiffe and go-jose, for wit_svids.rs.
package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/spiffe/go-spiffe/v2/exp/bundle/witbundle"
	"github.com/spiffe/go-spiffe/v2/exp/svid/witsvid"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
)

// check prints for each line of the standard input whether it is a WIT-SVID that the keys in the file verify.
func check(path string) {
	bundle, err := witbundle.Load(spiffeid.RequireTrustDomainFromString("prod.example"), path)
	if err != nil {
		log.Fatal(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if _, err := witsvid.ParseAndValidate(lines.Text(), bundle); err != nil {
			fmt.Println("refused:", err)
		} else {
			fmt.Println("accepted")
		}
	}
}

// makeOne prints a WIT-SVID for the key in the standard input, and the key that signed it as an entry of a bundle.
func makeOne(subject string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	jwk := jose.JSONWebKey{Key: key, KeyID: "go", Algorithm: "ES256"}
	options := new(jose.SignerOptions).WithType("wit+jwt")
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jwk}, options)
	if err != nil {
		log.Fatal(err)
	}
	workload, err := io.ReadAll(os.Stdin)
	if err != nil {
		log.Fatal(err)
	}
	wit, err := jwt.Signed(signer).Claims(map[string]any{
		"sub": subject,
		"exp": time.Now().Add(time.Hour).Unix(),
		"iat": time.Now().Unix(),
		"cnf": map[string]any{"jwk": json.RawMessage(workload)},
	}).Serialize()
	if err != nil {
		log.Fatal(err)
	}
	public := jwk.Public()
	public.Use = "wit-svid"
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"wit": wit, "key": public}); err != nil {
		log.Fatal(err)
	}
}

func main() {
	switch os.Args[1] {
	case "check":
		check(os.Args[2])
	case "make":
		makeOne(os.Args[2])
	}
}
