// Package esnode is an EventStoreDB node in process: the gRPC services that
// EventStoreDB's clients use, on an event log on disk (package eventlog).
//
// Offered: append with all expectations, idempotency and atomic batches; reads
// of streams and of $all in both directions, with filters; subscriptions to
// both, with filters, checkpoints and the word that they have caught up; stream
// metadata ($maxCount, $maxAge, $tb); soft deletion, tombstones; links;
// ServerFeatures, Gossip (a cluster of one) and gRPC health.
//
// Not offered, and answered Unimplemented: persistent subscriptions, projections,
// operations, users, monitoring and batch append. Access control is not
// enforced: listen only where everybody may write.
//
// It differs from EventStoreDB 24.2 in this:
//   - positions are dense numbers from 1, not byte offsets;
//   - the size limit of an append counts data, metadata and type names, as
//     later versions do, not the data alone;
//   - regular expressions are Go's, without look-around and back-references;
//   - events of tombstoned streams leave the log by themselves, half a minute
//     later or at Compact; truncated ones stay.
package esnode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"

	"github.com/rapport-crm/rapport/internal/esnode/eventlog"
)

// Options say where a node keeps its log and what it is given. Only Dir is needed.
type Options struct {
	Dir    string
	FS     vfs.FS           // nil: the operating system's
	Logger *slog.Logger     // nil: nothing is logged
	Now    func() time.Time // nil: time.Now

	// CompactAfter is how long after a tombstone its stream's events are
	// removed from the disk. 0: 30 seconds; negative: only by Compact.
	CompactAfter time.Duration
	// Reserve is how much room on the disk writes leave free. 0: 128 MiB;
	// negative: all of it may be used.
	Reserve int64
	// MemTableSize and CacheSize bound the memory of the storage engine: what it
	// gathers before it writes a table (up to four of this size may exist), and
	// what it keeps of the tables it has read. 0: 32 and 64 MiB.
	MemTableSize uint64
	CacheSize    int64
}

// Node is an EventStoreDB node. It is safe for concurrent use.
type Node struct {
	log    *eventlog.Log
	server *grpc.Server
	health *health.Server
	now    func() time.Time

	down     chan struct{} // closed when Close begins
	closing  sync.Once
	closeErr error
}

// drainTime is how long Close waits for calls under way before it cuts them off.
const drainTime = 5 * time.Second

// Open opens the node in a folder, creating both if need be. ErrLocked if
// somebody else has it open. The node is reached through Serve.
func Open(o Options) (*Node, error) {
	n := &Node{now: o.Now, down: make(chan struct{}), health: health.NewServer()}
	if n.now == nil {
		n.now = time.Now
	}
	var err error
	n.log, err = eventlog.Open(eventlog.Options{Dir: o.Dir, FS: o.FS, Logger: o.Logger, Now: o.Now,
		CompactAfter: o.CompactAfter, Reserve: o.Reserve, MemTableSize: o.MemTableSize, CacheSize: o.CacheSize,
		OnFailure: func(error) {
			n.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
		},
	})
	if err != nil {
		return nil, err
	}
	n.server = grpc.NewServer(
		grpc.ForceServerCodecV2(newCodec()),
		// Clients ping every ten seconds, also when idle.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.MaxRecvMsgSize(16<<20),
		grpc.WriteBufferSize(128<<10),
		grpc.ReadBufferSize(128<<10),
		grpc.InitialWindowSize(1<<20),
		grpc.InitialConnWindowSize(4<<20),
		grpc.WaitForHandlers(true),
		// Appends are many and short: goroutines that stay have grown stacks.
		grpc.NumStreamWorkers(64),
	)
	api.RegisterStreamsServer(n.server, &streams{node: n})
	serverfeatures.RegisterServerFeaturesServer(n.server, features{})
	gossip.RegisterGossipServer(n.server, &gossiper{node: n, id: uuid.New()})
	grpc_health_v1.RegisterHealthServer(n.server, n.health)
	return n, nil
}

// Serve answers calls that come in through a listener, which it closes, until
// the node is closed; then it returns nil. It may be called for several
// listeners at once.
func (n *Node) Serve(l net.Listener) error {
	if err := n.server.Serve(l); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("serve %s: %w", l.Addr(), err)
	}
	return nil
}

// Compact removes the events of tombstoned streams from the disk and returns
// when no file holds them any more.
func (n *Node) Compact(ctx context.Context) error { return n.log.Compact(ctx) }

// Close ends subscriptions, lets other calls finish (for a few seconds) and
// closes the log. A second Close waits for the first.
func (n *Node) Close() error {
	n.closing.Do(func() {
		n.health.Shutdown()
		close(n.down)
		drained := make(chan struct{})
		go func() {
			n.server.GracefulStop()
			close(drained)
		}()
		timer := time.AfterFunc(drainTime, func() { go n.server.Stop() })
		defer timer.Stop()
		select {
		case <-drained:
		case <-time.After(2 * drainTime):
			// A call waits for a disk that is full or broken; the log
			// knows how to leave it behind.
		}
		n.closeErr = n.log.Close()
	})
	return n.closeErr
}
