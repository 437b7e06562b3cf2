package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

type serveCmd struct {
	Data       string   `help:"Folder of the embedded store, its keys and its Redis." default:"data" type:"path"`
	Listen     string   `help:"Address to serve on; port 0 lets the system choose." default:"127.0.0.1:8080"`
	Eventstore string   `help:"EventStoreDB to use instead of the embedded node, such as esdb://user:pass@host:2113." placeholder:"URL" env:"RAPPORT_EVENTSTORE,EVENTSTORE_URL"`
	Redis      string   `help:"Redis to use instead of one of our own, such as redis://host:6379; several addresses mean a cluster." placeholder:"URL" env:"RAPPORT_REDIS,REDIS_URL"`
	InProcess  bool     `help:"Keep the read models in this process, also where redis-server is installed." name:"in-process-redis"`
	KeyFile    string   `help:"File with the master key and the lookup key; made in --data if the store is embedded." placeholder:"FILE" type:"path"`
	Keys       string   `help:"The keys themselves, instead of a file." env:"RAPPORT_KEYS" hidden:""`
	Roles      []string `help:"What this process does: commands, queries, projections, jobs." default:"commands,queries,projections,jobs"`

	Calendar   string `help:"Who closes business days: wall (the clock) or manual (calendar close). Fixed when the deployment is created; default wall." enum:"wall,manual," default:""`
	Zone       string `help:"Business time zone. Fixed when the deployment is created; default UTC." placeholder:"TZ"`
	Partitions int    `help:"Into how many partitions the read models are cut. Fixed when the deployment is created; default 64." placeholder:"N"`
	Currency   string `help:"Currency of the first RFM policy, when the deployment is created; default USD." placeholder:"CODE"`

	LogLevel slog.Level    `help:"debug, info, warn or error." default:"info"`
	Grace    time.Duration `help:"Time that open requests get when the server stops." default:"15s"`
}

var allRoles = []string{"commands", "queries", "projections", "jobs"}

func (c *serveCmd) Run(ctx context.Context, s streams) error {
	return c.serve(ctx, s, nil)
}

// serve serves until ctx ends. started is called when requests are answered, with the
// address of the server; its error ends the server.
func (c *serveCmd) serve(ctx context.Context, s streams, started func(ctx context.Context, address string) error) (err error) {
	if len(c.Roles) == 0 {
		c.Roles = allRoles
	}
	for _, role := range c.Roles {
		if !slices.Contains(allRoles, role) {
			return usage("--roles: there is no role %q; the roles are %s", role, strings.Join(allRoles, ", "))
		}
	}
	if err := loopbackOnly(c.Listen); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	defer listener.Close()
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: c.LogLevel}))
	e, err := c.open(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	for _, line := range e.about {
		fmt.Fprintln(s.err, line)
	}

	// Two groups: what answers requests ends before what they rely on.
	behind, stopBehind := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBehind()
	background, behind := errgroup.WithContext(behind)
	e.start(background, behind)

	front, ctx := errgroup.WithContext(ctx)
	address := "http://" + listener.Addr().String()
	front.Go(func() error { return serveHTTP(ctx, listener, e.handler, c.Grace) })
	front.Go(func() error {
		select {
		case <-behind.Done(): // something died that should not
			return context.Cause(behind)
		case <-ctx.Done():
			return nil
		}
	})
	if err := e.firstLight(ctx); err == nil {
		if _, err := fmt.Fprintln(s.out, "serving", address); err != nil {
			return err
		}
		if started != nil {
			front.Go(func() error { return started(ctx, address) })
		}
	}
	err = front.Wait()
	stopBehind()
	if backErr := background.Wait(); backErr != nil && !errors.Is(backErr, context.Canceled) {
		return backErr
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// loopbackOnly refuses addresses that other machines reach: callers say who they
// are and nobody checks it yet.
func loopbackOnly(address string) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usage("--listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return usage("--listen %s: without API keys the server listens on loopback only, because callers are taken at their word; use 127.0.0.1", address)
}

// serveHTTP serves until ctx ends, then gives open requests grace to finish.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(slog.NewTextHandler(io.Discard, nil), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		err := server.Shutdown(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			err = server.Close() // they had their time
		}
		stopped <- err
	})
	if err := server.Serve(l); stop() || !errors.Is(err, http.ErrServerClosed) {
		return err // it failed before anyone asked it to stop
	}
	return <-stopped // Serve returns at once; the open requests have not
}
