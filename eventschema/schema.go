package eventschema

import (
	"embed"
	"fmt"
)

//go:generate go test -run TestSchemas -update .

// schemas holds the JSON Schema of every version written since the first
// release, one file for each wire type.
//
//go:embed schemas
var schemas embed.FS

// Schema returns the JSON Schema (2020-12) of the current version's data, as
// whoever holds the key reads it. Members marked "x-personal" are stored
// encrypted, all in one member "personal".
func (t *Type) Schema() []byte {
	b, err := schemas.ReadFile("schemas/" + t.Wire() + ".json")
	if err != nil {
		panic(fmt.Sprintf("eventschema: %s has no schema; run go generate ./eventschema", t.Wire())) // a test holds the table to it
	}
	return b
}
