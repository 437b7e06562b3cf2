//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package redisdb

import (
	"context"
	"errors"
	"log/slog"
	"net"
)

// Child is a redis-server of our own; this system has none.
type Child struct{}

// StartChild fails on this system.
func StartChild(context.Context, string, string, *slog.Logger) (*Child, error) {
	return nil, errors.New("redis-server: not on this system")
}

// Dial fails.
func (*Child) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

// PID returns 0.
func (*Child) PID() int { return 0 }

// Close does nothing.
func (*Child) Close() error { return nil }
