package redisdb

import (
	"io"
	"net"
	"sync"
)

// buffered makes writes to a connection return at once. A pipe within a process
// has no room of its own: a client that writes many commands before it reads the
// first answer, and a server that answers each before it reads the next, would
// wait for each other for ever.
func buffered(c net.Conn) net.Conn {
	b := &bufferedConn{Conn: c}
	b.ready.L = &b.mu
	go b.pump()
	return b
}

type bufferedConn struct {
	net.Conn
	mu     sync.Mutex
	ready  sync.Cond
	queue  [][]byte
	closed bool
}

// Write implements net.Conn.
func (b *bufferedConn) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, io.ErrClosedPipe
	}
	b.queue = append(b.queue, append([]byte(nil), p...))
	b.ready.Signal()
	return len(p), nil
}

// Close implements net.Conn. It ends the pump.
func (b *bufferedConn) Close() error {
	b.mu.Lock()
	b.closed = true
	b.ready.Signal()
	b.mu.Unlock()
	return b.Conn.Close()
}

func (b *bufferedConn) pump() {
	for {
		b.mu.Lock()
		for len(b.queue) == 0 && !b.closed {
			b.ready.Wait()
		}
		if b.closed {
			b.mu.Unlock()
			return
		}
		queue := b.queue
		b.queue = nil
		b.mu.Unlock()
		for _, p := range queue {
			if _, err := b.Conn.Write(p); err != nil {
				_ = b.Close()
				return
			}
		}
	}
}
