package redisdb

import (
	"context"
	"net"

	"github.com/alicebob/miniredis/v2"
)

// Mini is a Redis within this process: no port, no file, and nothing of it is
// left after Close. It sorts a whole index at every read, so it serves demos,
// small shops and tests.
type Mini struct{ server *miniredis.Miniredis }

// StartMini starts one.
func StartMini() *Mini { return &Mini{miniredis.NewMiniRedis()} }

// Dial connects to it; the address is ignored.
func (m *Mini) Dial(context.Context, string, string) (net.Conn, error) {
	c, err := m.server.Dial()
	if err != nil {
		return nil, err
	}
	return buffered(c), nil
}

// Close ends it.
func (m *Mini) Close() error {
	m.server.Close()
	return nil
}
