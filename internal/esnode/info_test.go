package esnode_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	api "github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/rapport-crm/rapport/internal/esnode"
)

func TestVersionIsThreeNumbers(t *testing.T) {
	s := connect(t)
	v, err := s.GetServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if v.Major < 20 {
		t.Errorf("version %+v", v)
	}
}

func TestBatchAppendIsNotAdvertised(t *testing.T) {
	s := embedded(t)
	m, err := serverfeatures.NewServerFeaturesClient(s.conn()).GetSupportedMethods(t.Context(), &shared.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, method := range m.Methods {
		found[method.ServiceName+"/"+method.MethodName] = true
	}
	if found["event_store.client.streams.streams/batchappend"] || !found["event_store.client.streams.streams/append"] {
		t.Errorf("methods %v", m.Methods)
	}
	stream, err := s.raw().BatchAppend(t.Context())
	if err == nil {
		_, err = stream.Recv()
	}
	wantStatus(t, err, codes.Unimplemented)
}

func TestPersistentSubscriptionsAreCleanlyRefused(t *testing.T) {
	s := embedded(t)
	wantCode(t, s.CreatePersistentSubscription(t.Context(), "a", "g", esdb.PersistentStreamSubscriptionOptions{}), esdb.ErrorCodeUnsupportedFeature)
	wantCode(t, s.CreatePersistentSubscriptionToAll(t.Context(), "g", esdb.PersistentAllSubscriptionOptions{}), esdb.ErrorCodeUnsupportedFeature)
	_, err := s.ListAllPersistentSubscriptions(t.Context(), esdb.ListPersistentSubscriptionsOptions{})
	wantCode(t, err, esdb.ErrorCodeUnsupportedFeature)
}

func TestProjectionsAreCleanlyRefused(t *testing.T) {
	s := embedded(t)
	p := esdb.NewProjectionClientFromExistingClient(s.Client)
	wantStatus(t, p.Create(t.Context(), "p", "fromAll()", esdb.CreateProjectionOptions{}), codes.Unimplemented)
}

func TestHealth(t *testing.T) {
	s := embedded(t)
	r, err := grpc_health_v1.NewHealthClient(s.conn()).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || r.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health %v, %v", r, err)
	}
}

// serveTCP runs a node on a port of its own and on a unix socket at once.
func serveTCP(t *testing.T) (tcp, unix string) {
	t.Helper()
	node, err := esnode.Open(esnode.Options{Dir: t.TempDir(), CompactAfter: -1})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "esn")
	if err != nil {
		t.Fatal(err)
	}
	a, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b, err := net.Listen("unix", filepath.Join(dir, "n.sock"))
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 2)
	go func() { served <- node.Serve(a) }()
	go func() { served <- node.Serve(b) }()
	t.Cleanup(func() {
		if err := errors.Join(node.Close(), <-served, <-served, os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return a.Addr().String(), b.Addr().String()
}

func client(t *testing.T, url string) *esdb.Client {
	t.Helper()
	config, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = func(esdb.LogLevel, string, ...any) {}
	c, err := esdb.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestOneNodeOnTCPAndUnixSocketAndByGossip(t *testing.T) {
	if os.Getenv(serverVariable) != "" {
		t.Skip("about the embedded node only")
	}
	t.Parallel()
	tcp, unix := serveTCP(t)
	urls := []string{"esdb://" + tcp + "?tls=false", "esdb://" + tcp + "," + tcp + "?tls=false", "esdb+discover://" + tcp + "?tls=false"}
	for i, url := range urls {
		s := &store{Client: client(t, url), t: t}
		if r := s.append("a", esdb.Any{}, event("1")); r.NextExpectedVersion != uint64(i) {
			t.Errorf("%s: %+v", url, r)
		}
	}
	s := &store{t: t, address: "unix://" + unix}
	got, err := s.rawRead(readRequest("a"))
	if err != nil || len(got) != len(urls) {
		t.Errorf("through the socket: %d events, %v", len(got), err)
	}
	s.address = tcp
	info, err := gossip.NewGossipClient(s.conn()).Read(t.Context(), &shared.Empty{})
	if err != nil || len(info.Members) != 1 || info.Members[0].State != gossip.MemberInfo_Leader || !info.Members[0].IsAlive {
		t.Errorf("gossip %v, %v", info, err)
	}
}

func TestCloseEndsSubscriptionsAndKeepsEverything(t *testing.T) {
	if os.Getenv(serverVariable) != "" {
		t.Skip("about the embedded node only")
	}
	t.Parallel()
	dir := t.TempDir()
	node, err := esnode.Open(esnode.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- node.Serve(l) }()
	s := &store{Client: client(t, "esdb://"+l.Addr().String()+"?tls=false"), t: t, address: l.Addr().String()}
	first := events(3)
	s.append("a", esdb.Any{}, first...)
	req := readRequest("a")
	req.Options.CountOption = &api.ReadReq_Options_Subscription{Subscription: &api.ReadReq_Options_SubscriptionOptions{}}
	sub, err := s.raw().Read(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 { // confirmation, three events, caught up
		if _, err := sub.Recv(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := esnode.Open(esnode.Options{Dir: dir}); !errors.Is(err, esnode.ErrLocked) {
		t.Errorf("a second node opened: %v", err)
	}
	if err := errors.Join(node.Close(), <-served, node.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := sub.Recv(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the subscription ended with %v", err)
	} else {
		wantStatus(t, err, codes.Unavailable)
	}
	again, err := esnode.Open(esnode.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	l, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = again.Serve(l) }()
	s = &store{Client: client(t, "esdb://"+l.Addr().String()+"?tls=false"), t: t}
	s.wantRevisions("a", 0, 1, 2)
	// What was written before is still known by id.
	if r := s.append("a", esdb.Any{}, first...); r.NextExpectedVersion != 2 {
		t.Errorf("repeated after a restart: %+v", r)
	}
}
