// Package redistest starts Redis servers of a test's own. It never connects to
// an address from outside: that Redis may be somebody's.
package redistest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// Program returns the path of redis-server. The test fails if it is not
// installed: a store that was not tested against Redis was not tested.
func Program(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		tb.Fatal("redis-server is needed by this test: install it (Debian, Ubuntu: apt install redis-server; macOS: brew install redis)")
	}
	return path
}

// Start starts a redis-server on a private unix socket and returns how to
// connect to it. It ends with the test.
func Start(tb testing.TB, args ...string) *redis.Options {
	tb.Helper()
	dir := tempDir(tb)
	socket := filepath.Join(dir, "s")
	args = append([]string{"--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir}, args...)
	p := start(tb, args)
	opt := Options(&redis.Options{Network: "unix", Addr: socket})
	c := redis.NewClient(opt)
	defer c.Close()
	if err := p.until(func() error { return c.Ping(tb.Context()).Err() }); err != nil {
		tb.Fatal(err)
	}
	return opt
}

// Options sets what clients of tests have in common: no retries, and nothing a
// server of ours does not know.
func Options(o *redis.Options) *redis.Options {
	o.MaxRetries, o.Protocol, o.DisableIdentity = -1, 2, true
	return o
}

// StartCluster starts a Redis Cluster of three nodes on loopback ports, each
// with a third of the slots, and returns their addresses. It ends with the test.
func StartCluster(tb testing.TB) []string {
	tb.Helper()
	const nodes = 3
	for attempt := 1; ; attempt++ {
		addrs, err := startCluster(tb, nodes)
		if err == nil {
			return addrs
		}
		// Somebody took one of the ports between our look and the start.
		if attempt == 5 {
			tb.Fatal(err)
		}
		tb.Logf("again: %v", err)
	}
}

func startCluster(tb testing.TB, nodes int) ([]string, error) {
	tb.Helper()
	ctx := tb.Context()
	ports, err := freePorts(2 * nodes)
	if err != nil {
		return nil, err
	}
	var addrs []string
	var clients []*redis.Client
	for i := range nodes {
		port, bus := strconv.Itoa(ports[2*i]), strconv.Itoa(ports[2*i+1])
		dir := tempDir(tb)
		p := start(tb, []string{
			"--bind", "127.0.0.1", "--port", port, "--dir", dir, "--save", "", "--appendonly", "no",
			"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-config-file", filepath.Join(dir, "nodes.conf"),
		})
		addr := "127.0.0.1:" + port
		c := redis.NewClient(Options(&redis.Options{Addr: addr}))
		defer c.Close()
		if err := p.until(func() error { return c.Ping(ctx).Err() }); err != nil {
			return nil, err
		}
		first, last := i*16384/nodes, (i+1)*16384/nodes-1
		if err := c.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
			return nil, err
		}
		// Epochs of their own spare the nodes an election among equals.
		if err := c.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return nil, err
		}
		if i > 0 {
			if err := clients[0].Do(ctx, "cluster", "meet", "127.0.0.1", port, bus).Err(); err != nil {
				return nil, err
			}
		}
		addrs, clients = append(addrs, addr), append(clients, c)
	}
	for _, c := range clients {
		err := poll(ctx, nil, func() error {
			info, err := c.ClusterInfo(ctx).Result()
			if err == nil && !(strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", nodes))) {
				err = errors.New("the nodes have not met")
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return addrs, nil
}

// freePorts returns ports that the kernel chose. Each is free until somebody
// takes it.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// tempDir is short, because the path of a socket must be.
func tempDir(tb testing.TB) string {
	tb.Helper()
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

type process struct {
	tb   testing.TB
	gone chan struct{}
	out  *bytes.Buffer // to be read when gone
}

func start(tb testing.TB, args []string) *process {
	tb.Helper()
	p := &process{tb: tb, gone: make(chan struct{}), out: new(bytes.Buffer)}
	cmd := exec.Command(Program(tb), args...)
	cmd.Stdout, cmd.Stderr = p.out, p.out
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		_ = cmd.Wait()
		close(p.gone)
	}()
	tb.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-p.gone
	})
	return p
}

// until waits for a condition while the process lives.
func (p *process) until(ok func() error) error {
	err := poll(p.tb.Context(), p.gone, ok)
	select {
	case <-p.gone:
		return fmt.Errorf("redis-server ended: %s", p.out)
	default:
		return err
	}
}

// poll tries until ok, or half a minute has gone.
func poll(ctx context.Context, gone <-chan struct{}, ok func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-gone:
			return err
		case <-ctx.Done():
			return err
		}
	}
}
