package esnode

import (
	"context"
	"net"
	"strconv"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/google/uuid"
	"google.golang.org/grpc/peer"
)

// serverVersion is what the node behaves like. Clients parse it as three numbers.
const serverVersion = "24.2.0"

// features tells clients what they may call.
type features struct {
	serverfeatures.UnimplementedServerFeaturesServer
}

// GetSupportedMethods lists the methods. Those of persistent subscriptions are
// listed though they are not offered: clients that miss them there try plain
// HTTP instead of taking Unimplemented for an answer.
func (features) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	const (
		streams    = "event_store.client.streams.streams"
		persistent = "event_store.client.persistent_subscriptions.persistentsubscriptions"
	)
	out := &serverfeatures.SupportedMethods{EventStoreServerVersion: serverVersion}
	add := func(service string, features []string, methods ...string) {
		for _, m := range methods {
			out.Methods = append(out.Methods, &serverfeatures.SupportedMethod{ServiceName: service, MethodName: m, Features: features})
		}
	}
	add(streams, nil, "read", "append", "delete", "tombstone")
	add(persistent, []string{"stream", "all"}, "create", "update", "delete", "read")
	add(persistent, nil, "getinfo", "list", "replayparked", "restartsubsystem")
	add("event_store.client.gossip.gossip", nil, "read")
	add("event_store.client.server_features.serverfeatures", nil, "getsupportedmethods")
	return out, nil
}

// gossiper names the node the leader of a cluster of one.
type gossiper struct {
	gossip.UnimplementedGossipServer
	node *Node
	id   uuid.UUID
}

// Read tells who is in the cluster: this node, at the address the caller has
// reached it by.
func (g *gossiper) Read(ctx context.Context, _ *shared.Empty) (*gossip.ClusterInfo, error) {
	endpoint := &gossip.EndPoint{Address: "127.0.0.1"}
	if p, ok := peer.FromContext(ctx); ok && p.LocalAddr != nil {
		if host, port, err := net.SplitHostPort(p.LocalAddr.String()); err == nil {
			n, _ := strconv.ParseUint(port, 10, 16)
			endpoint.Address, endpoint.Port = host, uint32(n)
		}
	}
	return &gossip.ClusterInfo{Members: []*gossip.MemberInfo{{
		InstanceId:   &shared.UUID{Value: &shared.UUID_String_{String_: g.id.String()}},
		TimeStamp:    g.node.now().UnixNano() / 100,
		State:        gossip.MemberInfo_Leader,
		IsAlive:      true,
		HttpEndPoint: endpoint,
	}}}, nil
}
