package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows how far long work is: a bar on a terminal, a line every few
// seconds elsewhere.
type progress struct {
	out     io.Writer
	unit    string // what is counted; "bytes" is shown in KiB, MiB, …
	phase   string
	bar     *progressbar.ProgressBar
	started time.Time
	printed time.Time
	done    int64
}

const linesEvery = 5 * time.Second

func newProgress(out io.Writer, unit string) *progress { return &progress{out: out, unit: unit} }

func (p *progress) terminal() bool {
	f, ok := p.out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// at reports how far phase is. It may be called as often as one likes.
func (p *progress) at(phase string, done, total int64) {
	now := time.Now()
	if phase != p.phase {
		p.finish()
		p.phase, p.started, p.printed, p.bar = phase, now, now, nil
		if p.terminal() {
			p.bar = progressbar.NewOptions64(total,
				progressbar.OptionSetWriter(p.out),
				progressbar.OptionSetDescription(phase),
				progressbar.OptionShowBytes(p.unit == "bytes"),
				progressbar.OptionShowCount(),
				progressbar.OptionShowIts(),
				progressbar.OptionSetItsString(p.unit),
				progressbar.OptionSetPredictTime(true),
				progressbar.OptionThrottle(100*time.Millisecond),
			)
		}
	}
	p.done = done
	if p.bar != nil {
		p.bar.ChangeMax64(max(total, 1))
		_ = p.bar.Set64(done) // the terminal went away: nothing to tell anybody
		return
	}
	if now.Sub(p.printed) < linesEvery || total == 0 {
		return
	}
	p.printed = now
	elapsed := now.Sub(p.started)
	left := time.Duration(0)
	if done > 0 {
		left = time.Duration(float64(elapsed) * float64(total-done) / float64(done))
	}
	fmt.Fprintf(p.out, "%s: %d%%, %.0f %s/s, %s left\n", p.phase, 100*done/total, float64(done)/elapsed.Seconds(), p.unit, left.Round(time.Second))
}

// finish ends the line of a bar.
func (p *progress) finish() {
	if p.bar != nil {
		_ = p.bar.Finish()
		fmt.Fprintln(p.out)
	}
	p.bar, p.phase = nil, ""
}
