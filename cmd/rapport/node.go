package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"

	"github.com/rapport-crm/rapport/internal/esnode"
	"golang.org/x/sync/errgroup"
)

type nodeCmd struct {
	Data     string     `help:"Folder of the log." default:"data" type:"path"`
	Listen   string     `help:"Address to serve on, without TLS; port 0 lets the system choose." default:"127.0.0.1:2113"`
	LogLevel slog.Level `help:"debug, info, warn or error." default:"info"`
}

func (c *nodeCmd) Run(ctx context.Context, s streams) error {
	if err := loopbackOnly(c.Listen); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", c.Listen, err)
	}
	log := slog.New(slog.NewTextHandler(s.err, &slog.HandlerOptions{Level: c.LogLevel}))
	node, err := esnode.Open(esnode.Options{Dir: filepath.Join(c.Data, logFolder), Logger: log})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	fmt.Fprintf(s.out, "serving esdb://%s?tls=false\n", listener.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return node.Serve(listener) })
	g.Go(func() error { <-ctx.Done(); return node.Close() })
	return g.Wait()
}
