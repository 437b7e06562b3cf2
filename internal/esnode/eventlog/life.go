package eventlog

import "sync"

// life counts the calls under way, so that Close can wait for them.
type life struct {
	mu    sync.Mutex
	calls int
	idle  chan struct{} // not nil: ended; closed when no call is under way
}

// enter counts a call in, unless life has ended.
func (l *life) enter() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.idle != nil {
		return false
	}
	l.calls++
	return true
}

// leave counts it out.
func (l *life) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.calls--; l.calls == 0 && l.idle != nil {
		close(l.idle)
	}
}

// end lets no more calls in. It returns a channel that is closed when the last
// one has left, and whether this was the first end.
func (l *life) end() (idle <-chan struct{}, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.idle != nil {
		return l.idle, false
	}
	l.idle = make(chan struct{})
	if l.calls == 0 {
		close(l.idle)
	}
	return l.idle, true
}
