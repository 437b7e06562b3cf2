// Package esnodetest runs an EventStoreDB node for tests.
package esnodetest

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/rapport-crm/rapport/internal/esnode"
)

// Start runs a node in a folder of its own, on a unix socket, until the test
// ends. It returns the address for esdb.Configuration.Address and a client,
// which it closes.
func Start(tb testing.TB) (address string, client *esdb.Client) {
	tb.Helper()
	node, err := esnode.Open(esnode.Options{Dir: tb.TempDir(), CompactAfter: -1})
	if err != nil {
		tb.Fatalf("open a node: %v", err)
	}
	return Serve(tb, node)
}

// Serve serves a node, and closes it when the test ends.
func Serve(tb testing.TB, node *esnode.Node) (address string, client *esdb.Client) {
	tb.Helper()
	// The folders of tests have long names; a socket's may have about 100 bytes.
	dir, err := os.MkdirTemp("", "esn")
	if err != nil {
		tb.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "n.sock"))
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- node.Serve(listener) }()
	tb.Cleanup(func() {
		if err := node.Close(); err != nil {
			tb.Errorf("close the node: %v", err)
		}
		if err := <-done; err != nil {
			tb.Errorf("serve the node: %v", err)
		}
		_ = os.RemoveAll(dir)
	})
	address = "unix://" + listener.Addr().String()
	client = Client(tb, address)
	return address, client
}

// Client connects to a node and disconnects when the test ends.
func Client(tb testing.TB, address string) *esdb.Client {
	tb.Helper()
	config, err := esdb.ParseConnectionString("esdb://localhost:2113?tls=false")
	if err != nil {
		tb.Fatal(err)
	}
	config.Address = address
	config.Logger = func(esdb.LogLevel, string, ...any) {}
	client, err := esdb.NewClient(config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = client.Close() })
	return client
}
