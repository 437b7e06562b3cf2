package eventschema

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/invopop/jsonschema"
	"github.com/rapport-crm/rapport/domain"
	validator "github.com/santhosh-tekuri/jsonschema/v6"
)

var update = flag.Bool("update", false, "write the schemas of the current versions")

// schemaOf makes the JSON Schema of a type's current version.
func schemaOf(t *Type) ([]byte, error) {
	r := jsonschema.Reflector{
		Anonymous:                 true,
		AllowAdditionalProperties: true, // a reader passes over what it does not know
		ExpandedStruct:            true,
		Namer: func(t reflect.Type) string { // policies of several kinds are all called Policy
			if t.Name() == "" {
				return ""
			}
			return path.Base(t.PkgPath()) + "." + t.Name()
		},
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case reflect.TypeFor[domain.Date]():
				return &jsonschema.Schema{Type: "string", Format: "date"}
			case reflect.TypeFor[uuid.UUID]():
				return &jsonschema.Schema{Type: "string", Format: "uuid"}
			}
			return nil
		},
	}
	s := r.ReflectFromType(t.Go)
	s.Title = t.Wire()
	for _, name := range t.Personal {
		p, _ := s.Properties.Get(name)
		if p.Ref != "" { // beside a reference, extras would change nothing else
			p = &jsonschema.Schema{AllOf: []*jsonschema.Schema{{Ref: p.Ref}}}
			s.Properties.Set(name, p)
		}
		p.Extras = map[string]any{"x-personal": true}
		for i, required := range s.Required {
			if required == name { // absent after an erasure
				s.Required = append(s.Required[:i], s.Required[i+1:]...)
				break
			}
		}
	}
	b, err := json.MarshalIndent(s, "", "  ")
	return append(b, '\n'), err
}

// The committed schemas are those of the structs. A difference is a change of
// the contract: make it a new version, unless it only adds an optional member.
func TestSchemas(t *testing.T) {
	for _, typ := range Events.Types() {
		want, err := schemaOf(typ)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("schemas", typ.Wire()+".json")
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%v (go generate ./eventschema writes it)", err)
			continue
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s has drifted (go generate ./eventschema); -struct +file:\n%s", file, diff)
		}
	}
	files, err := os.ReadDir("schemas")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if wire, ok := strings.CutSuffix(f.Name(), ".json"); !ok || !Events.Known(wire) {
			t.Errorf("schemas/%s belongs to no version of an event", f.Name())
		}
	}
}

// The frozen example of every current version keeps to its schema.
func TestExamplesFitSchemas(t *testing.T) {
	for _, typ := range Events.Types() {
		t.Run(typ.Wire(), func(t *testing.T) {
			schema, err := validator.UnmarshalJSON(bytes.NewReader(typ.Schema()))
			if err != nil {
				t.Fatal(err)
			}
			c := validator.NewCompiler()
			c.AssertFormat()
			if err := c.AddResource("event.json", schema); err != nil {
				t.Fatal(err)
			}
			s, err := c.Compile("event.json")
			if err != nil {
				t.Fatal(err)
			}
			example, err := validator.UnmarshalJSON(bytes.NewReader(readExample(t, typ.Wire())))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(example); err != nil {
				t.Error(err)
			}
		})
	}
}

func readExample(t testing.TB, wire string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", wire+".json"))
	if err != nil {
		t.Fatalf("every version needs a frozen example: %v", err)
	}
	return bytes.TrimSpace(b)
}
