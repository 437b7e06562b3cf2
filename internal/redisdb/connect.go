package redisdb

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// Config says which Redis to use: the one at URL, or else a redis-server of our
// own with its data in Dir, if that program is installed, or else one within
// this process.
type Config struct {
	// URL is redis://, rediss:// (TLS) or unix://. Several addresses, separated
	// by commas, or ?cluster=true mean Redis Cluster; a server that is a node of
	// one is recognised too.
	URL string
	// Dir is the folder of a redis-server of our own. Empty: none is started.
	Dir string
	// Program is the redis-server to start. Empty: the one on the path.
	Program string
	// InProcess means the Redis within this process, whatever is installed.
	InProcess bool
	// Lanes and Readers are how many partitions and queries may wait for Redis at
	// the same time. 64 each if zero.
	Lanes, Readers int
	// Log hears of a redis-server of ours that died. Nil: nobody does.
	Log *slog.Logger
}

// DB is a store with the connections, and maybe the server, that belong to it.
type DB struct {
	*Store
	// Description says which Redis this is, for people, without secrets.
	Description string
	// Warnings are for people too: what could not be checked or is not as it
	// should be.
	Warnings []string
	// Child is the redis-server of our own, if there is one.
	Child *Child

	clients []redis.UniversalClient
	server  io.Closer // nil: not ours
}

// InProcess says whether the Redis is one within this process, without any file.
func (db *DB) InProcess() bool {
	_, mini := db.server.(*Mini)
	return mini
}

// go-redis writes to standard error what it returns as errors too. Its logger is
// one for the process, and must be set before the first client is made.
func init() { redis.SetLogger(silence{}) }

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// Open connects to Redis, starting one if none is configured, and checks that it
// can serve. Close the DB.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Lanes == 0 {
		cfg.Lanes = 64
	}
	if cfg.Readers == 0 {
		cfg.Readers = 64
	}
	if cfg.URL != "" {
		return openURL(ctx, cfg)
	}
	program := cfg.Program
	if program == "" {
		program, _ = exec.LookPath("redis-server")
	}
	if program == "" || cfg.Dir == "" || cfg.InProcess {
		mini := StartMini()
		db := cfg.open(target{Options: &redis.Options{Dialer: mini.Dial, Addr: "in process"}}, mini)
		db.Description = "miniredis in this process: the read models are made again from the log at every start, and large indexes are slow"
		if program == "" {
			db.Description += " (install redis-server to keep them: apt install redis-server)"
		}
		return db, nil
	}
	child, err := StartChild(ctx, cfg.Dir, program, cfg.Log)
	if err != nil {
		return nil, err
	}
	db := cfg.open(target{Options: &redis.Options{Dialer: child.Dial, Addr: "redis-server in " + cfg.Dir}}, child)
	db.Child = child
	report, err := db.check(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	db.Description = fmt.Sprintf("redis-server %s of our own (process %d) with its data in %s", report.version, child.PID(), cfg.Dir)
	return db, nil
}

func openURL(ctx context.Context, cfg Config) (*DB, error) {
	to, err := parseURL(cfg.URL)
	if err != nil {
		return nil, err
	}
	for {
		db := cfg.open(to, nil)
		report, err := db.check(ctx)
		if err != nil {
			return nil, fmt.Errorf("Redis at %s: %w", to, errors.Join(explain(err, to), db.Close()))
		}
		if !report.cluster || to.cluster != nil {
			db.Description = report.describe(to)
			return db, nil
		}
		// A node of a cluster was named like a single server.
		if err := db.Close(); err != nil {
			return nil, err
		}
		to = to.asCluster()
	}
}

// open makes the clients. The one that writes sends nothing twice.
func (cfg Config) open(to target, server io.Closer) *DB {
	read := to.client(func(o *redis.Options) {
		o.PoolSize = cmp.Or(o.PoolSize, cfg.Lanes+cfg.Readers)
		o.ReadTimeout, o.WriteTimeout = cmp.Or(o.ReadTimeout, 10*time.Second), cmp.Or(o.WriteTimeout, 10*time.Second)
		o.ContextTimeoutEnabled = true
	})
	write := to.client(func(o *redis.Options) {
		o.PoolSize = senders + 2
		o.ReadTimeout, o.WriteTimeout = cmp.Or(o.ReadTimeout, 30*time.Second), cmp.Or(o.WriteTimeout, 30*time.Second)
		o.MaxRetries = -1
	})
	return &DB{Store: New(read, write), clients: []redis.UniversalClient{read, write}, server: server}
}

// Close waits for what is under way, closes the connections, and stops the
// server if it is ours and nobody else's.
func (db *DB) Close() error {
	db.Store.Close()
	var errs []error
	for _, c := range db.clients {
		errs = append(errs, c.Close())
	}
	if db.server != nil {
		errs = append(errs, db.server.Close())
	}
	return errors.Join(errs...)
}

// Health says whether Redis answers, every node of it.
func (s *Store) Health(ctx context.Context) error {
	err := s.masters(ctx, func(ctx context.Context, c *redis.Client) error { return c.Ping(ctx).Err() })
	if err != nil {
		return fmt.Errorf("redis does not answer: %w", err)
	}
	return nil
}

// RewriteAOF asks every node to write its append-only file anew, without what
// was deleted, and returns when that has begun. Rewritten says when it is done.
func (s *Store) RewriteAOF(ctx context.Context) error {
	return s.masters(ctx, func(ctx context.Context, c *redis.Client) error {
		err := c.BgRewriteAOF(ctx).Err()
		if err != nil && !strings.Contains(err.Error(), "already in progress") {
			return fmt.Errorf("rewrite the append-only file: %w", err)
		}
		return nil
	})
}

// Rewritten says whether no rewriting of an append-only file is going on or due.
func (s *Store) Rewritten(ctx context.Context) (bool, error) {
	var mu sync.Mutex
	done := true
	err := s.masters(ctx, func(ctx context.Context, c *redis.Client) error {
		info, err := c.Info(ctx, "persistence").Result()
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		done = done && infoField(info, "aof_rewrite_in_progress") == "0" && infoField(info, "aof_rewrite_scheduled") == "0"
		return nil
	})
	return done, err
}

// masters calls fn for every node that holds data, at the same time.
func (s *Store) masters(ctx context.Context, fn func(context.Context, *redis.Client) error) error {
	switch c := s.read.(type) {
	case *redis.ClusterClient:
		return c.ForEachMaster(ctx, fn)
	case *redis.Client:
		return fn(ctx, c)
	default:
		return fmt.Errorf("redisdb: a client of type %T", c)
	}
}

// target is where to connect.
type target struct {
	*redis.Options
	cluster []string // addresses of nodes; nil: a single server
}

// String names the addresses, and no secrets.
func (t target) String() string {
	if t.cluster != nil {
		return strings.Join(t.cluster, ", ")
	}
	return t.Addr
}

func (t target) asCluster() target {
	t.cluster = []string{t.Addr}
	return t
}

// client makes a client with options changed by set.
func (t target) client(set func(*redis.Options)) redis.UniversalClient {
	o := *t.Options
	set(&o)
	o.Protocol, o.DisableIdentity = 2, true // nothing of Redis 7.2
	if t.cluster == nil {
		return redis.NewClient(&o)
	}
	return redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: t.cluster, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
		Protocol: o.Protocol, DisableIdentity: o.DisableIdentity,
		PoolSize: o.PoolSize, ReadTimeout: o.ReadTimeout, WriteTimeout: o.WriteTimeout, DialTimeout: o.DialTimeout,
		MaxRetries: o.MaxRetries, ContextTimeoutEnabled: o.ContextTimeoutEnabled,
	})
}

// parseURL reads REDIS_URL. Its errors do not repeat it: it may hold a password.
func parseURL(raw string) (target, error) {
	first, more, _ := strings.Cut(raw, ",")
	// What follows the last address belongs to all: redis://a,b,c/0?x=y
	if at := strings.IndexAny(more, "/?"); at >= 0 && !strings.Contains(more, "://") {
		first, more = first+more[at:], more[:at]
	}
	u, err := url.Parse(first)
	if err != nil {
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err
		}
		return target{}, fmt.Errorf("REDIS_URL cannot be read: %w", err)
	}
	query := u.Query()
	cluster := query.Get("cluster") == "true" || more != ""
	query.Del("cluster")
	u.RawQuery = query.Encode()
	o, err := redis.ParseURL(u.String())
	if err != nil {
		return target{}, fmt.Errorf("REDIS_URL cannot be used (it begins with redis://, rediss:// or unix://): %w", err)
	}
	t := target{Options: o}
	if !cluster {
		return t, nil
	}
	if o.DB != 0 {
		return target{}, errors.New("REDIS_URL names a database, but Redis Cluster has only database 0")
	}
	t.cluster = []string{o.Addr}
	for addr := range strings.SplitSeq(more, ",") {
		if addr == "" {
			continue
		}
		if _, rest, ok := strings.Cut(addr, "://"); ok {
			addr = rest
		}
		if at := strings.LastIndexByte(addr, '@'); at >= 0 {
			addr = addr[at+1:]
		}
		if at := strings.IndexAny(addr, "/?"); at >= 0 {
			addr = addr[:at]
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			addr = net.JoinHostPort(addr, "6379")
		}
		t.cluster = append(t.cluster, addr)
	}
	return t, nil
}

// explain adds what to do about an error of connecting.
func explain(err error, to target) error {
	text := err.Error()
	var unknown *tls.CertificateVerificationError
	switch {
	case strings.Contains(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"), strings.Contains(text, "invalid username-password"):
		return fmt.Errorf("it wants another name or password; give them in REDIS_URL as redis://name:password@host:port: %w", err)
	case errors.As(err, &unknown):
		return fmt.Errorf("its certificate is not trusted: %w", err)
	case errors.Is(err, io.EOF) && to.TLSConfig == nil:
		return fmt.Errorf("it hung up; if it speaks TLS, REDIS_URL begins with rediss://: %w", err)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return fmt.Errorf("cannot connect; is it running, and is REDIS_URL right? %w", err)
	}
	return err
}
