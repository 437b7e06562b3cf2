package esnode_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The Node.js client of EventStoreDB shares no code with this node. What it
// sees is compared with what a real server shows it.
func TestForeignClient(t *testing.T) {
	if testing.Short() {
		t.Skip("installs a Node.js package; not with -short")
	}
	t.Parallel()
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("%s is missing: install Node.js 20 or later (https://nodejs.org, or `apt-get install nodejs npm`)", program)
		}
	}
	dir := t.TempDir()
	for _, file := range []string{"package.json", "package-lock.json", ".npmrc", "client.js"} {
		content, err := os.ReadFile(filepath.Join("testdata", "foreign", file))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline", "--no-progress")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Skipf("@eventstore/db-client cannot be installed: npm needs its registry, or a mirror (npm config set registry URL), or a filled cache\n%v: %s", err, out)
	}
	url := os.Getenv(serverVariable)
	if url == "" {
		tcp, _ := serveTCP(t)
		url = "esdb://" + tcp + "?tls=false"
	}
	var stdout, stderr bytes.Buffer
	run := exec.CommandContext(t.Context(), "node", "client.js", url)
	run.Dir, run.Stdout, run.Stderr = dir, &stdout, &stderr
	if err := run.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	golden, err := os.ReadFile(filepath.Join("testdata", "foreign", "seen.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want, got map[string]any
	if err := json.Unmarshal(golden, &want); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what the client sees (-want +got):\n%s", diff)
	}
}
