package redisdb

import (
	"net"
	"strings"
	"testing"

	"github.com/rapport-crm/rapport/internal/redisdb/redistest"
	"github.com/rapport-crm/rapport/projections"
	"github.com/redis/go-redis/v9"
)

func TestParseURL(t *testing.T) {
	for _, tt := range []struct {
		url, to  string
		cluster  bool
		tls      bool
		password string
	}{
		{url: "redis://h:1", to: "h:1"},
		{url: "redis://h", to: "h:6379"},
		{url: "rediss://u:pw@h:1/3", to: "h:1", tls: true, password: "pw"},
		{url: "unix:///a/b.sock", to: "/a/b.sock"},
		{url: "redis://h:1?cluster=true", to: "h:1", cluster: true},
		{url: "redis://h:1?cluster=false", to: "h:1"},
		{url: "redis://u:pw@a:1,b:2,c", to: "a:1, b:2, c:6379", cluster: true, password: "pw"},
		{url: "rediss://:pw@a:1,b:2/0?dial_timeout=1s", to: "a:1, b:2", cluster: true, tls: true, password: "pw"},
		{url: "redis://a:1,redis://x:y@b:2/0", to: "a:1, b:2", cluster: true},
	} {
		got, err := parseURL(tt.url)
		if err != nil {
			t.Errorf("%s: %v", tt.url, err)
			continue
		}
		if got.String() != tt.to || (got.cluster != nil) != tt.cluster || (got.TLSConfig != nil) != tt.tls || got.Password != tt.password {
			t.Errorf("%s: %s, cluster %t, TLS %t, password %q", tt.url, got, got.cluster != nil, got.TLSConfig != nil, got.Password)
		}
	}
	for _, url := range []string{"http://:secret@h", "redis://:secret@h:1/x", "redis://:secret@h%zz", "redis://:secret@a,b/3", "secret", "redis://:secret@h?nonsense=1"} {
		if _, err := parseURL(url); err == nil || strings.Contains(err.Error(), "secret@") {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestOpenURL(t *testing.T) {
	t.Parallel()
	socket := redistest.Start(t).Addr
	nodes := redistest.StartCluster(t)
	for _, tt := range []struct{ url, want string }{
		{"unix://" + socket, "at " + socket},
		{"redis://" + nodes[1], "Redis Cluster"}, // recognised
		{"redis://" + strings.Join(nodes, ","), "of 3 masters"},
		{"redis://" + nodes[0] + "?cluster=true", "of 3 masters"},
	} {
		db, err := Open(t.Context(), Config{URL: tt.url})
		if err != nil {
			t.Fatalf("%s: %v", tt.url, err)
		}
		if !strings.Contains(db.Description, tt.want) || len(db.Warnings) > 0 {
			t.Errorf("%s: %s, %q", tt.url, db.Description, db.Warnings)
		}
		if err := db.Health(t.Context()); err != nil {
			t.Error(err)
		}
		for p := range 64 {
			if err := db.Commit(t.Context(), p, []projections.Change{{Generation: spend, To: at(1)}}); err != nil {
				t.Fatalf("%s: %v", tt.url, err)
			}
		}
		if err := db.Drop(t.Context(), spend, 64); err != nil {
			t.Fatal(err)
		}
		closed(t, db)
	}
}

func TestOpenRefusals(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	unix := func(args ...string) string { return "unix://" + redistest.Start(t, args...).Addr }
	for _, tt := range []struct{ name, url, want string }{
		{"nobody there", "redis://" + nobody, "is it running"},
		{"evicting", unix("--maxmemory-policy", "allkeys-lru", "--maxmemory", "100mb"), "noeviction"},
	} {
		_, err := Open(t.Context(), Config{URL: tt.url})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
		t.Log(err)
	}

	// A server that evicts nothing yet, and one that keeps its settings to itself.
	for _, tt := range []struct{ name, url, want string }{
		{"might evict", unix("--maxmemory-policy", "allkeys-lru"), "allkeys-lru"},
		{"silent", unix("--rename-command", "CONFIG", ""), "make sure that maxmemory-policy is noeviction"},
	} {
		db, err := Open(t.Context(), Config{URL: tt.url})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if len(db.Warnings) != 1 || !strings.Contains(db.Warnings[0], tt.want) {
			t.Errorf("%s: warnings %q", tt.name, db.Warnings)
		}
		closed(t, db)
	}
}

func TestOpenPassword(t *testing.T) {
	o := redistest.Start(t)
	c := redis.NewClient(o)
	defer c.Close()
	if err := c.ConfigSet(t.Context(), "requirepass", "pw").Err(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), Config{URL: "unix://:wrong@" + o.Addr})
	if err == nil || !strings.Contains(err.Error(), "password") || strings.Contains(err.Error(), "wrong@") {
		t.Errorf("Open: %v", err)
	}
	db, err := Open(t.Context(), Config{URL: "unix://:pw@" + o.Addr})
	if err != nil {
		t.Fatal(err)
	}
	closed(t, db)
}

func TestOpenInProcess(t *testing.T) {
	db, err := Open(t.Context(), Config{Dir: t.TempDir(), InProcess: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Health(t.Context()); err != nil {
		t.Error(err)
	}
	closed(t, db)
}
