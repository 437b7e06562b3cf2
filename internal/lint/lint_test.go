// Package lint holds the rules of the house that a compiler does not check.
// They run with the tests, so there is no separate tool to forget.
package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/eventschema"
)

const (
	module = "github.com/rapport-crm/rapport"
	root   = "../.."
)

// allowed says which packages of ours a room may import, beside itself and its
// own sub-packages. The first rule whose room matches a package decides; cmd and the
// rooms of tests import what they like.
var allowed = []struct {
	room    string
	imports []string
}{
	{"domain", []string{"domain"}},
	{"eventschema", []string{"domain"}},
	{"projections", []string{"domain", "eventschema"}},
	{"commands", []string{"domain", "eventschema", "internal/web"}},
	{"readapi", []string{"domain", "eventschema", "projections", "internal/web"}},
	{"internal/web", []string{"domain"}},
	{"internal/esnode", nil}, // speaks the protocol, knows nothing of ours
	{"internal/spill", nil},
	{"internal/client", nil},
	{"internal/csvfile", nil},
	{"internal/orderfile", []string{"domain", "internal/csvfile"}},
	{"internal/customerfile", []string{"domain", "internal/csvfile"}},
	{"internal/population", []string{"domain"}},
	{"internal/importer", []string{"domain", "internal/client", "internal/csvfile", "internal/orderfile", "internal/customerfile", "internal/spill"}},
	{"internal/esdb", []string{"domain", "commands", "projections", "eventschema"}},
	{"internal/redisdb", []string{"domain", "projections", "readapi"}},
	{"internal/memstore", []string{"projections", "readapi"}},
	{"internal/memlog", []string{"commands", "eventschema"}},
	{"internal/jobs", []string{"domain", "eventschema", "commands", "projections"}},
}

// testRooms are imported by tests only.
var testRooms = []string{"domain/domaintest", "internal/logtest", "internal/storetest", "internal/esnode/esnodetest", "internal/web/webtest", "internal/partitiontest"}

type pkg struct {
	ImportPath, Dir string
	Imports         []string
	GoFiles         []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func inside(name, room string) bool { return name == room || strings.HasPrefix(name, room+"/") }

// Arrows point one way: see "Dependency rule" in docs/architecture.md.
func TestDependencyRule(t *testing.T) {
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if inside(name, "cmd") || slices.ContainsFunc(testRooms, func(r string) bool { return inside(name, r) }) {
			continue
		}
		i := slices.IndexFunc(allowed, func(rule struct {
			room    string
			imports []string
		}) bool {
			return inside(name, rule.room)
		})
		if i < 0 {
			if len(p.GoFiles) > 0 {
				t.Errorf("%s has no room: add it to the table in internal/lint, or move it", name)
			}
			continue
		}
		for _, imported := range p.Imports {
			short, ours := strings.CutPrefix(imported, module+"/")
			if !ours || inside(short, allowed[i].room) {
				continue
			}
			if slices.Contains(testRooms, short) || !slices.ContainsFunc(allowed[i].imports, func(room string) bool { return inside(short, room) }) {
				t.Errorf("%s must not import %s", name, short)
			}
		}
	}
}

// The domain is pure: no clock, no randomness, no encoding, no I/O. Time and ids
// come in as fields.
func TestDomainIsPure(t *testing.T) {
	forbiddenImports := []string{"context", "math/rand", "math/rand/v2", "crypto/rand", "encoding/json", "os", "io", "net", "net/http", "log", "log/slog", "sync"}
	forbiddenCalls := regexp.MustCompile(`^(time\.(Now|Since|Until|After|Sleep|Tick|NewTimer|NewTicker)|uuid\.(New|NewString|NewV7|NewRandom|NewUUID|Must))$`)
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		if !inside(name, "domain") || inside(name, "domain/domaintest") {
			continue
		}
		for _, bad := range forbiddenImports {
			if slices.Contains(p.Imports, bad) {
				t.Errorf("%s imports %s", name, bad)
			}
		}
		for _, file := range p.GoFiles {
			fset := token.NewFileSet()
			f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && forbiddenCalls.MatchString(x.Name+"."+s.Sel.Name) {
						t.Errorf("%v: the domain calls %s.%s", fset.Position(n.Pos()), x.Name, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
}

// Every event of the domain stands in the table, and the table holds nothing else.
func TestEveryEventIsRegistered(t *testing.T) {
	declared := map[string]bool{}
	marker := regexp.MustCompile(`^[a-z]+Event$`)
	for _, p := range packages(t) {
		if !inside(strings.TrimPrefix(p.ImportPath, module+"/"), "domain") {
			continue
		}
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && marker.MatchString(fn.Name.Name) {
					declared[path.Base(p.ImportPath)+"."+fn.Recv.List[0].Type.(*ast.Ident).Name] = true
				}
			}
		}
	}
	if len(declared) == 0 {
		t.Fatal("no events found: has the marker method changed its name?")
	}
	for _, typ := range eventschema.Events.Types() {
		name := typ.Go.String()
		if !declared[name] {
			t.Errorf("%s is registered but carries no marker method", name)
		}
		delete(declared, name)
	}
	for name := range declared {
		t.Errorf("%s is not in eventschema/events.go", name)
	}
}

// goFiles calls visit for every Go file of the repository.
func goFiles(t *testing.T, visit func(name string, content []byte)) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." && name != root || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if filepath.Ext(name) != ".go" {
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		visit(name, content)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFormatted(t *testing.T) {
	goFiles(t, func(name string, content []byte) {
		formatted, err := format.Source(content)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !bytes.Equal(formatted, content) {
			t.Errorf("%s is not formatted: run gofmt -w", name)
		}
	})
}

// Nothing in the repository calls itself unfinished, and no test sleeps to let
// something happen: it polls for it (a sleep between two looks), or lives in the
// false time of testing/synctest.
func TestFinished(t *testing.T) {
	unfinished := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	goFiles(t, func(name string, content []byte) {
		for i, line := range strings.Split(string(content), "\n") {
			if unfinished.MatchString(line) {
				t.Errorf("%s:%d: %s", name, i+1, strings.TrimSpace(line))
			}
			sleeps := strings.Contains(line, "time."+"Sleep(") && !strings.Contains(line, "; time."+"Sleep(")
			if strings.HasSuffix(name, "_test.go") && sleeps && !bytes.Contains(content, []byte("synctest.Test(")) {
				t.Errorf("%s:%d: a test sleeps; wait for a condition", name, i+1)
			}
		}
	})
}

// The top level holds what a reader expects and nothing else.
func TestTopLevel(t *testing.T) {
	known := []string{"domain", "commands", "projections", "readapi", "cmd", "eventschema", "internal", "docs", "go.mod", "go.sum", "Makefile", "README.md", "LICENSE"}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	ignored := []string{"bin", "data"} // what the Makefile and a server make; git ignores them
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(known, e.Name()) && !slices.Contains(ignored, e.Name()) {
			t.Errorf("%s has no room at the top level", e.Name())
		}
	}
}
