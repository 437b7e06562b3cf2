package projections

import "time"

// Settings bound a group in memory and time. The zero value is good for serving.
type Settings struct {
	FeedBytes     int           // of the log waiting for partitions or being applied; 0: 64 MiB
	MessageBytes  int           // after which a message is full; 0: 256 KiB
	AdvanceEvery  time.Duration // how often idle checkpoints follow the log; 0: 50 ms
	CommitEvery   time.Duration // a partition that is behind commits after this; 0: 250 ms; negative: only when it holds enough
	CommitTimeout time.Duration // for one answer of the store; 0: 30 s
	DrainTimeout  time.Duration // for what is under way when the group is stopped; 0: 15 s
	Standby       time.Duration // a checkpoint moved by somebody else must stand still this long; 0: 2 s
	// Backoff says how long to wait before an attempt, from 0 on. Nil: 50 ms, doubled up to 15 s.
	Backoff func(attempt int) time.Duration
}

func (s Settings) withDefaults() Settings {
	if s.FeedBytes == 0 {
		s.FeedBytes = 64 << 20
	}
	if s.MessageBytes == 0 {
		s.MessageBytes = 256 << 10
	}
	def := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	def(&s.AdvanceEvery, 50*time.Millisecond)
	def(&s.CommitEvery, 250*time.Millisecond)
	def(&s.CommitTimeout, 30*time.Second)
	def(&s.DrainTimeout, 15*time.Second)
	def(&s.Standby, 2*time.Second)
	if s.Backoff == nil {
		s.Backoff = func(attempt int) time.Duration {
			return min(50*time.Millisecond<<min(attempt, 10), 15*time.Second)
		}
	}
	return s
}
