//go:build !race

package esdb

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
)

// withhold lets a read go on until the test says so, and then breaks it off.
type withhold struct {
	streams.UnimplementedStreamsServer
	arrived chan struct{}
}

func (w *withhold) Read(_ *streams.ReadReq, s streams.Streams_ReadServer) error {
	close(w.arrived)
	<-s.Context().Done()
	return nil
}

// A client whose search for a node failed holds for ever a read that was running: the read's own
// goroutine waits for someone to take its message. The session ends it by
// closing the client, and the panic that is in there stays in there. The race
// detector sees the library close a channel that is being sent on, so it is left out.
func TestTrapReadOfADeadClientBlocksForEver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "n")
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	w := &withhold{arrived: make(chan struct{})}
	server := grpc.NewServer()
	streams.RegisterStreamsServer(server, w)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()

	conf, err := Config{Address: "unix://" + path}.client(nil)
	if err != nil {
		t.Fatal(err)
	}
	conf.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(conf)
	if err != nil {
		t.Fatal(err)
	}
	s := newSession(client, time.Millisecond)
	stuck := make(chan error, 1)
	s.enter()
	go func() {
		// Not by call: its context would end the read before it can block.
		defer s.leave()
		_, err := guard(func() (struct{}, error) {
			all, err := client.ReadAll(context.Background(), esdb.ReadAllOptions{}, 1)
			if err == nil {
				<-dead(t, client, w, server)
				_, err = all.Recv()
			}
			return struct{}{}, err
		})
		stuck <- err
	}()
	select {
	case err := <-stuck:
		t.Fatalf("the read does not block any more (%v): the library was mended", err)
	case <-time.After(300 * time.Millisecond):
	}
	s.retire(errors.New("test"))
	select {
	case err := <-stuck:
		var p *panicked
		if !errors.As(err, &p) {
			t.Errorf("%v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the read is held for ever")
	}
	<-s.over
}

// dead kills the server under a read, and the client by a search that fails.
func dead(t *testing.T, client *esdb.Client, w *withhold, server *grpc.Server) <-chan struct{} {
	done := make(chan struct{})
	<-w.arrived
	server.Stop()
	// The first call that fails starts the search, the second finds the client dead.
	for range 2 {
		if _, err := client.TombstoneStream(context.Background(), "s", esdb.TombstoneStreamOptions{}); err == nil {
			t.Error("a call to a dead server succeeded")
		}
	}
	close(done)
	return done
}
