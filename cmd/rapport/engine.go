package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/rapport-crm/rapport/commands"
	"github.com/rapport-crm/rapport/domain/deployment"
	"github.com/rapport-crm/rapport/eventschema"
	"github.com/rapport-crm/rapport/internal/esdb"
	"github.com/rapport-crm/rapport/internal/esnode"
	"github.com/rapport-crm/rapport/internal/jobs"
	"github.com/rapport-crm/rapport/internal/redisdb"
	"github.com/rapport-crm/rapport/internal/web"
	"github.com/rapport-crm/rapport/projections"
	"github.com/rapport-crm/rapport/projections/duplicates"
	"github.com/rapport-crm/rapport/projections/lifecycle"
	"github.com/rapport-crm/rapport/projections/loyalty"
	"github.com/rapport-crm/rapport/projections/owners"
	"github.com/rapport-crm/rapport/projections/profile"
	"github.com/rapport-crm/rapport/projections/rfm"
	"github.com/rapport-crm/rapport/projections/segments"
	"github.com/rapport-crm/rapport/readapi"
	"golang.org/x/sync/errgroup"
)

// Folders and files below --data.
const (
	logFolder   = "log"
	redisFolder = "redis"
	keyFile     = "keys.json"
)

// engine is everything one process runs, wired together.
type engine struct {
	roles       []string
	node        *esnode.Node // nil with a store of somebody else
	socket      net.Listener // of the node
	store       *esdb.Store
	redis       *redisdb.DB
	writer      *commands.Writer
	manager     *projections.Manager
	calibrators []*jobs.Calibrator
	clusterer   *jobs.Clusterer
	closer      *jobs.DayCloser
	handovers   *jobs.Handovers
	transfers   *jobs.Transfers
	keepers     []*jobs.Keeper
	eraser      *jobs.Eraser
	handler     http.Handler
	deployment  deployment.Created
	founded     uint64 // a position at which the deployment is in the log
	log         *slog.Logger
	about       []string // what a person at the start wants to know
	closers     []func() error
}

// open connects or starts every part, without running anything yet.
func (c *serveCmd) open(ctx context.Context, log *slog.Logger) (e *engine, err error) {
	e = &engine{roles: c.Roles, log: log}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
			e = nil
		}
	}()
	keys, err := c.keys(e)
	if err != nil {
		return e, err
	}
	if err := c.openLog(e); err != nil {
		return e, err
	}
	e.writer = &commands.Writer{Log: e.store, Keys: keys, World: &commands.World{}, CacheBytes: 32 << 20}
	want := commands.Deployment{Partitions: c.Partitions, Zone: c.Zone, Calendar: c.Calendar, Currency: c.Currency}
	if e.deployment, e.founded, err = e.writer.EnsureDeployment(ctx, want); err != nil {
		return e, err
	}
	e.redis, err = redisdb.Open(ctx, redisdb.Config{
		URL: c.Redis, Dir: filepath.Join(c.Data, redisFolder), InProcess: c.InProcess, Lanes: e.deployment.Partitions, Log: log,
	})
	if err != nil {
		return e, err
	}
	e.closers = append(e.closers, e.redis.Close)
	e.about = append(e.about, "read models: "+e.redis.Description)
	for _, w := range e.redis.Warnings {
		e.about = append(e.about, "  careful: "+w)
	}
	e.about = append(e.about, fmt.Sprintf("deployment %s: %d partitions, %s calendar, business zone %s",
		e.deployment.LogID, e.deployment.Partitions, e.deployment.Calendar, e.deployment.Zone))
	e.wire()
	return e, nil
}

// keys loads the keyring; with the embedded store it makes one where there is none.
func (c *serveCmd) keys(e *engine) (*eventschema.Keyring, error) {
	path := c.KeyFile
	if path == "" {
		path = filepath.Join(c.Data, keyFile)
	}
	keys, err := eventschema.LoadKeyring(path, c.Keys)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if c.Eventstore != "" {
		return nil, fmt.Errorf("no keys: with an event store of your own give the deployment's keys with --key-file or RAPPORT_KEYS; `rapport serve` without --eventstore makes a first %s", keyFile)
	}
	if c.KeyFile != "" {
		return nil, fmt.Errorf("--key-file: %w", err)
	}
	if _, err := os.Stat(filepath.Join(c.Data, logFolder)); err == nil {
		return nil, fmt.Errorf("%s is gone, but its log is there: put the key file back, because without it no personal data can be read again", path)
	}
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, err
	}
	if keys, err = eventschema.CreateKeyringFile(path); err != nil {
		return nil, err
	}
	e.about = append(e.about, "keys: made "+path+" (mode 0600); back it up apart from the data: without it no personal data can be read again")
	return keys, nil
}

// openLog connects to the event store, or starts the embedded node and connects to that.
func (c *serveCmd) openLog(e *engine) (err error) {
	conf := esdb.Config{URL: c.Eventstore, Logger: e.log}
	if c.Eventstore == "" {
		dir := filepath.Join(c.Data, logFolder)
		if e.node, err = esnode.Open(esnode.Options{Dir: dir, Logger: e.log, MemTableSize: 16 << 20, CacheSize: 32 << 20}); err != nil {
			return err
		}
		e.closers = append(e.closers, e.node.Close)
		// The socket lies where its path is short: the system limits it.
		sockets, err := os.MkdirTemp("", "rapport")
		if err != nil {
			return err
		}
		e.closers = append(e.closers, func() error { return os.RemoveAll(sockets) })
		if e.socket, err = net.Listen("unix", filepath.Join(sockets, "node")); err != nil {
			return err
		}
		conf.Address = "unix://" + e.socket.Addr().String()
		go func() {
			if err := e.node.Serve(e.socket); err != nil {
				e.log.Error("the embedded node stopped", "error", err)
			}
		}()
		e.about = append(e.about, "log: embedded node, data in "+dir)
	} else {
		e.about = append(e.about, "log: the event store of EVENTSTORE_URL")
	}
	if e.store, err = esdb.Open(conf); err != nil {
		return err
	}
	e.closers = append(e.closers, e.store.Close)
	return nil
}

// readModels is every view there is. evaluated is told of each customer whose
// segments were decided, and why.
func readModels(evaluated func(cause string)) []projections.Projection {
	return []projections.Projection{
		projections.NewKeys(), profile.New(), rfm.New(), duplicates.New(), lifecycle.New(), owners.New(), loyalty.New(), segments.New(evaluated),
	}
}

// wire puts the parts together.
func (e *engine) wire() {
	metrics := newMetrics()
	views := readModels(metrics.evaluated)
	source := keySource{e.store}
	e.manager = &projections.Manager{
		Store: e.redis, Source: e.store, Streams: e.store, LogID: e.deployment.LogID, Partitions: e.deployment.Partitions,
		Views: views, Rules: projections.Rules{Schema: eventschema.Events, Keys: e.writer.Keys, KeySource: source, CacheBytes: 512 << 10, DirtyBytes: 1 << 20},
		Metrics: metrics.projections, Logger: e.log,
	}
	metrics.registry.MustRegister(e.manager)
	for _, kind := range []jobs.Calibration{jobs.Scores, jobs.Worth} {
		e.calibrators = append(e.calibrators, &jobs.Calibrator{Of: kind, ReadModels: e.redis, Log: e.store, Writer: e.writer, Logger: e.log})
	}
	e.clusterer = &jobs.Clusterer{ReadModels: e.redis, Log: e.store, Writer: e.writer, Logger: e.log}
	e.closer = &jobs.DayCloser{Writer: e.writer, Logger: e.log}
	e.handovers = &jobs.Handovers{Writer: e.writer, Logger: e.log}
	e.transfers = &jobs.Transfers{Writer: e.writer, Logger: e.log}

	master, lookup := e.writer.Keys.Fingerprints()
	queries := &readapi.API{
		Documents: e.redis.Readers(), Log: e.store, Head: e.store.Head, Keys: e.writer.Keys, KeySource: source, Lookup: e.writer.Keys.Lookup,
		Secret:  sha256.Sum256([]byte("rapport cursors " + e.deployment.LogID + master + lookup)),
		Metrics: promhttp.HandlerFor(metrics.registry, promhttp.HandlerOpts{}),
	}
	e.keepers = e.newKeepers(queries.Documents)
	if e.has("jobs") {
		queries.Jobs = e.keepersAre
	}
	e.eraser = e.newEraser(views, e.redis.Readers()) // its own: what it looks up before there is anything must not be remembered for queries
	if e.has("projections") {
		queries.Projections = e.manager
	}
	var routes []web.Route
	if e.has("queries") {
		routes = append(routes, queries.Routes()...)
	} else {
		routes = append(routes, queries.HealthRoutes()...)
	}
	if e.has("commands") {
		routes = append(routes, (&commands.API{Writer: e.writer, Log: e.log, Executed: metrics.executed, Export: queries.Export, Audience: queries.Audience, EventFields: readapi.EventFields}).Routes()...)
	}
	router := web.Router(routes, web.Config{Title: "Rapport", Version: version(), Log: e.log, Wrap: metrics.wrap})
	// Only loopback reaches it: what the process does with its time and memory.
	router.HandleFunc("/debug/pprof/profile", pprof.Profile)
	router.HandleFunc("/debug/pprof/trace", pprof.Trace)
	router.PathPrefix("/debug/pprof/").HandlerFunc(pprof.Index)
	e.handler = router
}

func (e *engine) has(role string) bool { return slices.Contains(e.roles, role) }

// start runs what works behind the requests, until ctx ends.
func (e *engine) start(g *errgroup.Group, ctx context.Context) {
	g.Go(func() error { return e.followWorld(ctx) })
	if e.has("projections") {
		g.Go(func() error { return e.manager.Run(ctx) })
	}
	if e.has("jobs") {
		g.Go(func() error {
			if err := e.writer.World.WaitFor(ctx, e.founded); err != nil {
				return err
			}
			jobs, ctx := errgroup.WithContext(ctx)
			for _, c := range e.calibrators {
				jobs.Go(func() error { return c.Run(ctx) })
			}
			jobs.Go(func() error { return e.clusterer.Run(ctx) })
			jobs.Go(func() error { return e.closer.Run(ctx) })
			jobs.Go(func() error { return e.handovers.Run(ctx) })
			jobs.Go(func() error { return e.transfers.Run(ctx) })
			for _, k := range e.keepers {
				jobs.Go(func() error { return k.Run(ctx) })
			}
			jobs.Go(func() error { return e.eraser.Run(ctx) })
			return jobs.Wait()
		})
	}
}

// followWorld keeps what the write side knows up to date.
func (e *engine) followWorld(ctx context.Context) error {
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		err := e.writer.World.Follow(ctx, e.store, eventschema.Events)
		if ctx.Err() != nil {
			return nil
		}
		e.log.Error("the write side does not follow the log", "error", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// firstLight waits until commands are decided in the world as it is.
func (e *engine) firstLight(ctx context.Context) error {
	return e.writer.World.WaitFor(ctx, e.founded)
}

// close closes the parts, the last first.
func (e *engine) close() error {
	var errs []error
	for _, f := range slices.Backward(e.closers) {
		errs = append(errs, f())
	}
	e.closers = nil
	return errors.Join(errs...)
}

// version is the version of the module, or the revision it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return info.Main.Version
}

type metrics struct {
	registry    *prometheus.Registry
	projections *projections.Metrics
	requests    *prometheus.HistogramVec
	commands    *prometheus.HistogramVec
	evaluations *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rapport_http_seconds", Help: "How long requests took, by route and status.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"method", "path", "status"}),
		commands: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "rapport_command_seconds", Help: "How long commands took, by command and outcome.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"command", "outcome"}),
	}
	m.evaluations = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "rapport_segment_evaluations_total", Help: "Customers whose segments were decided, by what made it necessary; a rebuild counts too.",
	}, []string{"cause"})
	for _, cause := range segments.Causes {
		m.evaluations.WithLabelValues(cause)
	}
	m.registry.MustRegister(m.requests, m.commands, m.evaluations, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.projections = projections.NewMetrics(m.registry)
	return m
}
