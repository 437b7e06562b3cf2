package redisdb

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// commitScript compares and writes. KEYS begins with the state hashes of the
// generations. ARGV: their number; for each the position and the cursor it must
// be at, and those it comes to; then commands, each as name, number of its key,
// number of its arguments, arguments. It answers 1, or 0 if a checkpoint differs.
//
// The first write can grow memory, so a full Redis (OOM) refuses it, and with it
// the whole commit, before anything is written.
var commitScript = newScript(true, `
local n = tonumber(ARGV[1])
for g = 1, n do
  local i = 4 * g - 2
  local at = redis.call('HMGET', KEYS[g], 'position', 'cursor')
  if (at[1] or '0') ~= ARGV[i] or (at[2] or '') ~= ARGV[i + 1] then return 0 end
end
for g = 1, n do
  local i = 4 * g
  redis.call('HSET', KEYS[g], 'position', ARGV[i], 'cursor', ARGV[i + 1])
end
local i = 4 * n + 2
while ARGV[i] do
  local last = i + 2 + tonumber(ARGV[i + 2])
  redis.call(ARGV[i], KEYS[tonumber(ARGV[i + 1])], unpack(ARGV, i + 3, last))
  i = last + 1
end
return 1
`)

// readScript runs commands that read, in one moment, and answers what they do: on
// a cluster, see transaction.
// ARGV: commands as in commitScript.
var readScript = newScript(false, `
local out = {}
local i = 1
while ARGV[i] do
  local last = i + 2 + tonumber(ARGV[i + 2])
  out[#out + 1] = redis.call(ARGV[i], KEYS[tonumber(ARGV[i + 1])], unpack(ARGV, i + 3, last))
  i = last + 1
end
return out
`)

type script struct {
	text, sha string
	writes    bool
}

func newScript(writes bool, text string) script {
	sum := sha1.Sum([]byte(text))
	return script{text, hex.EncodeToString(sum[:]), writes}
}

// call is a script with what it is called with.
type call struct {
	*redis.Cmd
	script script
	args   []any // keys and ARGV, after the number of keys
	keys   int
}

// NoRetry implements redis.Cmder: a commit is never sent again once it may have
// been received. What Redis refused to run (a slot that moved, a script it does
// not know) is.
func (c call) NoRetry() bool { return c.script.writes }

func (c call) with(ctx context.Context, name, script string) call {
	args := append(make([]any, 0, 3+len(c.args)), name, script, c.keys)
	c.Cmd = redis.NewCmd(ctx, append(args, c.args...)...)
	c.SetFirstKeyPos(3)
	return c
}

// run sends calls in one pipeline. A Redis that does not know the script gets
// its text. The answers are in the calls.
func run(ctx context.Context, client redis.UniversalClient, calls []call) {
	send(ctx, client, calls, nil)
	var unknown []int
	for i := range calls {
		if err := calls[i].Err(); err != nil && strings.HasPrefix(err.Error(), "NOSCRIPT") {
			unknown = append(unknown, i)
		}
	}
	if len(unknown) > 0 {
		send(ctx, client, calls, unknown)
	}
}

// send sends the calls by the hash of their script, or those of only with the text.
func send(ctx context.Context, client redis.UniversalClient, calls []call, only []int) {
	pipe := client.Pipeline()
	add := func(i int, name, script string) {
		calls[i] = calls[i].with(ctx, name, script)
		_ = pipe.Process(ctx, calls[i])
	}
	if only == nil {
		for i := range calls {
			add(i, "evalsha", calls[i].script.sha)
		}
	}
	for _, i := range only {
		add(i, "eval", calls[i].script.text)
	}
	_, _ = pipe.Exec(ctx) // each call has its own error
}

// program collects commands on keys of one partition.
type program struct {
	keys  []string
	named map[string]int
	args  []any
	bytes int
}

// number returns the number of a key in KEYS.
func (p *program) number(key string) int {
	if n, ok := p.named[key]; ok {
		return n
	}
	if p.named == nil {
		p.named = map[string]int{}
	}
	p.keys = append(p.keys, key)
	p.named[key] = len(p.keys)
	p.bytes += len(key)
	return len(p.keys)
}

// chunk is how many arguments a command within a script gets: Lua unpacks them
// onto its stack, which holds 8,000 values in Redis and 5,000 in miniredis. It
// is even, so that pairs stay together.
const chunk = 1000

// add appends a command, in pieces if it has many arguments. One without
// arguments is left out.
func (p *program) add(name, key string, args ...any) {
	if len(args) == 0 {
		return
	}
	n := p.number(key)
	for len(args) > 0 {
		k := min(chunk, len(args))
		p.args = append(p.args, name, n, k)
		p.args = append(p.args, args[:k]...)
		for _, a := range args[:k] {
			switch a := a.(type) {
			case string:
				p.bytes += len(a)
			case []byte:
				p.bytes += len(a)
			default:
				p.bytes += 8
			}
		}
		args = args[k:]
	}
}

// query appends a command that reads.
func (p *program) query(name, key string, args ...any) {
	p.args = append(p.args, name, p.number(key), len(args))
	p.args = append(p.args, args...)
}

func (p *program) call(s script) call {
	args := make([]any, 0, len(p.keys)+len(p.args))
	for _, k := range p.keys {
		args = append(args, k)
	}
	return call{script: s, keys: len(p.keys), args: append(args, p.args...)}
}

// snapshots runs programs that read, each in one moment, in one round trip. The
// answers are those of the commands. On a single server all are of one moment.
func snapshots(ctx context.Context, client redis.UniversalClient, programs []program) ([][]any, error) {
	if _, cluster := client.(*redis.ClusterClient); !cluster {
		return transaction(ctx, client, programs)
	}
	calls := make([]call, len(programs))
	for i := range programs {
		calls[i] = programs[i].call(readScript)
	}
	run(ctx, client, calls)
	answers := make([][]any, len(programs))
	for i := range calls {
		v, err := calls[i].Slice()
		if err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
		answers[i] = v
	}
	return answers, nil
}

// transaction runs programs that read in one transaction. That is cheaper than
// scripts, by much in miniredis, but a cluster has none over several partitions.
func transaction(ctx context.Context, client redis.UniversalClient, programs []program) ([][]any, error) {
	cmds := make([][]*redis.Cmd, len(programs))
	_, err := client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, p := range programs {
			for args := p.args; len(args) > 0; {
				n := args[2].(int)
				command := append([]any{args[0], p.keys[args[1].(int)-1]}, args[3:3+n]...)
				cmds[i] = append(cmds[i], pipe.Do(ctx, command...))
				args = args[3+n:]
			}
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("redis: %w", err)
	}
	answers := make([][]any, len(programs))
	for i := range cmds {
		for _, cmd := range cmds[i] {
			v, err := cmd.Result()
			if err != nil && !errors.Is(err, redis.Nil) {
				return nil, fmt.Errorf("redis: %w", err)
			}
			answers[i] = append(answers[i], v)
		}
	}
	return answers, nil
}

func snapshot(ctx context.Context, client redis.UniversalClient, p program) ([]any, error) {
	answers, err := snapshots(ctx, client, []program{p})
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}
